"""When which ids were scored: in blocks that never change, and those of the micro-batch at hand. Pure.

What a micro-batch costs follows from its own ids: it looks them up in some dozen blocks and adds one. That
takes in smaller ones before it, so that there are few and an id is written again only some ten times.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

ID_BYTES = 16
"""A digest, or what tells ids apart as surely."""
_ID, _TS = np.dtype(f"S{ID_BYTES}"), np.dtype("<i8")
_ENTRY_BYTES = ID_BYTES + _TS.itemsize
_LARGEST = 1 << 20
"""Ids of a block that no other one takes in: so much is written anew in a micro-batch at most, 24 MiB."""

_Ids = npt.NDArray[np.bytes_]
_Times = npt.NDArray[np.signedinteger[Any]]


class Block:
    """Ids in order, each once, and when they were scored. data: the ids, then their ts, 8 bytes each."""

    def __init__(self, data: bytes) -> None:
        count = len(data) // _ENTRY_BYTES
        self.data = data
        self.ids: _Ids = np.frombuffer(data, _ID, count)
        self.times: _Times = np.frombuffer(data, _TS, count, count * ID_BYTES)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the data."""
        return sha256(self.data).hexdigest()

    @cached_property
    def newest(self) -> int:
        """The largest ts."""
        return int(self.times.max())

    def find(self, asked: _Ids) -> Iterator[tuple[int, int]]:
        """The places of those that are here, and their ts; asked in order, that is much faster."""
        at = np.minimum(np.searchsorted(self.ids, asked), len(self) - 1)
        found = np.flatnonzero(self.ids[at] == asked)
        return zip(found.tolist(), self.times[at[found]].tolist(), strict=True)


class Ids:
    """The ids that were scored. retention_s: for how long, on the virtual clock, one makes duplicates.

    blocks: oldest first. An id that was scored again after the retention is in several; the last one counts.
    """

    def __init__(self, retention_s: int, blocks: Sequence[Block] = ()) -> None:
        self._retention_s = retention_s
        self._blocks = tuple(blocks)
        self._looked_up: dict[bytes, int | None] = {}
        self._new: dict[bytes, int] = {}

    def look_up(self, ids: Sequence[bytes]) -> None:
        """Find out when these were scored, so that `first_time` may be asked for them until `dump`."""
        asked = np.frombuffer(b"".join(ids), _ID)
        order = np.argsort(asked)
        asked = asked[order]
        self._looked_up = dict.fromkeys(ids)
        for block in self._blocks:
            for place, ts in block.find(asked):
                self._looked_up[ids[order[place]]] = ts

    def first_time(self, id: bytes, ts: int) -> bool:
        """Whether this id was not scored within the retention; now it is, at `ts`."""
        before = self._looked_up[id]
        if before is not None and ts - before <= self._retention_s:
            return False
        self._looked_up[id] = self._new[id] = ts
        return True

    def dump(self, now: int | None) -> tuple[Block, ...]:
        """The blocks, with what is new in one of them, and without those that make no duplicates from `now`
        on."""
        if now is None:
            return self._blocks
        oldest = now - self._retention_s
        blocks = [block for block in self._blocks if block.newest >= oldest]
        if self._new:
            ids, times = np.frombuffer(b"".join(self._new), _ID), np.fromiter(self._new.values(), _TS)
            first = _first_to_merge([*map(len, blocks), len(ids)])
            parts = [*((block.ids, block.times) for block in blocks[first:]), (ids, times)]
            merged = _merged(parts, oldest)
            blocks[first:] = [merged] if len(merged) else []
        self._blocks, self._looked_up, self._new = tuple(blocks), {}, {}
        return self._blocks


def _first_to_merge(sizes: Sequence[int]) -> int:
    """Which is the first of the blocks that become one with the last: each is as small as those behind it."""
    first, size = len(sizes) - 1, sizes[-1]
    while first and sizes[first - 1] <= size and size + sizes[first - 1] <= _LARGEST:
        first -= 1
        size += sizes[first]
    return first


def _merged(parts: Sequence[tuple[_Ids, _Times]], oldest: int) -> Block:
    """One block, without what is older; of an id that is in several parts the last ts counts."""
    ids, times = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(ids, kind="stable")
    ids, times = ids[order], times[order]
    counts = np.append(ids[1:] != ids[:-1], True) & (times >= oldest)
    return Block(ids[counts].tobytes() + times[counts].tobytes())
