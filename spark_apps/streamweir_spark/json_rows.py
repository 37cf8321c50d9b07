"""Rows as JSON, column by column: the same text that Spark's `to_json` writes, in its time zone UTC.

Nulls are written, a double has a point or an exponent, NaN and the infinite ones are texts. Only the last
digits of some doubles differ: Java before version 19 does not always write the shortest text of a number.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ESCAPES = str.maketrans(
    {chr(code): f"\\u{code:04X}" for code in range(32)}
    | {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)
_ESCAPED = r'["\\\x00-\x1f]'
_NULL = "null"
_SMALL, _LARGE = 1e-3, 1e7
"""Java writes no exponent from the one to below the other."""


def json_rows(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """A JSON object of these columns for each row, as text."""
    parts = []
    for place, name in enumerate(names):
        parts += [f"{',' if place else '{'}{_quoted(name)}:", _texts(rows[name].combine_chunks())]
    return pc.binary_join_element_wise(*parts, "}", "") if rows.num_rows else pa.array([], pa.string())


def double_text(value: float) -> str:
    """A number as Java writes it."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    text = repr(value)
    if value == 0 or _SMALL <= abs(value) < _LARGE:
        return text
    digits, _, power = text.lower().partition("e")
    sign = "-" if digits.startswith("-") else ""
    whole, _, part = digits.removeprefix("-").partition(".")
    part = "" if part == "0" else part
    exponent = int(power or 0) + len(whole) - 1
    figures = (whole + part).lstrip("0")
    exponent -= len(whole + part) - len(figures)
    figures = figures.rstrip("0")
    return f"{sign}{figures[0]}.{figures[1:] or '0'}E{exponent}"


def _texts(column: pa.Array) -> pa.Array:
    """The values of a column as JSON."""
    kind = column.type
    if pa.types.is_string(kind):
        return pc.fill_null(_strings(column), _NULL)
    if pa.types.is_floating(kind):
        return pc.fill_null(_doubles(column), _NULL)
    if pa.types.is_timestamp(kind):
        return pc.fill_null(_timestamps(column), _NULL)
    if pa.types.is_list(kind):
        values = _texts(column.flatten())
        lists = pa.ListArray.from_arrays(_offsets(column), values)
        joined = pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
        return pc.if_else(column.is_null(), _NULL, joined)
    plain = column.cast(pa.string())
    if pa.types.is_date(kind):
        plain = pc.binary_join_element_wise('"', plain, '"', "")
    return pc.fill_null(plain, _NULL)


def _strings(column: pa.Array) -> pa.Array:
    texts = pc.binary_join_element_wise('"', column, '"', "")
    return _but(texts, column, pc.match_substring_regex(column, _ESCAPED), _quoted)


def _doubles(column: pa.Array) -> pa.Array:
    """Of these sizes Arrow writes the same digits as Java, but no point behind a whole number."""
    size = pc.abs(column)
    is_usual = pc.or_(pc.equal(column, 0), pc.and_(pc.greater_equal(size, _SMALL), pc.less(size, _LARGE)))
    digits = column.cast(pa.string())
    texts = pc.if_else(pc.match_substring(digits, "."), digits, pc.binary_join_element_wise(digits, ".0", ""))
    return _but(texts, column, pc.invert(is_usual), _double)


def _but(texts: pa.Array, column: pa.Array, is_odd: pa.Array, text_of: Callable[[Any], str]) -> pa.Array:
    """The texts; of the column's odd values what `text_of` says."""
    odd = column.filter(is_odd).to_pylist()
    return pc.replace_with_mask(texts, is_odd, pa.array(map(text_of, odd), pa.string())) if odd else texts


def _timestamps(column: pa.Array) -> pa.Array:
    micros = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    texts = np.datetime_as_string(micros.astype("datetime64[ms]"), unit="ms")
    quoted = [f'"{text}Z"' for text in texts.tolist()]
    return pc.if_else(column.is_null(), pa.scalar(None, pa.string()), pa.array(quoted, pa.string()))


def _offsets(column: pa.ListArray) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())


def _double(value: float) -> str:
    text = double_text(value)
    return text if math.isfinite(value) else f'"{text}"'


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
