"""The three independent counts that the ledger compares: the producer's, the broker's and the tables'.

A run may have ten million batches: what is counted by batch lies in columns.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]

_AT_ONCE = 1_000_000


class Tally:
    """Rows by batch, as pairs of a batch's index and rows, in any order and as often as they come."""

    def __init__(self) -> None:
        self._batches, self._rows = array("q"), array("q")

    def add(self, batch: int, rows: int) -> None:
        """Count rows of a batch."""
        self._batches.append(batch)
        self._rows.append(rows)

    def extend(self, batches: pa.Array | pa.ChunkedArray, rows: pa.Array | pa.ChunkedArray) -> None:
        """Count rows of batches, pair by pair; of what an earlier stage published, which has none, as -1."""
        self._batches.frombytes(pc.fill_null(batches, -1).to_numpy().tobytes())
        self._rows.frombytes(rows.to_numpy().tobytes())

    @property
    def total(self) -> int:
        """All rows."""
        return sum(int(rows.sum()) for _, rows in self._pairs())

    def per_batch(self, index: Ints) -> Ints:
        """The rows of each of these batches, which are in ascending order."""
        sums = np.zeros(len(index), np.int64)
        for batches, rows in self._pairs():
            places, known = _find(batches, index)
            np.add.at(sums, places[known], rows[known])
        return sums

    def others(self, index: Ints) -> set[int]:
        """The batches that are not among these."""
        found: set[int] = set()
        for batches, _ in self._pairs():
            _, known = _find(batches, index)
            found.update(batches[~known].tolist())
        return found

    def _pairs(self) -> Iterator[tuple[Ints, Ints]]:
        """The pairs as two columns, some at a time."""
        batches, rows = np.asarray(self._batches), np.asarray(self._rows)
        for at in range(0, len(batches), _AT_ONCE):
            yield batches[at : at + _AT_ONCE], rows[at : at + _AT_ONCE]


def _find(batches: Ints, index: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each batch is in the index, and whether it is there."""
    places = np.searchsorted(index, batches)
    known = places < len(index)
    known[known] = index[places[known]] == batches[known]
    return places, known


def tallies() -> defaultdict[str, Tally]:
    """A tally for each topic, by its short name."""
    return defaultdict(Tally)


@dataclass(frozen=True)
class Sent:
    """The producer's own counts: its batches, how often it flushed every topic, and its manifest's totals.

    index, sequence, ts: of the batches, by index. rows: of the batches by topic. facts: the same for facts
    such as `success_payments`.
    """

    index: Ints
    sequence: Ints
    ts: Ints
    rows: Mapping[str, Ints]
    facts: Mapping[str, Ints]
    flushes: int
    manifest_batches: int
    manifest_rows: Mapping[str, int]


@dataclass(frozen=True)
class Held:
    """What the broker holds of a run; redriven, waiting, next_sequence and published are a stage's.

    rows, redriven: rows by topic and batch, by the messages' `rows` header. waiting: re-driven rows that no
    scorer has taken yet, because it had only come to `next_sequence`; they are in no other count. messages,
    flushes: messages by topic. foreign: messages among the run's that no replay sent, by topic. published:
    records on each output topic.
    """

    rows: defaultdict[str, Tally] = field(default_factory=tallies)
    redriven: defaultdict[str, Tally] = field(default_factory=tallies)
    waiting: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    flushes: Counter[str] = field(default_factory=Counter)
    next_sequence: int = 0
    foreign: Counter[str] = field(default_factory=Counter)
    published: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What a stage's committed micro-batches kept of a run.

    worked: rows scored, used or stored, by topic and batch. rejected: rows by topic, reason and batch.
    foreign: messages listed as foreign, by topic. examples: what is wrong with one of the records, by topic
    and reason. table_rows: rows of the tables that an output topic repeats. dropped_by_watermark: rows that
    Spark says it dropped by itself.
    """

    worked: defaultdict[str, Tally] = field(default_factory=tallies)
    rejected: Mapping[tuple[str, str], Tally] = field(default_factory=dict)
    foreign: Counter[str] = field(default_factory=Counter)
    examples: Mapping[tuple[str, str], str] = field(default_factory=dict)
    table_rows: Mapping[str, int] = field(default_factory=dict)
    dropped_by_watermark: int = 0
