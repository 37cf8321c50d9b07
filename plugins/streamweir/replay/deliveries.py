"""The order in which a run is sent: batches on time, delayed batches later, the flush last."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.replay.batches import Batch, Row, virtual_ts
from streamweir.replay.plan import Plan


@dataclass(frozen=True)
class Delivery:
    """What is sent together: one message per input topic, all with the same sequence.

    due: seconds of the virtual clock after START_TS at which it is sent; `ts` lies before that for a
    delayed batch and after it for the flush. rows, facts: as in `Batch`.
    """

    sequence: int
    batch: int
    ts: int
    kind: Kind
    due: int
    rows: Mapping[str, Sequence[Row]]
    facts: Mapping[str, int]


@dataclass(frozen=True)
class Message:
    """One Kafka message: the topic's short name, value and headers."""

    topic: str
    value: bytes
    headers: list[tuple[str, bytes]]


def deliveries(batches: Iterator[Batch], plan: Plan, pipeline: Pipeline) -> Iterator[Delivery]:
    """Everything the run sends, in order."""
    sequence, last = plan.first_sequence, 0
    for batch, due in delayed(batches, plan.late, plan.interval_s):
        ts = virtual_ts(plan.start_ts, batch.index, plan.interval_s)
        yield Delivery(sequence, batch.index, ts, Kind.BATCH, due, batch.rows, batch.facts)
        sequence, last = sequence + 1, max(last, batch.index)
    ts = virtual_ts(plan.start_ts, last, plan.interval_s) + pipeline.flush_after_s
    nothing: dict[str, Sequence[Row]] = {topic.name: () for topic in pipeline.inputs}
    yield Delivery(sequence, last + 1, ts, Kind.FLUSH, last * plan.interval_s, nothing, {})


def delayed(
    batches: Iterator[Batch], late: Mapping[int, int], interval_s: int
) -> Iterator[tuple[Batch, int]]:
    """The batches with the second of the virtual clock, after START_TS, at which each is sent.

    A delayed batch follows the first batch on time that is at least its delay younger.
    """
    waiting: list[tuple[int, int, Batch]] = []
    for batch in batches:
        second = batch.index * interval_s
        if batch.index in late:
            heapq.heappush(waiting, (second + late[batch.index], batch.index, batch))
            continue
        yield batch, second
        while waiting and waiting[0][0] <= second:
            yield heapq.heappop(waiting)[2], second


def check_late(late: Mapping[int, int], count: int, interval_s: int) -> None:
    """Raise BadConfiguration when a batch cannot be delayed as asked, because the run has too few batches."""
    on_time = [index for index in range(count) if index not in late]
    for index, delay in sorted(late.items()):
        if not on_time or index * interval_s + delay > on_time[-1] * interval_s:
            raise BadConfiguration(
                f"late: batch {index} cannot be {delay} s late in a run of {count} batches: "
                "delay an earlier one, or by less"
            )


def messages(delivery: Delivery, pipeline: Pipeline, run: str) -> list[Message]:
    """The delivery on the wire: JSON lists of objects, the CSV's strings and the integer `ts`."""
    return [_message(delivery, topic.name, run) for topic in pipeline.inputs]


def _message(delivery: Delivery, topic: str, run: str) -> Message:
    rows = delivery.rows[topic]
    headers = Headers(run, delivery.batch, delivery.sequence, delivery.ts, delivery.kind, len(rows))
    value = orjson.dumps([{**row, "ts": delivery.ts} for row in rows])
    return Message(topic, value, headers.encode())
