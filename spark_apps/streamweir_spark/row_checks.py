"""The rows of a message: which are well-formed, and what is wrong with the others."""

from collections.abc import Callable
from operator import itemgetter

from streamweir.contracts.messages import Headers
from streamweir.errors import RejectRecord
from streamweir.times import moment
from streamweir.values import identifier
from streamweir_spark.core import Reject
from streamweir_spark.decode import Row, Rows, canonical, row_problem

Closer = Callable[[Row], str | None]
"""What is wrong with a row, or None, as far as only the pipeline can tell."""

_ts_of = itemgetter("ts")


def all_well_formed(rows: Rows, key: tuple[str, ...], headers: Headers) -> bool:
    """Whether `row_problem` finds nothing, seen over all rows at once; False may also mean: look closer."""
    kinds = rows.kinds
    # One int a row, and every row's ts equals the header's: so the ints are the ts, and the rest are strings.
    if kinds.count(int) != len(rows) or kinds.count(str) != len(kinds) - len(rows):
        return False
    try:
        keys = map(itemgetter(*key), rows)
        return [*map(_ts_of, rows)].count(headers.ts) == len(rows) and all(map(all, keys))
    except KeyError:
        return False


def sort_out(
    rows: list[Row], key: tuple[str, ...], headers: Headers, name: str, closer: Closer | None = None
) -> tuple[list[tuple[int, Row]], list[Reject]]:
    """The well-formed rows with their places, and the others. name: the column with a record's own id."""
    good: list[tuple[int, Row]] = []
    rejects: list[Reject] = []
    for place, row in enumerate(rows):
        problem = row_problem(row, key, headers) or (closer(row) if closer else None)
        if problem is None:
            good.append((place, row))
        else:
            rejects.append(Reject(place, 1, _id(row.get(name)), problem, _raw(row)))
    return good, rejects


def time_problem(column: str) -> Closer:
    """A `Closer` that says of a row when the column is no time."""

    def problem(row: Row) -> str | None:
        try:
            moment(row[column])
        except ValueError as error:
            return f"{column} {error}"
        return None

    return problem


def _id(found: object) -> str | None:
    return identifier(found) if isinstance(found, str) else None


def _raw(row: Row) -> bytes:
    try:
        return canonical(row)
    except TypeError as error:
        # JSON that is nested deeper than it can be written again; the message's bytes show it.
        raise RejectRecord(f"a row cannot be written as JSON: {error}") from error
