"""A stream's commit records: with its record a micro-batch's output counts, without it nothing of it does.

Micro-batches are numbered without gaps, and each writes a record. So a reader finds the newest one by the
names after one that it knows, and goes back from there by number: nothing is listed that grows with the
stream's age. Where a record is missing, a segment ends: micro-batches of a finished run, put together.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from streamweir.contracts.formats import stored_format
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import RunFailed, StreamHeld
from streamweir.objectstore import ObjectStore, to_json

FORMAT = 5
"""Of the records that are written; format 4 had no `blocks`, format 3 no `memory_sha256`, format 2 no
`remainder` either, format 1 no `files`."""
SEGMENT_FORMAT = 1
READERS = 8
"""Small objects are read side by side: waiting for the store dominates."""

Published = dict[str, dict[str, int]]
"""Topic (full name) -> partition -> offset after what a stream published there."""


@dataclass(frozen=True)
class Remainder:
    """Rows of a table of CSV files that no file holds yet. first: number of the first one. lines: as a file
    holds them."""

    first: int = 1
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Commit:
    """What a micro-batch, or a step of a stage in plain Python, did.

    committed_at: Unix microseconds, when all its output was readable. next_sequence, max_ts: the frontier
    after it, so next_sequence is the first that is not worked on yet. rows: records that it worked on. files:
    names of the tables that it wrote a file of; None on records of format 1. totals: of the figures; they lie
    in an object of their own, of which the record holds the digest, totals_sha256. memory_sha256: of what the
    core goes on from, where the driver keeps that; it lies like the totals. blocks: those of the ids that
    were scored, by their digests. spans: run, first and last ts of its scored
    or counted rows, for the latest runs. published: what the stream published so far. doubts: the ids of
    which the shards' memory is wrong, as `streamweir_spark.doubts` stores them. state: what a Python stage
    goes on from, in its own form. foreign: foreign messages. state_bytes: what the shards remember after it.
    dropped_by_watermark: rows that Spark itself dropped since the commit before. remainder: rows that wait
    for a CSV file.
    """

    batch_id: int
    committed_at: int = 0
    next_sequence: int = 0
    max_ts: int | None = None
    rows: int = 0
    files: tuple[str, ...] | None = ()
    totals: Any = None
    totals_sha256: str | None = None
    memory_sha256: str | None = None
    blocks: tuple[str, ...] = ()
    spans: list[list[Any]] = field(default_factory=list)
    published: Published = field(default_factory=dict)
    doubts: list[list[Any]] = field(default_factory=list)
    state: Any = None
    foreign: int = 0
    state_bytes: int = 0
    dropped_by_watermark: int = 0
    remainder: Remainder = Remainder()

    def to_json(self) -> dict[str, Any]:
        """The record as it is stored: without what lies in objects of its own."""
        kept = {name: value for name, value in vars(self).items() if name != "totals"}
        return {**kept, "remainder": vars(self.remainder), "format": FORMAT}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Commit":
        """The record from JSON; what an earlier version did not say has its default.

        Raises BadConfiguration for a format that is not known.
        """
        what = f"the commit record of micro-batch {value.get('batch_id')}"
        written = stored_format(value, FORMAT, what, "take another stream id")
        said = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        waiting = value["remainder"] if written > 2 else vars(Remainder())
        remainder = Remainder(waiting["first"], tuple(waiting["lines"]))
        files = tuple(value["files"]) if written > 1 else None
        blocks = tuple(value["blocks"]) if written > 4 else ()
        return cls(**said | {"files": files, "remainder": remainder, "blocks": blocks})


BEGINNING = Commit(batch_id=-1)
"""What stands before the first micro-batch of a stream."""


@dataclass(frozen=True)
class Segment:
    """Micro-batches `first` to `last` of a stream, put together.

    next_sequence, published: as the last one's commit record had them. files: parquet files by table, as
    named below `segments/`, with the columns that the stream keeps and `batch_id`, in the order of the
    micro-batches. commits: the file with the commit records, one a line, as far as they are of use once
    others follow.
    """

    first: int
    last: int
    next_sequence: int
    published: Published
    files: Mapping[str, Sequence[str]]
    commits: str

    def to_json(self) -> dict[str, Any]:
        """The segment as it is stored."""
        return {**vars(self), "format": SEGMENT_FORMAT}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Segment":
        """The segment from JSON; raises BadConfiguration for a format that is not known."""
        stored_format(value, SEGMENT_FORMAT, f"segment {value.get('last')}", "take another stream id")
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})


Entry = Commit | Segment
"""What a stream's way back consists of."""


class Vanished(RunFailed):
    """An object of a stream that must be there is not."""

    def __init__(self, key: ObjectKey) -> None:
        super().__init__(f"{key} is missing: somebody deletes this stream's objects")


def read(store: ObjectStore, stream: Stream, batch_id: int) -> Commit | None:
    """The commit record of a micro-batch, without totals that lie elsewhere; None when there is none."""
    found = store.get_json(stream.commit(batch_id))
    return None if found is None else Commit.from_json(found)


def newest(store: ObjectStore, stream: Stream, known: int | None) -> Commit | None:
    """The stream's newest commit record, None before its first.

    known: a micro-batch that was committed, as late a one as possible; None lists all that there are.
    """
    after = None if known is None else stream.commit(known)
    later = store.list(stream.commits, after=after)
    key = later[-1] if later else after
    return None if key is None else Commit.from_json(orjson.loads(present(store, key)))


def add(store: ObjectStore, stream: Stream, commit: Commit) -> None:
    """Write the commit record of a step; raises StreamHeld when another process wrote it."""
    if store.put_if_absent(stream.commit(commit.batch_id), to_json(commit.to_json())) is None:
        raise StreamHeld(f"step {commit.batch_id} of {stream} was written by another process")


def backwards(store: ObjectStore, stream: Stream, last: Commit) -> Iterator[Entry]:
    """This commit, then what lies before it, newest first, to the stream's first micro-batch.

    Some are read ahead, side by side. Raises Vanished where neither a commit nor a segment is.
    """
    yield last
    at = last.batch_id - 1
    with ThreadPoolExecutor(READERS) as pool:
        while at >= 0:
            ids = range(at, max(at - READERS, -1), -1)
            found = pool.map(lambda batch_id: read(store, stream, batch_id), ids)
            for commit in found:
                if commit is None:
                    break
                yield commit
                at -= 1
            if at in ids:
                segment = read_segment(store, stream, at)
                if segment is None:
                    raise Vanished(stream.commit(at))
                yield segment
                at = segment.first - 1


def read_segment(store: ObjectStore, stream: Stream, last: int) -> Segment | None:
    """The segment that ends with a micro-batch; None when there is none."""
    found = store.get_json(stream.segment(last))
    return None if found is None else Segment.from_json(found)


def commits_of(store: ObjectStore, stream: Stream, entry: Entry) -> list[Commit]:
    """The commit records of an entry, oldest first."""
    if isinstance(entry, Commit):
        return [entry]
    lines = gzip.decompress(present(store, stream.segments / entry.commits)).splitlines()
    return [Commit.from_json(orjson.loads(line)) for line in lines]


def files_of(store: ObjectStore, stream: Stream, entry: Entry, table: str) -> list[ObjectKey]:
    """The files that hold an entry's rows of a table, in order."""
    if isinstance(entry, Segment):
        return [stream.segments / name for name in entry.files.get(table, ())]
    key = stream.table_file(table, entry.batch_id)
    wrote = store.exists(key) if entry.files is None else table in entry.files
    return [key] if wrote else []


def present(store: ObjectStore, key: ObjectKey) -> bytes:
    """An object that an entry names; raises Vanished when it is not there."""
    data = store.get(key)
    if data is None:
        raise Vanished(key)
    return data
