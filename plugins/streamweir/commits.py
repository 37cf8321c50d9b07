"""A stream's commit records: with its record a micro-batch's output counts, without it nothing of it does.

Micro-batches are numbered without gaps, and each writes a record. So a reader finds the newest one by the
names after one that it knows, and goes back from there by number: nothing is listed that grows with the
stream's age.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, RunFailed
from streamweir.objectstore import ObjectStore

FORMAT = 2
"""Of the records that are written; format 1 had no such entry, and no `files`."""
_READERS = 8
"""Small objects are read side by side: waiting for the store dominates."""

Published = dict[str, dict[str, int]]
"""Topic (full name) -> partition -> offset after what a stream published there."""


@dataclass(frozen=True)
class Commit:
    """What a micro-batch did.

    committed_at: Unix microseconds, when all its output was readable. next_sequence, max_ts: the frontier
    after it, so next_sequence is the first that is not worked on yet. rows: records that it worked on. files:
    names of the tables that it wrote a file of; None on records of format 1. totals: of the figures; they lie
    in an object of their own, of which the record holds the digest, totals_sha256. spans: run, first and last
    ts of its scored or counted rows, for the latest runs. published: what the stream published so far.
    doubts: the ids of which the shards' memory is wrong, as `streamweir_spark.doubts` stores them. foreign:
    foreign messages. state_bytes: what the shards remember after it. dropped_by_watermark: rows that Spark
    itself dropped since the commit before.
    """

    batch_id: int
    committed_at: int = 0
    next_sequence: int = 0
    max_ts: int | None = None
    rows: int = 0
    files: tuple[str, ...] | None = ()
    totals: Any = None
    totals_sha256: str | None = None
    spans: list[list[Any]] = field(default_factory=list)
    published: Published = field(default_factory=dict)
    doubts: list[list[Any]] = field(default_factory=list)
    foreign: int = 0
    state_bytes: int = 0
    dropped_by_watermark: int = 0

    def to_json(self) -> dict[str, Any]:
        """The record as it is stored: without the totals."""
        return {name: value for name, value in vars(self).items() if name != "totals"} | {"format": FORMAT}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Commit":
        """The record from JSON; what an earlier version did not say has its default.

        Raises BadConfiguration for a format that is not known.
        """
        written = value.get("format", 1)
        if written > FORMAT:
            raise BadConfiguration(
                f"the commit record of micro-batch {value.get('batch_id')} has format {written}, but only "
                f"formats up to {FORMAT} are known: update Streamweir, or take another stream id"
            )
        said = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        return cls(**said | {"files": tuple(value["files"]) if written > 1 else None})


BEGINNING = Commit(batch_id=-1)
"""What stands before the first micro-batch of a stream."""


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
    if key is None:
        return None
    found = store.get_json(key)
    if found is None:
        raise Vanished(key)
    return Commit.from_json(found)


def backwards(store: ObjectStore, stream: Stream, last: Commit) -> Iterator[Commit]:
    """This commit, then those before it, newest first.

    Some are read ahead, side by side. Raises Vanished when one is missing.
    """
    yield last
    with ThreadPoolExecutor(_READERS) as pool:
        for at in range(last.batch_id - 1, -1, -_READERS):
            ids = range(at, max(at - _READERS, -1), -1)
            found = pool.map(lambda batch_id: read(store, stream, batch_id), ids)
            there = [commit for commit in takewhile(lambda commit: commit is not None, found) if commit]
            yield from there
            if len(there) < len(ids):
                raise Vanished(stream.commit(at - len(there)))


def has_file(store: ObjectStore, stream: Stream, commit: Commit, table: str) -> bool:
    """Whether a micro-batch wrote a file of a table."""
    if commit.files is not None:
        return table in commit.files
    return store.exists(stream.table_file(table, commit.batch_id))
