"""A shard's work: complete sequences in order, each record late or not by what was sent before it."""

import pickle
from dataclasses import dataclass, field
from typing import Any

from streamweir.contracts.messages import Kind
from streamweir.contracts.rejected import Reason
from streamweir_spark.decode import unpack
from streamweir_spark.parts import FOREIGN, Domain, Output, OutputKind, Part, Reject


def work(state: bytes | None, parts: list[Part], domain: Domain) -> tuple[bytes, list[Output]]:
    """The shard's next state and what it puts out for these parts, in any order they may come.

    A sequence is worked on when every topic has it and all smaller ones were; so the outputs of a stream do
    not depend on how its messages fall into micro-batches. The state is pickled: only this function, in the
    scorer's own checkpoint, writes and reads it.
    """
    progress, memory = pickle.loads(state) if state is not None else (_Progress(), None)
    domain.load(memory)
    shard = _Shard(progress, domain)
    # A partition's own order is the only one that can be relied on; Spark does not keep it.
    for part in sorted(parts, key=lambda part: (part.topic, part.partition, part.offset)):
        shard.admit(part)
    shard.release()
    return pickle.dumps((progress, domain.dump(progress.max_ts)), protocol=5), shard.outputs


@dataclass
class _Progress:
    """How far a shard is. expected: by topic and partition, the only sequence that may come next there.
    pending: parts of sequences that are not complete."""

    next_sequence: int = 0
    max_ts: int | None = None
    expected: dict[tuple[str, int], int] = field(default_factory=dict)
    pending: dict[int, dict[str, Part]] = field(default_factory=dict)


class _Shard:
    def __init__(self, progress: _Progress, domain: Domain) -> None:
        self.progress = progress
        self.domain = domain
        self.topics = (*domain.used, domain.scored)
        self.outputs: list[Output] = []

    def admit(self, part: Part) -> None:
        """Keep a part for its turn, unless its message is foreign.

        The replay sends a partition's sequences densely and in order. A message that breaks this is a repeat, or
        not the replay's; which one it is does not depend on when it is read.
        """
        if part.kind == FOREIGN:
            self._reject_all(part, Reason.FOREIGN, unpack(part.blob)[0])
            return
        place = (part.topic, part.partition)
        expected = self.progress.expected.get(place, part.partition)
        partitions = self.domain.partitions[part.topic]
        if part.sequence != expected or part.partition >= partitions:
            if part.shard == 0:
                self._reject_all(part, Reason.FOREIGN, [_out_of_turn(part, expected)])
            return
        self.progress.expected[place] = expected + partitions
        self.progress.pending.setdefault(part.sequence, {})[part.topic] = part

    def release(self) -> None:
        """Work on all complete sequences, in order, and say how far that went."""
        progress = self.progress
        while len(progress.pending.get(progress.next_sequence, ())) == len(self.topics):
            parts = progress.pending.pop(progress.next_sequence)
            for topic in self.topics:
                self._work_on(parts[topic])
            largest = max(part.ts for part in parts.values() if part.ts is not None)
            progress.max_ts = largest if progress.max_ts is None else max(progress.max_ts, largest)
            progress.next_sequence += 1
        self.outputs.append(
            Output(OutputKind.FRONTIER.value, None, None, progress.next_sequence, progress.max_ts)
        )

    def _work_on(self, part: Part) -> None:
        rejects, rows = unpack(part.blob)
        self._reject_all(part, Reason.MALFORMED, rejects)
        if rows is None:
            return
        if self._is_late(part):
            self._reject_all(part, Reason.LATE, self.domain.late(part, rows))
        elif part.topic == self.domain.scored:
            self._score(part, rows)
        else:
            used = self.domain.use(part, rows)
            self.outputs.append(_output(OutputKind.TALLY, part, rows=used))

    def _is_late(self, part: Part) -> bool:
        if part.kind == Kind.REDRIVE or self.progress.max_ts is None or part.ts is None:
            return False
        return self.progress.max_ts - part.ts > self.domain.lateness_s

    def _score(self, part: Part, rows: object) -> None:
        for verdict in self.domain.score(part, rows):
            self.outputs.append(
                _output(
                    OutputKind.REJECTED if verdict.values is None else OutputKind.SCORED,
                    part,
                    row=verdict.row,
                    rows=1,
                    id=verdict.id,
                    reason=verdict.reason,
                    detail=verdict.detail,
                    raw=verdict.raw,
                    scored=verdict.values,
                )
            )

    def _reject_all(self, part: Part, reason: Reason, rejects: Any) -> None:
        for reject in rejects:
            self.outputs.append(
                _output(OutputKind.REJECTED, part, reason=reason.value, **reject._asdict())
            )


def _out_of_turn(part: Part, expected: int) -> Reject:
    detail = f"sequence {part.sequence} came where {expected} was due; the topic still holds the message"
    return Reject(-1, 1, None, detail, None)


def _output(kind: OutputKind, part: Part, **fields: Any) -> Output:
    return Output(
        kind=kind.value,
        run=part.run,
        batch_index=part.batch_index,
        sequence=part.sequence,
        ts=part.ts,
        topic=part.topic,
        partition=part.partition,
        offset=part.offset,
        appended_at=part.appended_at,
        **fields,
    )
