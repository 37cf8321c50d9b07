"""What a transaction's texts say: its time, its numbers and how many products it has.

Two ways to the same: row by row, which also says what is wrong; many rows at once, which then says nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streamweir.contracts.ecommerce_fraud.dataset import TRANSACTION_COLUMNS
from streamweir.contracts.tables import Type
from streamweir.errors import RejectRecord
from streamweir.times import moment
from streamweir.values import parse_number, parse_products
from streamweir_spark.columnar import Ints, lists_of, numbers_of, times_of

NUMBERS = tuple(column.name for column in TRANSACTION_COLUMNS if column.type is Type.DOUBLE)
"""The columns that hold numbers."""

_LARGEST_QUANTITY = 2**63 - 1
_AT_ONCE = 500
"""Rows. One whose texts say nothing lets all of them be parsed one by one."""
_FEWEST = 100
"""Fewer rows are parsed sooner one by one."""
_CREATED, _PRODUCTS = "created_at", "product_metadata"
_PRODUCT = pa.struct([("product_id", pa.int64()), ("quantity", pa.int64()), ("item_price", pa.float64())])
_PLAIN = 1 << 53
"""An integer or price below it was written as such: no larger one becomes it by rounding."""
_MOST = 1 << 31
"""Quantities below it can be summed up."""

PARSED = (_CREATED, *NUMBERS, "num_purchase")
"""What a row's texts say: microseconds since the epoch, numbers, and the quantity of all products."""

Row = Mapping[str, str | None]
Parsed = tuple[Any, ...]
"""The values of PARSED."""


def parse(row: Row) -> Parsed:
    """Parse a row; raises RejectRecord with the first column that cannot be parsed."""
    created = _created(row)
    return created, *(_number(name, row.get(name)) for name in NUMBERS), _quantity(row.get(_PRODUCTS))


def parse_at_once(columns: Mapping[str, Sequence[str | None]]) -> Iterator[Parsed | None]:
    """The same of the rows of these columns; None for those that are to be parsed one by one."""
    rows = len(columns[_CREATED])
    for first in range(0, rows, _AT_ONCE):
        some = {name: column[first : first + _AT_ONCE] for name, column in columns.items()}
        count = len(some[_CREATED])
        found = None if count < _FEWEST else _parsed(some)
        yield from repeat(None, count) if found is None else found


def sold_at_once(texts: Sequence[str]) -> Iterator[Sequence[tuple[int, int]]]:
    """Id and quantity of each product of each of the texts, all of which are lists of products."""
    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        found = None if len(some) < _FEWEST else _products(pa.array(some, pa.string()))
        if found is None:
            yield from ([(line.product_id, line.quantity) for line in parse_products(text)] for text in some)
        else:
            products, quantities, ends = (column.tolist() for column in found)
            lines = list(zip(products, quantities, strict=True))
            yield from (lines[begin:end] for begin, end in pairwise(ends))


def _parsed(columns: Mapping[str, Sequence[str | None]]) -> Iterator[Parsed] | None:
    found = [
        _column(columns[_CREATED], times_of),
        *(_column(columns[name], numbers_of) for name in NUMBERS),
        _column(columns[_PRODUCTS], _quantities),
    ]
    sound = [column for column in found if column is not None]
    return zip(*sound, strict=True) if len(sound) == len(found) else None


def _column(
    column: Sequence[str | None], read: Callable[[pa.StringArray], npt.NDArray[Any] | None]
) -> list[Any] | None:
    texts = pa.array(column, pa.string())
    found = None if texts.null_count else read(texts)
    return None if found is None else found.tolist()


def _quantities(texts: pa.StringArray) -> Ints | None:
    found = _products(texts)
    if found is None:
        return None
    _, quantities, ends = found
    sums: Ints = np.concatenate([[0], np.cumsum(quantities)])
    return np.diff(sums[ends])


def _products(texts: pa.StringArray) -> tuple[Ints, Ints, Ints] | None:
    """Ids and quantities of all products; and where those of each text begin, and the last ones end."""
    # As `values.parse_products` makes JSON of them.
    values = [text.replace("'", '"').encode() for text in texts.to_pylist()]
    lists = lists_of(values, _PRODUCT)
    if lists is None or any(column.null_count for column in (lists, *lists.flatten().flatten())):
        return None
    products, quantities, prices = (column.to_numpy() for column in lists.flatten().flatten())
    if not all(np.all((numbers > -_PLAIN) & (numbers < _PLAIN)) for numbers in (products, prices)):
        return None
    if not np.all((quantities >= 1) & (quantities < _MOST)):
        return None
    return products, quantities, np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())])


def _created(row: Row) -> int:
    try:
        return moment(row[_CREATED] or "")
    except ValueError as error:
        raise RejectRecord(f"{_CREATED} {error}") from error


def _number(name: str, text: str | None) -> float:
    if text is None:
        raise RejectRecord(f"{name} is missing")
    try:
        return parse_number(text)
    except ValueError as error:
        raise RejectRecord(f"{name} {error}") from error


def _quantity(text: str | None) -> int:
    if text is None:
        raise RejectRecord(f"{_PRODUCTS} is missing")
    try:
        total = sum(line.quantity for line in parse_products(text))
    except ValueError as error:
        raise RejectRecord(f"{_PRODUCTS} {error}") from error
    if total > _LARGEST_QUANTITY:
        raise RejectRecord(f"{_PRODUCTS} {text[:80]!r} sums up to {total} products, too many to count")
    return total
