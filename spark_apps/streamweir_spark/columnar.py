"""The rows of many messages at once, as columns: the fast way, for messages in which nothing is odd.

It knows only how a replay writes rows, and says no to all else. Then the careful way is taken, row by row
(`decode.row_list`, `row_checks`), which finds what is odd. Where the fast way says yes, both say the same.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from streamweir.contracts.messages import Headers
from streamweir.values import EARLIEST, LATEST

Ints = npt.NDArray[np.int64]

_ROWS = "rows"
_TS = "ts"
_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?Z?$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def columns_of(messages: Sequence[tuple[Headers, bytes]], key: Sequence[str]) -> pa.StructArray | None:
    """The rows of all the messages, in order; None when a message needs a closer look.

    All rows have the columns of the first one, each once: texts, those of the key not empty, and the ts of
    their message's headers.
    """
    names = _names(messages)
    if not names.issuperset((*key, _TS)):
        return None
    row = pa.struct([(name, pa.int64() if name == _TS else pa.string()) for name in sorted(names)])
    lists = lists_of([value for _, value in messages], row)
    lengths = [headers.rows for headers, _ in messages]
    if lists is None or not lists.value_lengths().equals(pa.array(lengths, pa.int32())):
        return None
    rows = lists.flatten()
    if any(column.null_count for column in rows.flatten()):
        return None
    ts = np.repeat(np.array([headers.ts for headers, _ in messages]), lengths)
    are_sound = np.array_equal(rows.field(_TS).to_numpy(), ts) and all(
        pc.min(pc.binary_length(rows.field(name))).as_py() for name in key
    )
    return rows if are_sound else None


def lists_of(values: Sequence[bytes], row: pa.DataType) -> pa.ListArray | None:
    """The list of objects that each of the values is, as JSON; None when one is not, or when a list does not
    hold objects of the columns and types of `row`.

    Arrow's reader refuses what is not JSON, also NaN and lone surrogates, an unknown column, and one that is
    there twice. Of a column that is missing it makes a null.
    """
    lines = b"".join([b'{"%b":%b}\n' % (_ROWS.encode(), value) for value in values])
    options = json.ParseOptions(
        explicit_schema=pa.schema([(_ROWS, pa.list_(row))]), unexpected_field_behavior="error"
    )
    # One block: a line that does not fit into its block is an error.
    block = json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    try:
        table = json.read_json(pa.BufferReader(lines), block, options)
        # Whether texts are UTF-8 is seen only here.
        table.validate(full=True)
    except pa.ArrowInvalid:
        return None
    # As many lists as values: nothing in a value can end its object and begin another unnoticed.
    return table[_ROWS].combine_chunks() if table.num_rows == len(values) else None


def times_of(texts: pa.StringArray) -> Ints | None:
    """`values.parse_time` of each of the texts; None when one is not a time as most are spelled."""
    if not pc.all(pc.match_substring_regex(texts, _TIME)).as_py():
        return None
    try:
        times = pc.utf8_rtrim(texts, "Z").cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    micros: Ints = times.cast(pa.int64()).to_numpy()
    return micros if np.all((micros >= EARLIEST) & (micros < LATEST)) else None


def numbers_of(texts: pa.StringArray) -> npt.NDArray[np.float64] | None:
    """`values.parse_number` of each of the texts; None when one is no number."""
    if not pc.all(pc.match_substring_regex(texts, _NUMBER)).as_py():
        return None
    try:
        numbers: npt.NDArray[np.float64] = texts.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return numbers if np.all(np.isfinite(numbers)) else None


def _names(messages: Sequence[tuple[Headers, bytes]]) -> set[str]:
    """The columns of the first row."""
    value = next((value for headers, value in messages if headers.rows), b"[]")
    try:
        match orjson.loads(value):
            case [dict() as row, *_]:
                return set(row)
    except orjson.JSONDecodeError:
        pass
    return set()
