"""A shard's work: complete sequences in order, each record late or not by what was sent before it."""

import pickle
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from streamweir.contracts.messages import Kind
from streamweir.contracts.rejected import Reason
from streamweir.contracts.tables import Role
from streamweir_spark.core import FOREIGN, Domain, Judged, Output, OutputKind, Part, Reject, Released, State
from streamweir_spark.decode import unpack
from streamweir_spark.ids import Block
from streamweir_spark.memory import Memory, Progress, opened, packed

# Looked up once: a micro-batch has tens of thousands of them.
_SCORED, _REJECTED = OutputKind.SCORED.value, OutputKind.REJECTED.value


def work(state: bytes | None, parts: list[Part], domain: Domain) -> tuple[bytes, list[Output]]:
    """The shard's next state and what it puts out for these parts, where nothing but the state stays.

    The state is pickled: only this function, in the scorer's own checkpoint, writes and reads it. Raises
    BadConfiguration for a state of another format.
    """
    shard = Shard(domain, None if state is None else _opened(state))
    outputs = shard.work(parts)
    working, blocks = shard.dump()
    return pickle.dumps((working, [block.data for block in blocks]), protocol=5), outputs


def _opened(state: bytes) -> Memory:
    found = pickle.loads(state)
    # An earlier version's was what is `working` now.
    working, blocks = found if type(found[0]) is bytes else (state, ())
    return Memory(working, tuple(map(Block, blocks)))


class _Opened(NamedTuple):
    """A part whose turn has come, with what its blob holds."""

    part: Part
    rejects: list[Reject]
    message: Released


class Shard:
    """A shard at work, from micro-batch to micro-batch.

    A sequence is worked on when every topic has it and all smaller ones were; so the outputs of a stream do
    not depend on how its messages fall into micro-batches. memory: of the shard that it takes the place of;
    raises BadConfiguration for one of another format.
    """

    def __init__(self, domain: Domain, memory: Memory | None = None) -> None:
        self.domain = domain
        self.inputs = {read.topic.name: read for read in domain.reads}
        self.outputs: list[Output] = []
        self.progress = Progress()
        domain.load(None)
        if memory:
            self.progress, working = opened(memory.working)
            domain.load(State(working, memory.blocks))

    def work(self, parts: Iterable[Part]) -> list[Output]:
        """What is put out for these parts, in any order they may come."""
        self.outputs = []
        # A partition's own order is the only one that can be relied on; Spark does not keep it.
        for part in sorted(parts, key=lambda part: (part.topic, part.partition, part.offset)):
            self._admit(part)
        self._release()
        self._close()
        return self.outputs

    def dump(self) -> Memory:
        """What this shard, or one that takes its place, goes on from."""
        working, blocks = self.domain.dump(self.progress.max_ts)
        return Memory(packed(self.progress, working), blocks)

    def _admit(self, part: Part) -> None:
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

    def _release(self) -> None:
        """Work on all complete sequences, in order."""
        found = list(self._complete())
        prepared = self.domain.prepare([one.message for one in found])
        for (part, rejects, message), rows in zip(found, prepared, strict=True):
            self._reject_all(part, Reason.MALFORMED, rejects)
            if rows is not None:
                self._work_on(part, message, rows)

    def _close(self) -> None:
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
                is_late = self._is_late(part)
                yield _Opened(
                    part, rejects, Released(part.topic, part.run or "", part.ts or 0, rows, is_late)
                )
            clocks = [part.ts or 0 for part in parts.values()]
            progress.max_ts = max(clocks if progress.max_ts is None else (progress.max_ts, *clocks))
            progress.next_sequence += 1

    def _work_on(self, part: Part, message: Released, rows: Any) -> None:
        topic, ts = message.topic, message.ts
        if message.is_late:
            self._reject_all(part, Reason.LATE, self.domain.late(topic, ts, rows))
        elif self.inputs[topic].role is Role.SCORED:
            self._judge(part, self.domain.score(message.run, ts, rows))
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
