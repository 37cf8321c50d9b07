"""From messages to parts: every message becomes one part per shard, whatever its bytes are."""

import json
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any
from zlib import crc32

import orjson

from streamweir.contracts.messages import LATEST_TS, Headers, Kind
from streamweir.errors import RejectRecord
from streamweir.values import identifier
from streamweir_spark.core import FOREIGN, Part, Reader, Received, Reject

Row = dict[str, Any]

_CACHED_KEYS = 100_000
_LONGEST_CACHED_KEY = 200
_AT_ONCE = 5_000
"""Rows. An odd one among them lets all their messages be read one by one."""
_FEWEST_ROWS = 500
"""Fewer rows are read sooner one by one."""


def decode(messages: Iterable[Received], shards: int, reader: Reader) -> Iterator[Part]:
    """The parts of the messages: for each message one per shard, in order.

    A message without a replay's headers becomes one foreign part in shard 0. No message raises.
    """
    taken = [(message, Headers.decode(message.headers)) for message in messages]
    known = _read_at_once(taken, shards, reader)
    for place, (message, headers) in enumerate(taken):
        if headers is None:
            yield _foreign(message, "the message lacks the headers of a replay")
        elif headers.ts > LATEST_TS:
            yield _foreign(message, f"ts {headers.ts} lies beyond the year 9999")
        else:
            rows, rejects = (known[place], []) if place in known else _read(message, headers, shards, reader)
            yield from _parts(message, headers, shards, rows, rejects)


class Rows(list[Row]):
    """The rows of a message. kinds: the types of all their values, row by row."""

    kinds: list[type]


class Repeated(list[Any]):
    """The values of a key that a row names more than once; a parser would silently take the last."""


def row_list(value: bytes, headers: Headers) -> Rows:
    """The message's list of objects; raises RejectRecord when it is none, or not of the announced length.

    A key that a row names more than once has all its values, as `Repeated`.
    """
    try:
        rows = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise RejectRecord(f"the message is not JSON: {error}") from error
    if not isinstance(rows, list) or not all(type(row) is dict for row in rows):
        raise RejectRecord("the message is not a JSON list of objects")
    if len(rows) != headers.rows:
        raise RejectRecord(f"the message holds {len(rows)} rows where its header says {headers.rows}")
    found = Rows(rows)
    found.kinds = _kinds(found)
    if may_repeat_keys(value, found.kinds):
        _mark_repeated(value, found)
        found.kinds = _kinds(found)
    return found


def may_repeat_keys(value: bytes, kinds: list[type]) -> bool:
    """Whether an object may name a key more than once: false is certain, and costs next to nothing.

    Every string has two quotes, and a parser that drops a repeated key drops a string with it. kinds: the
    types of all values, one for each key that is left. What containers hold is not counted.
    """
    strings = len(kinds) + kinds.count(str)
    if b"\\" in value:
        value = value.replace(b"\\\\", b"").replace(b'\\"', b"")
    return value.count(b'"') != 2 * strings


def parse_pairs(value: bytes, hook: Callable[[list[tuple[str, object]]], dict[str, object]]) -> Any:
    """JSON whose objects the hook makes of all their pairs, also of repeated keys.

    Raises RejectRecord for what is nested deeper than Python can walk, as orjson may have taken it.
    """
    try:
        return json.loads(value, object_pairs_hook=hook)
    except RecursionError as error:
        raise RejectRecord("the message is nested too deeply to look for repeated keys") from error


def row_problem(row: Row, key: Iterable[str], headers: Headers) -> str | None:
    """What makes a row malformed, or None: key columns, strings everywhere, no key twice, the header's ts (a
    redriven row keeps its own, which is no later)."""
    for name in key:
        if name not in row:
            return f"key column {name} is missing"
        if row[name] == "":
            return f"key column {name} is empty"
    for name, value in row.items():
        if type(value) is Repeated:
            return f"{name[:80]} is there {len(value)} times"
        if name != "ts" and type(value) is not str:
            return f"{name[:80]} is {_shown(value)}, not a string"
    ts = row.get("ts")
    if headers.kind == Kind.REDRIVE and type(ts) is int and 0 <= ts <= headers.ts:
        return None
    if type(ts) is not int or ts != headers.ts:
        return f"ts is {_shown(ts)}, not the message's {headers.ts}"
    return None


def canonical(row: Mapping[str, object]) -> bytes:
    """The row as JSON with sorted keys, the same bytes for the same row."""
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


class ShardOf(dict[str, int]):
    """The shard of a session, by the crc32 of its id, remembered for the sessions seen last."""

    def __init__(self, shards: int) -> None:
        super().__init__()
        self.shards = shards

    def __missing__(self, session: str) -> int:
        shard = crc32(identifier(session).encode()) % self.shards
        if len(session) <= _LONGEST_CACHED_KEY:
            if len(self) >= _CACHED_KEYS:
                self.clear()
            self[session] = shard
        return shard


def _kinds(rows: Iterable[Row]) -> list[type]:
    return list(map(type, chain.from_iterable(map(dict.values, rows))))


def _mark_repeated(value: bytes, rows: list[Row]) -> None:
    for row, found in zip(rows, parse_pairs(value, _with_repeated), strict=True):
        row.update((name, values) for name, values in found.items() if type(values) is Repeated)


def _with_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(earlier := found[name], Repeated):
            earlier.append(value)
        else:
            found[name] = Repeated([earlier, value])
    return found


def _shown(value: object) -> str:
    # Never the whole of a container: it may be nested deeper than it can be printed.
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return f"{value!r:.80}"


def _read_at_once(
    taken: Iterable[tuple[Received, Headers | None]], shards: int, reader: Reader
) -> dict[int, Mapping[int, object]]:
    """By place the rows, by shard, of the messages that the reader can read many at once."""
    by_topic: defaultdict[str, list[tuple[int, Headers, bytes]]] = defaultdict(list)
    for place, (message, headers) in enumerate(taken):
        if headers is not None and headers.kind is Kind.BATCH and message.value:
            by_topic[message.topic].append((place, headers, message.value))
    known: dict[int, Mapping[int, object]] = {}
    for topic, found in by_topic.items():
        for some in _some_at_a_time(found):
            places, *read = zip(*some, strict=True)
            rows = reader.read_at_once(topic, list(zip(*read, strict=True)), shards)
            known.update(zip(places, rows or (), strict=rows is not None))
    return known


def _some_at_a_time(
    messages: Iterable[tuple[int, Headers, bytes]],
) -> Iterator[list[tuple[int, Headers, bytes]]]:
    """The messages of so many rows that it is worth while."""
    some, rows = [], 0
    for one in messages:
        some.append(one)
        rows += one[1].rows
        if rows >= _AT_ONCE:
            yield some
            some, rows = [], 0
    if rows >= _FEWEST_ROWS:
        yield some


def _read(
    message: Received, headers: Headers, shards: int, reader: Reader
) -> tuple[Mapping[int, object], list[Reject]]:
    value = message.value or b""
    try:
        return reader.read(message.topic, headers, value, shards)
    except RejectRecord as problem:
        return {}, [Reject(-1, headers.rows, None, str(problem), value)]


def _parts(
    message: Received, headers: Headers, shards: int, rows: Mapping[int, object], rejects: list[Reject]
) -> Iterator[Part]:
    for shard in range(shards):
        share = pack([] if shard else rejects, rows.get(shard))
        yield Part(
            shard,
            message.topic,
            message.partition,
            message.offset,
            message.appended_at,
            headers.run,
            headers.batch,
            headers.sequence,
            headers.ts,
            headers.kind.value,
            share,
        )


def _foreign(message: Received, detail: str) -> Part:
    blob = pack([Reject(-1, 1, None, detail, message.value)], None)
    place = (message.topic, message.partition, message.offset, message.appended_at)
    return Part(0, *place, run=None, batch_index=None, sequence=None, ts=None, kind=FOREIGN, blob=blob)


def pack(rejects: list[Reject], rows: object | None) -> bytes:
    """A part's blob. The pickle never leaves the job: `decode` writes it and `work` reads it."""
    if not rejects and rows is None:
        return b""
    return pickle.dumps(([tuple(reject) for reject in rejects], rows), protocol=5)


def unpack(blob: bytes) -> tuple[list[Reject], Any]:
    """What `pack` packed; Nones for no rows."""
    if not blob:
        return [], None
    rejects, rows = pickle.loads(blob)
    return [Reject(*reject) for reject in rejects], rows
