"""The ledger as a value, and how it is written as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from streamweir.contracts.rejected import Reason

_MOST_LINES = 10_000
"""Batches that ledger.json lists one by one; of more, each line sums up ten, a hundred and so on."""


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

    @classmethod
    def together(cls, lines: "Sequence[Line]") -> "Line":
        """The sum of lines of one topic."""
        return cls(
            worked_as=lines[0].worked_as,
            produced=sum(line.produced for line in lines),
            in_kafka=sum(line.in_kafka for line in lines),
            redriven=sum(line.redriven for line in lines),
            worked=sum(line.worked for line in lines),
            rejected={reason: sum(line.rejected[reason] for line in lines) for reason in lines[0].rejected},
            # Differences of opposite sign in two batches must not cancel out.
            unexplained=sum(abs(line.unexplained) for line in lines),
        )

    @property
    def set_aside(self) -> int:
        """Rows that were rejected and have not come in by being put back."""
        return max(sum(self.rejected.values()) - self.redriven, 0)

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

    @classmethod
    def together(cls, batches: "Sequence[BatchLine]") -> "BatchLine":
        """The sum of consecutive batches, in the place of the first."""
        if len(batches) == 1:
            return batches[0]
        first = batches[0]
        return cls(
            first.index,
            first.sequence,
            first.ts,
            sums(batches),
            {name: Line.together([batch.topics[name] for batch in batches]) for name in first.topics},
        )

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


def sums(batches: Sequence[BatchLine]) -> dict[str, int]:
    """The sum of each fact over the batches that know it."""
    names = dict.fromkeys(name for batch in batches for name in batch.facts)
    return {name: sum(batch.facts.get(name, 0) for batch in batches) for name in names}


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
    messages that no replay sent. examples: what is wrong with one of the rejected rows, by topic and reason.
    flush: flush messages, which carry no rows. waiting: rows put back by hand that no scorer has taken yet.
    dropped_by_watermark: rows that Spark dropped by itself.
    """

    run: str
    stream: str
    batches: tuple[BatchLine, ...]
    totals: Mapping[str, Line]
    checks: tuple[Check, ...]
    next_sequence: int
    foreign: int
    examples: Mapping[tuple[str, str], str]
    flush: int
    waiting: int
    dropped_by_watermark: int

    @cached_property
    def unexplained(self) -> int:
        """Rows that nothing explains."""
        return sum(batch.unexplained for batch in self.batches)

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the run; see `problem`."""
        return not self.problem()

    @property
    def facts(self) -> dict[str, int]:
        """The sum of each fact over the batches that know it."""
        return sums(self.batches)

    @property
    def batches_per_line(self) -> int:
        """How many batches a line of ledger.json sums up: 1, or so many that it stays readable."""
        per_line = 1
        while len(self.batches) > per_line * _MOST_LINES:
            per_line *= 10
        return per_line

    def to_dict(self) -> dict[str, object]:
        """The whole of ledger.json."""
        return {
            "run": self.run,
            "stream": self.stream,
            "outcome": "success" if self.ok else "failed",
            "problem": self.problem(),
            "unexplained": self.unexplained,
            "totals": {name: line.to_dict() for name, line in self.totals.items()},
            "set_aside": self._set_aside(),
            **self.facts,
            "next_sequence": self.next_sequence,
            "foreign": self.foreign,
            "flush": self.flush,
            "redriven_waiting": self.waiting,
            "dropped_by_watermark": self.dropped_by_watermark,
            "checks": [check.to_dict() for check in self.checks],
            "batch_count": len(self.batches),
            "batches_per_line": (step := self.batches_per_line),
            "batches": [
                BatchLine.together(self.batches[at : at + step]).to_dict()
                for at in range(0, len(self.batches), step)
            ],
        }

    def problem(self) -> str:
        """One sentence on what does not add up, or that all rows of a topic were rejected; else empty."""
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
        for topic, line in self.totals.items():
            if line.produced and not line.worked:
                return f"{self._sentence(topic)}; check the dataset"
        return ""

    def _set_aside(self) -> dict[str, dict[str, object]]:
        return {
            topic: {
                "rows": line.set_aside,
                "share": line.set_aside / line.produced,
                "sentence": self._sentence(topic),
            }
            for topic, line in self.totals.items()
            if line.produced and line.set_aside
        }

    def _sentence(self, topic: str) -> str:
        """How many rows of a topic were rejected, and most often for which reason."""
        line = self.totals[topic]
        rows = f"{line.set_aside:,} of {line.produced:,}" if line.worked else f"all {line.produced:,}"
        reason, often = max(line.rejected.items(), key=lambda item: item[1])
        return (
            f"{rows} rows of {topic} were rejected, most often as {reason} ({often:,}), "
            f"e.g. {self.examples[topic, reason]}"
        )
