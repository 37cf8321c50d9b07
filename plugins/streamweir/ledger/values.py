"""The ledger as a value, and how it is written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from streamweir.contracts.rejected import Reason


@dataclass(frozen=True)
class Line:
    """The rows of one topic, in one batch or in total.

    worked_as: `scored` or `used`. produced: the producer's count. in_kafka: the broker's. redriven: rows put
    back by hand, counted apart from what was produced. worked: rows scored or used. rejected: rows by reason.
    unexplained: what was put in less what came out; of a total, the sum of its batches' without signs.
    """

    worked_as: str
    produced: int
    in_kafka: int
    redriven: int
    worked: int
    rejected: Mapping[Reason, int]
    unexplained: int

    def to_dict(self) -> dict[str, int]:
        """The line as in ledger.json."""
        return {
            "produced": self.produced,
            "in_kafka": self.in_kafka,
            "redriven": self.redriven,
            self.worked_as: self.worked,
            **{reason.value: rows for reason, rows in self.rejected.items()},
            "unexplained": self.unexplained,
        }


@dataclass(frozen=True)
class BatchLine:
    """One batch: its place in the run and in the stream, its facts, and a line for each input topic."""

    index: int
    sequence: int
    ts: int
    facts: Mapping[str, int]
    topics: Mapping[str, Line]

    @property
    def unexplained(self) -> int:
        """Rows of all topics that nothing explains, without their signs."""
        return sum(abs(line.unexplained) for line in self.topics.values())

    def to_dict(self) -> dict[str, object]:
        """The batch as in ledger.json."""
        return {
            "batch_index": self.index,
            "sequence": self.sequence,
            "ts": self.ts,
            **self.facts,
            "topics": {name: line.to_dict() for name, line in self.topics.items()},
            "unexplained": self.unexplained,
        }


@dataclass(frozen=True)
class Check:
    """Two counts of the same thing, made apart from each other."""

    name: str
    left: int
    right: int

    @property
    def equal(self) -> bool:
        """Whether both counts agree."""
        return self.left == self.right

    def to_dict(self) -> dict[str, object]:
        """The check as in ledger.json."""
        return {"name": self.name, "left": self.left, "right": self.right, "equal": self.equal}


@dataclass(frozen=True)
class Ledger:
    """What happened to every row of a run.

    next_sequence: the first of the stream that was not worked on yet when the tables were read. foreign:
    messages that no replay sent. flush: flush messages, which carry no rows. waiting: rows put back by hand
    that no scorer has taken yet. dropped_by_watermark: rows that Spark dropped by itself.
    """

    run: str
    stream: str
    batches: tuple[BatchLine, ...]
    totals: Mapping[str, Line]
    checks: tuple[Check, ...]
    next_sequence: int
    foreign: int
    flush: int
    waiting: int
    dropped_by_watermark: int

    @cached_property
    def unexplained(self) -> int:
        """Rows that nothing explains."""
        return sum(batch.unexplained for batch in self.batches)

    @property
    def ok(self) -> bool:
        """Whether everything is accounted for and all counts agree."""
        return self.unexplained == 0 and all(check.equal for check in self.checks)

    @property
    def facts(self) -> dict[str, int]:
        """The sum of each fact over the batches that know it."""
        names = dict.fromkeys(name for batch in self.batches for name in batch.facts)
        return {name: sum(batch.facts.get(name, 0) for batch in self.batches) for name in names}

    def to_dict(self) -> dict[str, object]:
        """The whole of ledger.json."""
        return {
            "run": self.run,
            "stream": self.stream,
            "outcome": "success" if self.ok else "failed",
            "unexplained": self.unexplained,
            "totals": {name: line.to_dict() for name, line in self.totals.items()},
            **self.facts,
            "next_sequence": self.next_sequence,
            "foreign": self.foreign,
            "flush": self.flush,
            "redriven_waiting": self.waiting,
            "dropped_by_watermark": self.dropped_by_watermark,
            "checks": [check.to_dict() for check in self.checks],
            "batches": [batch.to_dict() for batch in self.batches],
        }

    def problem(self) -> str:
        """One sentence on what does not add up; empty when everything does."""
        if self.unexplained:
            first = next(batch for batch in self.batches if batch.unexplained)
            return (
                f"run {self.run!r} has unexplained rows: {self.unexplained}, "
                f"the first in batch {first.index}; see ledger.json"
            )
        for check in self.checks:
            if not check.equal:
                return (
                    f"the counts of run {self.run!r} disagree: {check.name}: {check.left} and {check.right}"
                )
        return ""
