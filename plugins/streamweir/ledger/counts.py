"""The three independent counts that the ledger compares: the producer's, the broker's and the tables'."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

Cell = tuple[str, int]
"""A topic's short name and the index of a batch in its run."""


@dataclass(frozen=True)
class SentBatch:
    """A batch as its producer counted it: rows by topic, and facts such as `success_payments`."""

    index: int
    sequence: int
    ts: int
    rows: Mapping[str, int]
    facts: Mapping[str, int]


@dataclass(frozen=True)
class Sent:
    """The producer's own counts: its batches, how often it flushed every topic, and its manifest's totals."""

    batches: tuple[SentBatch, ...]
    flushes: int
    manifest_batches: int
    manifest_rows: Mapping[str, int]

    def rows(self, topic: str) -> int:
        """Rows sent to a topic."""
        return sum(batch.rows[topic] for batch in self.batches)


@dataclass(frozen=True)
class Held:
    """What the broker holds of a run.

    rows, redriven: rows by topic and batch, by the messages' `rows` header. waiting: re-driven rows that no
    scorer has taken yet, because it had only come to `next_sequence`; they are in no other count. messages,
    flushes: messages by topic. foreign: messages among the run's that no replay sent. published: records on
    each output topic.
    """

    rows: Counter[Cell] = field(default_factory=Counter)
    redriven: Counter[Cell] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    flushes: Counter[str] = field(default_factory=Counter)
    next_sequence: int = 0
    foreign: int = 0
    published: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What the committed micro-batches kept of a run.

    worked: rows scored or used, by topic and batch. rejected: rows by topic, batch and reason. foreign:
    messages listed as foreign. examples: what is wrong with one of the records, by topic and reason.
    table_rows: rows of the tables that an output topic repeats. dropped_by_watermark: rows that Spark says it
    dropped by itself.
    """

    worked: Counter[Cell] = field(default_factory=Counter)
    rejected: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    foreign: int = 0
    examples: Mapping[tuple[str, str], str] = field(default_factory=dict)
    table_rows: Mapping[str, int] = field(default_factory=dict)
    dropped_by_watermark: int = 0
