"""A shard's work: complete sequences in order, each record late or not by what was sent before it."""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streamweir.contracts.messages import Kind
from streamweir.contracts.rejected import Reason
from streamweir.contracts.tables import Role
from streamweir.errors import BadConfiguration
from streamweir_spark.core import FOREIGN, Domain, Judged, Output, OutputKind, Part, Reject, Released
from streamweir_spark.decode import unpack

FORMAT = 3
"""Of a shard's state; goes up with each change of `_Progress.plain`, of what a domain's `dump` gives, or of
what its parts hold.

Format 1 did not say so, and the ids that it remembered have no times. In format 2 the shop's browsing rows
were tuples.
"""
# Looked up once: a micro-batch has tens of thousands of them.
_SCORED, _REJECTED = OutputKind.SCORED.value, OutputKind.REJECTED.value


def work(state: bytes | None, parts: list[Part], domain: Domain) -> tuple[bytes, list[Output]]:
    """The shard's next state and what it puts out for these parts, in any order they may come.

    A sequence is worked on when every topic has it and all smaller ones were; so the outputs of a stream do
    not depend on how its messages fall into micro-batches. The state is pickled: only this function, in the
    scorer's own checkpoint, writes and reads it. Raises BadConfiguration for a state of another format.
    """
    progress, memory = _opened(state)
    domain.load(memory)
    shard = _Shard(_Progress.of(progress), domain)
    # A partition's own order is the only one that can be relied on; Spark does not keep it.
    for part in sorted(parts, key=lambda part: (part.topic, part.partition, part.offset)):
        shard.admit(part)
    shard.release()
    shard.close()
    memory = domain.dump(shard.progress.max_ts)
    return pickle.dumps((FORMAT, shard.progress.plain(), memory), protocol=5), shard.outputs


def _opened(state: bytes | None) -> tuple[Any, Any]:
    if state is None:
        return None, None
    *said, progress, memory = pickle.loads(state)
    written = said[0] if said else 1
    if written != FORMAT:
        raise BadConfiguration(
            f"the stream's checkpoint has format {written}, and this version reads format {FORMAT}: take "
            "another stream id, or the version of Streamweir that wrote it"
        )
    return progress, memory


@dataclass
class _Progress:
    """How far a shard is. expected: by topic and partition, the only sequence that may come next there.
    pending: parts of sequences that are not complete."""

    next_sequence: int = 0
    max_ts: int | None = None
    expected: dict[tuple[str, int], int] = field(default_factory=dict)
    pending: dict[int, dict[str, Part]] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: tuple[Any, ...] | None) -> "_Progress":
        """From what `plain` gave: a state outlives this class."""
        if plain is None:
            return cls()
        next_sequence, max_ts, expected, parts = plain
        pending: dict[int, dict[str, Part]] = {}
        for part in map(Part._make, parts):
            pending.setdefault(part.sequence or 0, {})[part.topic] = part
        return cls(next_sequence, max_ts, expected, pending)

    def plain(self) -> tuple[Any, ...]:
        """As tuples and dicts of plain values."""
        parts = [tuple(part) for waiting in self.pending.values() for part in waiting.values()]
        return self.next_sequence, self.max_ts, self.expected, parts


class _Opened(NamedTuple):
    """A part whose turn has come, with what its blob holds."""

    part: Part
    rejects: list[Reject]
    message: Released


class _Shard:
    def __init__(self, progress: _Progress, domain: Domain) -> None:
        self.progress = progress
        self.domain = domain
        self.inputs = {read.topic.name: read for read in domain.reads}
        self.outputs: list[Output] = []

    def admit(self, part: Part) -> None:
        """Keep a part for its turn, unless its message is foreign.

        The replay sends a partition's sequences densely and in order. A message that breaks this is a repeat,
        or not the replay's; which one it is does not depend on when it is read.
        """
        if part.kind == FOREIGN:
            self._reject_all(part, Reason.FOREIGN, unpack(part.blob)[0])
            return
        place = (part.topic, part.partition)
        expected = self.progress.expected.get(place, part.partition)
        partitions = self.inputs[part.topic].topic.partitions
        if part.sequence != expected or part.partition >= partitions:
            if part.shard == 0:
                self._reject_all(part, Reason.FOREIGN, [_out_of_turn(part, expected)])
            return
        self.progress.expected[place] = expected + partitions
        self.progress.pending.setdefault(part.sequence, {})[part.topic] = part

    def release(self) -> None:
        """Work on all complete sequences, in order."""
        found = list(self._complete())
        prepared = self.domain.prepare([one.message for one in found])
        for (part, rejects, message), rows in zip(found, prepared, strict=True):
            self._reject_all(part, Reason.MALFORMED, rejects)
            if rows is not None:
                self._work_on(part, message, rows)

    def close(self) -> None:
        """Put out what is final now, and how far the shard is."""
        place = (None, None, self.progress.next_sequence, self.progress.max_ts)
        for values in self.domain.closed(self.progress.max_ts):
            self.outputs.append(Output(OutputKind.CLOSED.value, *place, values=values))
        self.outputs.append(Output(OutputKind.FRONTIER.value, *place))

    def _complete(self) -> Iterator[_Opened]:
        """Take the complete sequences out of those that wait, and go on behind them."""
        progress = self.progress
        while len(progress.pending.get(progress.next_sequence, ())) == len(self.inputs):
            parts = progress.pending.pop(progress.next_sequence)
            for part in map(parts.__getitem__, self.inputs):
                rejects, rows = unpack(part.blob)
                yield _Opened(part, rejects, Released(part.topic, part.ts or 0, rows, self._is_late(part)))
            clocks = [part.ts or 0 for part in parts.values()]
            progress.max_ts = max(clocks if progress.max_ts is None else (progress.max_ts, *clocks))
            progress.next_sequence += 1

    def _work_on(self, part: Part, message: Released, rows: Any) -> None:
        topic, ts = message.topic, message.ts
        if message.is_late:
            self._reject_all(part, Reason.LATE, self.domain.late(topic, ts, rows))
        elif self.inputs[topic].role is Role.SCORED:
            self._judge(part, self.domain.score(part.run or "", ts, rows))
        else:
            used, refused = self.domain.use(topic, ts, rows)
            if used:
                self.outputs.append(_output(OutputKind.TALLY.value, part, rows=used))
            self._judge(part, refused)

    def _is_late(self, part: Part) -> bool:
        largest = self.progress.max_ts
        if part.kind == Kind.REDRIVE or largest is None:
            return False
        return largest - (part.ts or 0) > self.domain.lateness_s

    def _judge(self, part: Part, judged: Iterable[Judged]) -> None:
        for one in judged:
            self.outputs.append(
                _output(
                    _SCORED if one.reason is None else _REJECTED,
                    part,
                    row=one.row,
                    rows=one.rows,
                    id=one.id,
                    reason=one.reason,
                    detail=one.detail,
                    raw=one.raw,
                    values=one.values,
                )
            )

    def _reject_all(self, part: Part, reason: Reason, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            self.outputs.append(_output(_REJECTED, part, reason=reason.value, **reject._asdict()))


def _out_of_turn(part: Part, expected: int) -> Reject:
    detail = f"sequence {part.sequence} came where {expected} was due; the topic still holds the message"
    return Reject(-1, 1, None, detail, None)


def _output(
    kind: str,
    part: Part,
    *,
    rows: int,
    row: int | None = None,
    id: str | None = None,
    reason: str | None = None,
    detail: str | None = None,
    raw: bytes | None = None,
    values: tuple[object, ...] | None = None,
) -> Output:
    return Output(
        kind,
        part.run,
        part.batch_index,
        part.sequence,
        part.ts,
        part.topic,
        part.partition,
        part.offset,
        row,
        rows,
        id,
        reason,
        detail,
        raw,
        part.appended_at,
        values,
    )
