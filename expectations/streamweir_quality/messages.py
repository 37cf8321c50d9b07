"""Files of messages: a run may have ten million of them, more than memory should hold. And their rows."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.contracts.messages import Headers, Kind
from streamweir.times import moment

MESSAGES = pa.schema(
    [
        ("partition", pa.int64()),
        ("offset", pa.int64()),
        ("run", pa.string()),
        ("batch", pa.int64()),
        ("sequence", pa.int64()),
        ("ts", pa.int64()),
        ("kind", pa.string()),
        ("rows", pa.int64()),
        ("value", pa.binary()),
    ]
)
"""A file of messages: where each lies, what the replay says of it, and its bytes."""
PUBLISHED = pa.schema([("run", pa.string()), ("value", pa.binary())])
"""A file of what was published: for which run, and the row as JSON."""
_SHARE_BYTES = 8 * 1024 * 1024
"""About what is in memory of messages as they go to a file or come from it."""
_BESIDE_VALUE = 300
_ROWS_AT_ONCE = 20_000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that had to be worked on."""

    partition: int
    offset: int
    headers: Headers
    value: bytes


def write_messages(file: Path, messages: Iterable[Message]) -> Path:
    """Write a file of `MESSAGES`."""
    return _write(file, MESSAGES, ((one.partition, one.offset, *one.headers, one.value) for one in messages))


def read_messages(file: Path) -> Iterator[Message]:
    """The messages of a file, in its order."""
    with pq.ParquetFile(file) as groups:
        for number in range(groups.num_row_groups):
            columns = groups.read_row_group(number).columns
            for row in zip(*(column.to_pylist() for column in columns), strict=True):
                partition, offset, run, batch, sequence, ts, kind, rows, value = row
                yield Message(partition, offset, Headers(run, batch, sequence, ts, Kind(kind), rows), value)


def write_published(file: Path, rows: Iterable[tuple[str, bytes]]) -> Path:
    """Write a file of `PUBLISHED`."""
    return _write(file, PUBLISHED, rows)


def _write(file: Path, schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> Path:
    """Write rows, the last column of which is a value; a row group holds about `_SHARE_BYTES`."""
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for share in _shares(rows):
            writer.write_batch(_batch_of(share, schema))
    return file


def _batch_of(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows, of which there is one at least, in columns."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def reader_of(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatchReader:
    """Rows as DuckDB reads them, once, with some in memory at a time."""
    rest = iter(rows)
    shares = iter(lambda: list(islice(rest, _ROWS_AT_ONCE)), [])
    return pa.RecordBatchReader.from_batches(schema, (_batch_of(share, schema) for share in shares))


def _shares(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    share: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        share.append(row)
        size += len(row[-1]) + _BESIDE_VALUE
        if size >= _SHARE_BYTES:
            yield share
            share, size = [], 0
    if share:
        yield share


def rows(message: Message, key: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """The well-formed rows of a message that is a list of objects, with their index; none when it is none.

    key: columns that a row must have. Every value is a string but `ts`, which a redriven row keeps.
    """
    try:
        found = _parsed(message.value)
    except (ValueError, RecursionError):
        return
    if not isinstance(found, list) or len(found) != message.headers.rows:
        return
    if all(isinstance(row, dict) for row in found):
        yield from (
            (place, row) for place, row in enumerate(found) if _is_well_formed(row, key, message.headers)
        )


def micros_of(text: str | None) -> int | None:
    """A time in microseconds; None for another text."""
    try:
        return moment(text or "")
    except ValueError:
        return None


def _parsed(value: bytes) -> Any:
    text = value.decode()
    found = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_refuse)
    if "\\u" in text:
        # Half of a surrogate pair is no character.
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _unrepeated(pairs: list[tuple[str, Any]]) -> Row:
    """An object; one that has a name twice has none, and so no key."""
    row = dict(pairs)
    return row if len(row) == len(pairs) else {}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _is_well_formed(row: Row, key: Iterable[str], headers: Headers) -> bool:
    ts = row.get("ts")
    earliest = 0 if headers.kind is Kind.REDRIVE else headers.ts
    if type(ts) is not int or not earliest <= ts <= headers.ts:
        return False
    texts = all(type(value) is str for name, value in row.items() if name != "ts")
    return texts and all(row.get(name) for name in key)
