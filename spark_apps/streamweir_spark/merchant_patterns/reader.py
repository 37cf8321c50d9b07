"""How a chunk is read: summed up by customer and merchant, its malformed rows apart."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from streamweir.contracts.merchant_patterns.dataset import (
    CUSTOMER,
    FEMALE,
    MALE,
    TRANSACTION_KEY,
    parse_amount,
    plain,
    split_lines,
)
from streamweir.contracts.messages import ROW_BYTES, Headers, Kind
from streamweir.errors import RejectRecord
from streamweir_spark.core import Reject
from streamweir_spark.decode import canonical, row_list
from streamweir_spark.row_checks import sort_out

END: tuple[()] = ()
"""What stands for the rows of a flush."""
_CACHED = 200_000

# Values come again and again: a name in thousands of rows, an amount in dozens.
_plain, _amount = lru_cache(_CACHED)(plain), lru_cache(_CACHED)(parse_amount)


Payment = tuple[tuple[str, str], str, int]
"""Merchant and customer; the gender as the file has it; units."""


class Payments(NamedTuple):
    """A chunk summed up. run, chunk: which one it is. rows: how many payments there are.

    pairs: (merchant, customer) with the number of payments and their sum in units. female, male: (merchant,
    customer). again: whether it was put back by hand, and is no chunk of its own.
    """

    run: str
    chunk: int
    rows: int
    pairs: Mapping[tuple[str, str], tuple[int, int]]
    female: frozenset[tuple[str, str]]
    male: frozenset[tuple[str, str]]
    again: bool


class Reader:
    """Reads the chunks; see `streamweir_spark.core.Reader`. All are in shard 0, which is the only one."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """The chunk summed up, and its malformed rows.

        Raises RejectRecord for a chunk without a column that is needed, or of other than the announced rows;
        of what is put back by hand for a message that is no list of rows.
        """
        if headers.kind is Kind.FLUSH:
            return {0: END}, []
        if headers.kind is Kind.REDRIVE:
            if not headers.rows:
                return {}, []
            good, rejects = sort_out(row_list(value, headers), (), headers, CUSTOMER, _problem)
            payments = [_payment([row[name] for name in TRANSACTION_KEY]) for _, row in good]
        else:
            payments, rejects = _of_chunk(headers, split_lines(value))
        return {0: tuple(_summed_up(headers, payments))}, rejects

    def read_at_once(self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int) -> None:
        """Never: a chunk is large enough by itself."""


READER = Reader()


def _of_chunk(headers: Headers, lines: Sequence[bytes]) -> tuple[list[Payment], list[Reject]]:
    names = _header(lines)
    if len(lines) - 1 != headers.rows:
        raise RejectRecord(f"the chunk has {len(lines) - 1} rows where its header says {headers.rows}")
    of_key = itemgetter(*map(names.index, TRANSACTION_KEY))
    good: list[Payment] = []
    rejects: list[Reject] = []
    for place, line in enumerate(lines[1:]):
        try:
            values = _values(line)
            if len(values) != len(names):
                raise ValueError(f"the row has {len(values)} values for {len(names)} columns")
            good.append(_payment(of_key(values)))
        except ValueError as error:
            rejects.append(_reject(place, line, names, headers.ts, str(error)))
    return good, rejects


def _header(lines: Sequence[bytes]) -> list[str]:
    try:
        names = [plain(name) for name in _values(lines[0].removeprefix(b"\xef\xbb\xbf"))] if lines else []
    except ValueError as error:
        raise RejectRecord(f"the chunk's header line cannot be read: {error}") from error
    for name in TRANSACTION_KEY:
        if names.count(name) != 1:
            raise RejectRecord(f"the chunk has column {name} {names.count(name)} times in its header line")
    return names


def _values(line: bytes) -> list[str]:
    """The values of a line; raises ValueError when it is not UTF-8 or no CSV."""
    text = line.decode()
    if '"' not in text:
        return text.split(",")
    csv.field_size_limit(ROW_BYTES)
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise ValueError(f"the row is no CSV: {error}") from error


def _payment(key: Sequence[str]) -> Payment:
    """The payment that the values of a row say; raises ValueError when they do not."""
    customer, gender, merchant, amount = key
    pair = _plain(merchant), _plain(customer)
    if not pair[1]:
        raise ValueError("there is no customer")
    if not pair[0]:
        raise ValueError("there is no merchant")
    return pair, gender, _amount(amount)


def _problem(row: Mapping[str, str]) -> str | None:
    """What is wrong with a row that was put back, as `row_checks.Closer`."""
    try:
        _payment([row[name] for name in TRANSACTION_KEY])
    except KeyError as error:
        return f"column {error.args[0]} is missing"
    except ValueError as error:
        return str(error)
    return None


def _reject(place: int, line: bytes, names: Sequence[str], ts: int, problem: str) -> Reject:
    """A malformed row, as JSON that can be mended and put back; what has no column is in `rest`."""
    try:
        values = _values(line)
    except ValueError:
        values = [line.decode(errors="replace")]
        names = ()
    row = {**dict(zip(names, values, strict=False)), "ts": ts}
    if more := values[len(names) :]:
        row["rest"] = ",".join(more)
    customer = row.get(CUSTOMER)
    return Reject(place, 1, plain(str(customer)) if customer else None, problem, canonical(row))


def _summed_up(headers: Headers, payments: Sequence[Payment]) -> Payments:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    of_gender: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for pair, gender, units in payments:
        number, total = sums.get(pair, (0, 0))
        sums[pair] = (number + 1, total + units)
        of_gender[gender].add(pair)
    female, male = (
        frozenset(chain.from_iterable(of_gender[said] for said in of_gender if plain(said) == gender))
        for gender in (FEMALE, MALE)
    )
    again = headers.kind is Kind.REDRIVE
    return Payments(headers.run, headers.sequence, len(payments), sums, female, male, again)
