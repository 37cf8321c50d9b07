"""From the texts of a chunk's payments to their sums by pair, by columns."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from streamweir.contracts.merchant_patterns.dataset import (
    AMOUNT,
    AMOUNT_PATTERN,
    CUSTOMER,
    FEMALE,
    GENDER,
    MALE,
    MERCHANT,
    TRANSACTION_KEY,
    UNITS,
    parse_amount,
    plain,
)
from streamweir_spark.merchant_patterns.pairs import Flags, Ints, Sums, Units

T = TypeVar("T")

_SCHEMA = pa.schema([(name, pa.string()) for name in TRANSACTION_KEY])
_EXACT = 2**31
"""Amounts below this many units are exact as doubles, and add up in 64 bits, as many as a chunk may hold."""


def texts_of(keys: Sequence[Sequence[str]]) -> pa.Table:
    """Values of the columns TRANSACTION_KEY, row by row, as a table."""
    columns = zip(*keys, strict=True) if keys else ((),) * len(_SCHEMA)
    return pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=_SCHEMA)


def lines_as_texts(lines: Sequence[bytes], names: Sequence[str]) -> pa.Table:
    """The same of lines, all with a value for each of the columns `names`, and none in double quotes."""
    if not lines:
        return texts_of(())
    data = b"\n".join(lines)
    numbers = [str(number) for number in range(len(names))]
    wanted = [numbers[names.index(name)] for name in TRANSACTION_KEY]
    return csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=numbers),
        csv.ParseOptions(quote_char=False),
        csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())),
    ).rename_columns(TRANSACTION_KEY)


def summed_up(texts: pa.Table) -> tuple[Sums, Ints]:
    """The payments summed up, and the places of the rows that are none."""
    customers, customer = _names(texts[CUSTOMER])
    merchants, merchant = _names(texts[MERCHANT])
    genders, gender = _values(texts[GENDER], plain)
    units = _units(texts[AMOUNT].combine_chunks())
    is_sound = _flags(customers, bool)[customer] & _flags(merchants, bool)[merchant] & (units >= 0)
    rows = np.flatnonzero(is_sound)
    keys = (merchant * len(customers) + customer)[rows]
    order = np.argsort(keys)
    rows, keys = rows[order], keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    female, male = (_flags(genders, said.__eq__)[gender[rows]] for said in (FEMALE, MALE))
    sums = Sums(
        *_used(merchants, merchant[rows[starts]]),
        *_used(customers, customer[rows[starts]]),
        number=np.diff(starts, append=len(rows)),
        total=np.add.reduceat(units[rows], starts),
        female=np.logical_or.reduceat(female, starts),
        male=np.logical_or.reduceat(male, starts),
    )
    return sums, np.flatnonzero(~is_sound)


def _values(column: pa.ChunkedArray, of: Callable[[str], T]) -> tuple[list[T], Ints]:
    """What the column's texts are, each text once, and for each row which of them it has."""
    encoded = column.combine_chunks().dictionary_encode()
    return list(map(of, encoded.dictionary.to_pylist())), encoded.indices.to_numpy().astype(np.int64)


def _names(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """The same for names, each once; a name is spelled with quotes or without."""
    spelled, place = _values(column, plain)
    known = {name: number for number, name in enumerate(dict.fromkeys(spelled))}
    return list(known), np.array([known[name] for name in spelled], np.int64)[place]


def _used(names: Sequence[str], places: Ints) -> tuple[list[str], Ints]:
    """The names that these places have, and the places in them."""
    used, there = np.unique(places, return_inverse=True)
    return [names[place] for place in used.tolist()], there


def _flags(values: Sequence[str], of: Callable[[str], bool]) -> Flags:
    return np.array(list(map(of, values)), np.bool_)


def _units(amounts: pa.StringArray) -> Units:
    """The amounts in units; a negative number for what is none."""
    is_amount = pc.match_substring_regex(amounts, f"^{AMOUNT_PATTERN}$")
    doubles = pc.if_else(is_amount, amounts, "-1").cast(pa.float64()).to_numpy() * UNITS
    units: Units = np.rint(np.minimum(doubles, _EXACT)).astype(np.int64)
    large = np.flatnonzero(doubles >= _EXACT)
    if len(large):
        units = units.astype(object)
        units[large] = [parse_amount(amounts[place].as_py()) for place in large]
    return units
