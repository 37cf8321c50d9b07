"""What a shard goes on from: how far it is, what its domain remembers, and how both are stored."""

import pickle
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streamweir.errors import BadConfiguration
from streamweir_spark.core import Part
from streamweir_spark.ids import Block

FORMAT = 4
"""Of a shard's state; goes up with each change of `Progress.plain`, of what a domain's `dump` gives, or of
what its parts hold.

Format 1 did not say so, and the ids that it remembered have no times. In format 2 the shop's browsing rows
were tuples, and in format 3 ids were no blocks.
"""


class Memory(NamedTuple):
    """What a shard goes on from. working: pickled; all but the ids that were scored, which are in blocks."""

    working: bytes
    blocks: tuple[Block, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.working) + sum(len(block.data) for block in self.blocks)


@dataclass
class Progress:
    """How far a shard is. expected: by topic and partition, the only sequence that may come next there.
    pending: parts of sequences that are not complete."""

    next_sequence: int = 0
    max_ts: int | None = None
    expected: dict[tuple[str, int], int] = field(default_factory=dict)
    pending: dict[int, dict[str, Part]] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: tuple[Any, ...]) -> "Progress":
        """From what `plain` gave: a state outlives this class."""
        next_sequence, max_ts, expected, parts = plain
        pending: dict[int, dict[str, Part]] = {}
        for part in map(Part._make, parts):
            pending.setdefault(part.sequence or 0, {})[part.topic] = part
        return cls(next_sequence, max_ts, expected, pending)

    def plain(self) -> tuple[Any, ...]:
        """As tuples and dicts of plain values."""
        parts = [tuple(part) for waiting in self.pending.values() for part in waiting.values()]
        return self.next_sequence, self.max_ts, self.expected, parts


def packed(progress: Progress, working: Any) -> bytes:
    """The working state of a shard. working: the domain's."""
    return pickle.dumps((FORMAT, progress.plain(), working), protocol=5)


def opened(working: bytes) -> tuple[Progress, Any]:
    """What `packed` was given; raises BadConfiguration for another format."""
    *said, progress, found = pickle.loads(working)
    written = said[0] if said else 1
    if written != FORMAT:
        raise BadConfiguration(
            f"the stream's checkpoint has format {written}, and this version reads format {FORMAT}: take "
            "another stream id, or the version of Streamweir that wrote it"
        )
    return Progress.of(progress), found
