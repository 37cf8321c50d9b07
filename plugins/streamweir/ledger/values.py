"""The ledger as a value, and how it is written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from streamweir.contracts.rejected import REMEDIES, Reason
from streamweir.ledger.counts import Ints

N = TypeVar("N", int, Ints)

FORMAT = 2
"""Of ledger.json with several stages, by which it tells topics; that of one stage says no format."""
_MOST_LINES = 10_000
"""Batches that ledger.json lists one by one; of more, each line sums up ten, a hundred and so on."""


@dataclass(frozen=True)
class Counts(Generic[N]):
    """What became of the rows of one topic; of several stages, in one of them.

    worked_as: `scored`, `used` or `stored`. produced: the producer's count; of a topic that another stage
    writes, that stage's. in_kafka: the broker's. redriven: rows put back by hand, counted apart from what was
    produced. worked: rows scored, used or stored. rejected: rows by reason. unexplained: what was put in less
    what came out; of a total, the sum of its batches' without signs.
    """

    worked_as: str
    produced: N
    in_kafka: N
    redriven: N
    worked: N
    rejected: Mapping[Reason, N]
    unexplained: N

    def to_dict(self) -> dict[str, N]:
        """The counts by the names of ledger.json."""
        return {
            "produced": self.produced,
            "in_kafka": self.in_kafka,
            "redriven": self.redriven,
            self.worked_as: self.worked,
            **{reason.value: rows for reason, rows in self.rejected.items()},
            "unexplained": self.unexplained,
        }


class Line(Counts[int]):
    """The counts of one batch, or in total."""

    @property
    def set_aside(self) -> int:
        """Rows that were rejected and have not come in by being put back."""
        return max(sum(self.rejected.values()) - self.redriven, 0)


class Lines(Counts[Ints]):
    """The lines of one topic in columns: a `Line` for each batch."""

    def line(self, at: slice = slice(None)) -> Line:
        """The line of a batch, or the sum of several."""
        unexplained = self.unexplained[at]
        return Line(
            self.worked_as,
            int(self.produced[at].sum()),
            int(self.in_kafka[at].sum()),
            int(self.redriven[at].sum()),
            int(self.worked[at].sum()),
            {reason: int(rows[at].sum()) for reason, rows in self.rejected.items()},
            # Differences of opposite sign in two batches must not cancel out.
            int(unexplained[0] if len(unexplained) == 1 else np.abs(unexplained).sum()),
        )


@dataclass(frozen=True)
class Batches:
    """The batches of a run in columns: their places in run and stream, and lines for each input topic.

    facts: of the batches that the producer knows, which come first. topics: by the topic's short name, with
    the stage's before it where there are several (`Stage.named`).
    """

    index: Ints
    sequence: Ints
    ts: Ints
    facts: Mapping[str, Ints]
    topics: Mapping[str, Lines]

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def unexplained(self) -> Ints:
        """Rows of all topics that nothing explains, by batch, without their signs."""
        return sum(
            (np.abs(lines.unexplained) for lines in self.topics.values()), np.zeros(len(self), np.int64)
        )

    def to_dict(self, at: slice) -> dict[str, object]:
        """A batch as in ledger.json, or the sum of consecutive ones in the place of the first."""
        return {
            "batch_index": int(self.index[at][0]),
            "sequence": int(self.sequence[at][0]),
            "ts": int(self.ts[at][0]),
            **{name: int(counts[at].sum()) for name, counts in self.facts.items() if len(counts[at])},
            "topics": {name: lines.line(at).to_dict() for name, lines in self.topics.items()},
            "unexplained": int(self.unexplained[at].sum()),
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
    """What happened to every row of a run, in each of the stream's stages.

    totals: also of each topic that one stage writes and another reads. next_sequence: the first of the
    stream that some stage had not worked on yet when the tables were read. foreign: messages that no replay
    sent. examples: what is wrong with one of the rejected rows, by topic and reason. flush: flush messages,
    which carry no rows. waiting: rows put back by hand that some stage has not taken yet.
    dropped_by_watermark: rows that Spark dropped by itself. names_stages: whether there are several stages,
    so that topics are told by stage and name.
    """

    run: str
    stream: str
    batches: Batches
    totals: Mapping[str, Line]
    checks: tuple[Check, ...]
    next_sequence: int
    foreign: int
    examples: Mapping[tuple[str, str], str]
    flush: int
    waiting: int
    dropped_by_watermark: int
    names_stages: bool = False

    @cached_property
    def unexplained(self) -> int:
        """Rows that nothing explains."""
        handed_on = (line for name, line in self.totals.items() if name not in self.batches.topics)
        return int(self.batches.unexplained.sum()) + sum(abs(line.unexplained) for line in handed_on)

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the run; see `problem`."""
        return not self.problem()

    @property
    def facts(self) -> dict[str, int]:
        """The sum of each fact over the batches that know it."""
        return {name: int(counts.sum()) for name, counts in self.batches.facts.items()}

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
            **({"format": FORMAT} if self.names_stages else {}),
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
                self.batches.to_dict(slice(at, at + step)) for at in range(0, len(self.batches), step)
            ],
        }

    def problem(self) -> str:
        """One sentence on what does not add up, or that all rows of a topic were rejected; else empty."""
        if self.unexplained:
            return f"run {self.run!r} has unexplained rows{self._where()}; see ledger.json"
        for check in (check for check in self.checks if not check.equal):
            return f"the counts of run {self.run!r} disagree: {check.name}: {check.left} and {check.right}"
        for topic, line in self.totals.items():
            if line.produced and not line.worked:
                reason, sentence = self._rejected(topic)
                return f"{REMEDIES.get(reason, 'check the dataset')}: {sentence}"
        return ""

    def _where(self) -> str:
        """Of which topics, where those are several stages'; how many; and in which batch the first one is."""
        topics = ", ".join(name for name, line in self.totals.items() if line.unexplained)
        of, batches = f" of {topics}" if self.names_stages else "", np.flatnonzero(self.batches.unexplained)
        first = f", the first in batch {self.batches.index[batches[0]]}" if len(batches) else ""
        return f"{of}: {self.unexplained}{first}"

    def _set_aside(self) -> dict[str, dict[str, object]]:
        return {
            topic: {
                "rows": line.set_aside,
                "share": line.set_aside / line.produced,
                "sentence": self._rejected(topic)[1],
            }
            for topic, line in self.totals.items()
            if line.produced and line.set_aside
        }

    def _rejected(self, topic: str) -> tuple[Reason, str]:
        """The most frequent reason of a topic's rejected rows, and a sentence on how many there are."""
        line = self.totals[topic]
        rows = f"{line.set_aside:,} of {line.produced:,}" if line.worked else f"all {line.produced:,}"
        reason, often = max(line.rejected.items(), key=lambda item: item[1])
        return reason, (
            f"{rows} rows of {topic} were rejected, most often as {reason} ({often:,}), "
            f"e.g. {self.examples[topic, reason]}"
        )
