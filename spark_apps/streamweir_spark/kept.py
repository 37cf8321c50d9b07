"""What the next micro-batch goes on from, in objects beside the commit record, which holds their digests.

All of it is written before the record. Totals and a core's working state are two objects in turn, so that
those of the record before stay. A block of ids never changes and is named by its digest; it is deleted when
neither this record nor the one before names it. So a crash at any write leaves the last record's state.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from streamweir.commits import READERS, Commit
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir_spark.ids import Block
from streamweir_spark.memory import Memory


class ToKeep(NamedTuple):
    """Objects to be written before a commit record, and what the record says of them."""

    objects: Mapping[ObjectKey, bytes]
    said: Mapping[str, Any]


class Kept:
    """These objects of a stream."""

    def __init__(self, store: ObjectStore, stream: Stream) -> None:
        self._store, self._stream = store, stream
        self._dropped = set[str]()

    def totals(self, commit: Commit) -> Any:
        """The totals of the figures; raises BadConfiguration when they are gone or others."""
        if commit.totals_sha256 is None:
            # A record of an earlier version holds them itself.
            return commit.totals
        key = self._stream.totals(commit.batch_id)
        return orjson.loads(self._read(key, commit.totals_sha256, commit))

    def memory(self, commit: Commit) -> Memory | None:
        """What a driver's core remembers, None where executors do; raises BadConfiguration as `totals`."""
        if commit.memory_sha256 is None:
            return None
        working = self._read(self._stream.memory(commit.batch_id), commit.memory_sha256, commit)
        with ThreadPoolExecutor(READERS) as pool:
            blocks = tuple(pool.map(lambda digest: self._block(digest, commit), commit.blocks))
        return Memory(working, blocks)

    def to_keep(self, batch_id: int, before: Commit, totals: Any, memory: Memory | None) -> ToKeep:
        """What a micro-batch keeps for the next one."""
        objects, said = dict[ObjectKey, bytes](), dict[str, Any]()
        if totals is not None:
            objects[self._stream.totals(batch_id)] = data = orjson.dumps(totals, option=orjson.OPT_SORT_KEYS)
            said["totals_sha256"] = sha256(data).hexdigest()
        if memory is not None:
            objects[self._stream.memory(batch_id)] = memory.working
            said["memory_sha256"] = sha256(memory.working).hexdigest()
            said["blocks"] = tuple(block.digest for block in memory.blocks)
            new = (block for block in memory.blocks if block.digest not in before.blocks)
            objects |= {self._stream.block(block.digest): block.data for block in new}
        return ToKeep(objects, said)

    def drop(self, before: Commit, commit: Commit) -> None:
        """Delete the blocks that the record before does not name any more, now that this one is written."""
        gone = self._dropped - set(commit.blocks)
        self._store.delete_all([self._stream.block(digest) for digest in sorted(gone)])
        self._dropped = set(before.blocks) - set(commit.blocks)

    def drop_others(self, commit: Commit) -> None:
        """Delete the blocks that the record does not name, as an earlier driver has left them."""
        named = {self._stream.block(digest) for digest in commit.blocks}
        self._store.delete_all([key for key in self._store.list(self._stream.blocks) if key not in named])

    def _block(self, digest: str, commit: Commit) -> Block:
        return Block(self._read(self._stream.block(digest), digest, commit))

    def _read(self, key: ObjectKey, digest: str, commit: Commit) -> bytes:
        data = self._store.get(key) or b""
        if sha256(data).hexdigest() != digest:
            raise BadConfiguration(
                f"{key} is missing or not of micro-batch {commit.batch_id}, and without it stream "
                f"{self._stream} would count from zero: put it back, or take another stream id"
            )
        return data
