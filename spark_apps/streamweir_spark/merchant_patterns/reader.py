"""How a chunk is read: summed up by customer and merchant, its malformed rows apart."""

import csv
from collections.abc import Mapping, Sequence
from operator import itemgetter, methodcaller
from typing import NamedTuple

import pyarrow as pa

from streamweir.claims import Content
from streamweir.contracts.merchant_patterns.dataset import (
    CUSTOMER,
    TRANSACTION_KEY,
    parse_amount,
    plain,
    split_lines,
)
from streamweir.contracts.messages import ROW_BYTES, Headers, Kind
from streamweir.errors import RejectRecord
from streamweir_spark.core import Reject
from streamweir_spark.decode import canonical, row_list
from streamweir_spark.merchant_patterns.pairs import Sums
from streamweir_spark.merchant_patterns.summing import lines_as_texts, summed_up, texts_of
from streamweir_spark.row_checks import sort_out

END: tuple[()] = ()
"""What stands for the rows of a flush."""
_of_key = itemgetter(*TRANSACTION_KEY)


class Payments(NamedTuple):
    """A chunk summed up. run, chunk: which one it is. rows: how many payments there are. sums: None for a
    chunk that cannot be read: its object was announced all the same.

    again: whether it was put back by hand, and is no chunk of its own. key, sha256: of its object, if any.
    """

    run: str
    chunk: int
    rows: int
    sums: Sums | None
    again: bool
    key: str = ""
    sha256: str = ""


class Reader:
    """Reads the chunks; see `streamweir_spark.core.Reader`. All are in shard 0, which is the only one."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """The chunk summed up, and its malformed rows; or the whole of it, when it lacks a column that is
        needed or has other than the announced rows.

        Raises RejectRecord of what is put back by hand for a message that is no list of rows.
        """
        if headers.kind is Kind.FLUSH:
            return {0: END}, []
        again = headers.kind is Kind.REDRIVE
        sums: Sums | None = None
        if again:
            if not headers.rows:
                return {}, []
            good, rejects = sort_out(row_list(value, headers), (), headers, CUSTOMER, _problem)
            sums, _ = summed_up(texts_of([_of_key(row) for _, row in good]))
        else:
            try:
                sums, rejects = _of_chunk(headers, split_lines(value))
            except RejectRecord as problem:
                rejects = [Reject(-1, headers.rows, None, str(problem), value)]
        rows = 0 if sums is None else int(sums.number.sum())
        named = (str(value.claim.key), value.claim.sha256) if isinstance(value, Content) else ()
        return {0: tuple(Payments(headers.run, headers.sequence, rows, sums, again, *named))}, rejects

    def read_at_once(self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int) -> None:
        """Never: a chunk is large enough by itself."""


READER = Reader()


def _of_chunk(headers: Headers, lines: Sequence[bytes]) -> tuple[Sums, list[Reject]]:
    names, rows = _header(lines), lines[1:]
    if len(rows) != headers.rows:
        raise RejectRecord(f"the chunk has {len(rows)} rows where its header says {headers.rows}")
    odd = _odd(rows, len(names) - 1)
    places = [place for place in range(len(rows)) if place not in odd]
    texts = lines_as_texts([rows[place] for place in places], names)
    of_key = itemgetter(*map(names.index, TRANSACTION_KEY))
    keys: list[Sequence[str]] = []
    problems: dict[int, str] = {}
    for place in sorted(odd):
        try:
            keys.append(of_key(_values(rows[place], len(names))))
            places.append(place)
        except ValueError as error:
            problems[place] = str(error)
    texts = pa.concat_tables([texts, texts_of(keys)])
    sums, bad = summed_up(texts)
    for at in bad:
        problems[places[at]] = _problem({name: texts[name][at].as_py() for name in TRANSACTION_KEY}) or ""
    return sums, [
        _reject(place, rows[place], names, headers.ts, problem) for place, problem in sorted(problems.items())
    ]


def _odd(rows: Sequence[bytes], commas: int) -> set[int]:
    """The places of the rows that need a closer look than a comma between two values."""
    counts = map(methodcaller("count", b","), rows)
    found = {place for place, count in enumerate(counts) if count != commas}
    if _is_odd(b"\n".join(rows)):
        found.update(place for place, line in enumerate(rows) if _is_odd(line))
    return found


def _is_odd(lines: bytes) -> bool:
    try:
        lines.decode()
    except UnicodeDecodeError:
        return True
    return b'"' in lines or b"\r" in lines


def _header(lines: Sequence[bytes]) -> list[str]:
    try:
        names = [plain(name) for name in _split(lines[0].removeprefix(b"\xef\xbb\xbf"))] if lines else []
    except ValueError as error:
        raise RejectRecord(f"the chunk's header line cannot be read: {error}") from error
    for name in TRANSACTION_KEY:
        if names.count(name) != 1:
            raise RejectRecord(f"the chunk has column {name} {names.count(name)} times in its header line")
    return names


def _values(line: bytes, count: int) -> list[str]:
    """So many values of a line; raises ValueError for others, and as `_split`."""
    values = _split(line)
    if len(values) != count:
        raise ValueError(f"the row has {len(values)} values for {count} columns")
    return values


def _split(line: bytes) -> list[str]:
    """The values of a line; raises ValueError when it is not UTF-8 or no CSV."""
    text = line.decode()
    if '"' not in text:
        return text.split(",")
    csv.field_size_limit(ROW_BYTES)
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise ValueError(f"the row is no CSV: {error}") from error


def _problem(row: Mapping[str, str]) -> str | None:
    """What is wrong with a row, as `row_checks.Closer`."""
    try:
        customer, _, merchant, amount = _of_key(row)
    except KeyError as error:
        return f"column {error.args[0]} is missing"
    for what, name in (("customer", customer), ("merchant", merchant)):
        if not plain(name):
            return f"there is no {what}"
    try:
        parse_amount(amount)
    except ValueError as error:
        return str(error)
    return None


def _reject(place: int, line: bytes, names: Sequence[str], ts: int, problem: str) -> Reject:
    """A malformed row, as JSON that can be mended and put back; what has no column is in `rest`."""
    try:
        values = _split(line)
    except ValueError:
        values = [line.decode(errors="replace")]
        names = ()
    row = {**dict(zip(names, values, strict=False)), "ts": ts}
    if more := values[len(names) :]:
        row["rest"] = ",".join(more)
    customer = row.get(CUSTOMER)
    return Reject(place, 1, plain(str(customer)) if customer else None, problem, canonical(row))
