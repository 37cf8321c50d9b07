"""Two result tables side by side, in DuckDB: which rows belong together, and which of their columns differ.

Views of the connection, all made of the tables' files: `baseline` and `candidate`; `joined`, a row for each
row of either side with the columns `in_baseline` and `in_candidate`, those of the key, and for each compared
column `baseline.<name>`, `candidate.<name>` and `differs.<name>`, true only where both sides have the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from streamweir.contracts.tables import Table
from streamweir.duck import BY_STATISTICS
from streamweir.errors import BadConfiguration

SIDES = BASELINE, CANDIDATE = "baseline", "candidate"
DIFFERS = "differs"
MEMORY = "1GB"
_DOUBLE, _DOUBLES = "DOUBLE", "DOUBLE[]"
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


@dataclass(frozen=True)
class Layout:
    """How two tables are compared.

    key: the columns by which rows belong together. columns: those that are compared, with DuckDB's type.
    unshared: by side the columns that only this one has.
    """

    key: tuple[str, ...]
    columns: Mapping[str, str]
    unshared: Mapping[str, list[str]]

    def is_number(self, column: str) -> bool:
        """Whether two of its values have a difference."""
        return self.columns[column] in (_DOUBLE, *_WHOLE)


@contextmanager
def comparing(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for tables that are larger than memory: it writes to the folder what exceeds the limit."""
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(folder / "spilled")}) as sql:
        sql.execute("set TimeZone = 'UTC'")
        # It would be drawn into what programs read.
        sql.execute("set enable_progress_bar = false")
        sql.execute(f"set disabled_optimizers = '{BY_STATISTICS}'")
        yield sql


def pair_up(
    sql: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path], tolerance: float | None
) -> Layout:
    """Make the views of a table's two parquet files, the baseline's first.

    tolerance: how far two doubles may be apart; None: they are the same to the bit, or both are not a number.
    Raises BadConfiguration when a column of the key is not there, or a column has two types.
    """
    for side, file in zip(SIDES, files, strict=True):
        sql.read_parquet(str(file)).create_view(f"{side}_rows", replace=True)
    layout = _layout(table, *(_types(sql, f"{side}_rows") for side in SIDES))
    for side in SIDES:
        _number_equals(sql, side, layout)
    on = " and ".join(f"b.{name(part)} is not distinct from c.{name(part)}" for part in layout.key)
    values = (_value(column, kind, tolerance) for column, kind in layout.columns.items())
    keys = (f"coalesce(b.{name(part)}, c.{name(part)}) as {name(part)}" for part in layout.key)
    there = (f"{short}.there is not null as in_{side}" for short, side in zip("bc", SIDES, strict=True))
    sql.execute(
        f"create or replace view joined as select {', '.join((*there, *keys, *values))} from baseline b "
        f"full join candidate c on {on} and b.occurrence = c.occurrence"
    )
    return layout


def name(column: str) -> str:
    """A column as SQL names it."""
    return '"' + column.replace('"', '""') + '"'


def of(side: str, column: str) -> str:
    """A column of a side in `joined`, or with `differs` whether it differs, as SQL names it."""
    return name(f"{side}.{column}")


def _types(sql: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    rows = sql.view(view)
    return dict(zip(rows.columns, map(str, rows.types), strict=True))


def _layout(table: Table, baseline: Mapping[str, str], candidate: Mapping[str, str]) -> Layout:
    key = table.matched_by or table.key
    own = {column.name for column in table.columns if column.own}
    if lacking := [part for part in key if part not in baseline or part not in candidate]:
        raise BadConfiguration(
            f"table {table.name} of one run has no column {', '.join(lacking)}: compare others"
        )
    for column in baseline.keys() & candidate.keys():
        if baseline[column] != candidate[column]:
            raise BadConfiguration(
                f"column {column} of table {table.name} is {baseline[column]} in the first run and "
                f"{candidate[column]} in the second: compare others"
            )
    return Layout(
        key=key,
        columns={
            column: kind
            for column, kind in baseline.items()
            if column in candidate and column not in own and column not in key
        },
        unshared={
            BASELINE: [column for column in baseline if column not in candidate],
            CANDIDATE: [column for column in candidate if column not in baseline],
        },
    )


def _number_equals(sql: duckdb.DuckDBPyConnection, side: str, layout: Layout) -> None:
    """Give rows with an equal key numbers, in the order of their values; `there` is true in each row."""
    key = ", ".join(map(name, layout.key))
    again = f"select 1 from {side}_rows group by {key} having count(*) > 1"
    number = "1"
    if sql.sql(f"select exists ({again})").fetchall()[0][0]:
        # As text, too: 0.0 and -0.0 are equal in the order.
        values = (f"{name(column)}, {name(column)}::varchar" for column in layout.columns)
        number = f"row_number() over (partition by {key} order by {', '.join(values) or '1'})"
    sql.execute(
        f"create or replace view {side} as select *, true as there, {number} as occurrence from {side}_rows"
    )


def _value(column: str, kind: str, tolerance: float | None) -> str:
    """The three columns of `joined` that a compared column makes."""
    differ = _differ(f"b.{name(column)}", f"c.{name(column)}", kind, tolerance)
    return (
        f"b.{name(column)} as {of(BASELINE, column)}, c.{name(column)} as {of(CANDIDATE, column)}, "
        f"coalesce(b.there and c.there and {differ}, false) as {of(DIFFERS, column)}"
    )


def _differ(b: str, c: str, kind: str, tolerance: float | None) -> str:
    if kind == _DOUBLE and tolerance is None:
        return f"({b} is distinct from {c} or ({b} = 0 and signbit({b}) <> signbit({c})))"
    if kind == _DOUBLE:
        return f"({b} is distinct from {c} and not coalesce(abs({b} - {c}) <= {tolerance!r}, false))"
    if kind == _DOUBLES and tolerance is None:
        # Only with a zero in it can two lists be equal and yet differ in a bit.
        return f"({b} is distinct from {c} or (list_contains({b}, 0) and {b}::varchar <> {c}::varchar))"
    if kind == _DOUBLES:
        apart = _differ(f"{b}[i]", f"{c}[i]", _DOUBLE, tolerance)
        far = f"list_transform(range(1, len({b}) + 1), lambda i: {apart})"
        return f"({b} is distinct from {c} and (len({b}) is distinct from len({c}) or list_bool_or({far})))"
    return f"{b} is distinct from {c}"
