"""The order in which a run is sent: batches on time, delayed batches later, the flush last."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.replay.batches import Batch, Row, virtual_ts
from streamweir.replay.plan import Plan

Value = Callable[[Sequence[Row], int], bytes]
"""How a pipeline makes a message's value of a batch's rows for a topic and the batch's ts."""


@dataclass(frozen=True)
class Delivery:
    """What is sent together: one message per input topic, all with the same sequence.

    due: when it is sent, in the seconds of the plan's pace: those of the virtual clock after START_TS (`ts`
    lies before that for a delayed batch and after it for the flush), or how many go before it when the plan
    has a rate. rows, facts: as in `Batch`.
    """

    sequence: int
    batch: int
    ts: int
    kind: Kind
    due: float
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
    sequence, last, end = plan.first_sequence, 0, 0.0
    for batch, second in delayed(batches, plan.late):
        due = sequence - plan.first_sequence if plan.rate else second
        ts = virtual_ts(plan.start_ts, batch.second)
        yield Delivery(sequence, batch.index, ts, Kind.BATCH, due, batch.rows, batch.facts)
        sequence, last, end = sequence + 1, max(last, batch.index), max(end, batch.second)
    due = sequence - plan.first_sequence if plan.rate else end
    ts = virtual_ts(plan.start_ts, end) + pipeline.flush_after(plan.lateness_s)
    nothing: dict[str, Sequence[Row]] = {topic.name: () for topic in pipeline.inputs}
    yield Delivery(sequence, last + 1, ts, Kind.FLUSH, due, nothing, {})


def delayed(batches: Iterator[Batch], late: Mapping[int, int]) -> Iterator[tuple[Batch, float]]:
    """The batches with the second of the virtual clock, after START_TS, at which each is sent.

    A delayed batch follows the first batch on time that is at least its delay younger.
    """
    waiting: list[tuple[float, int, Batch]] = []
    for batch in batches:
        if batch.index in late:
            heapq.heappush(waiting, (batch.second + late[batch.index], batch.index, batch))
            continue
        yield batch, batch.second
        while waiting and waiting[0][0] <= batch.second:
            yield heapq.heappop(waiting)[2], batch.second


def check_late(late: Mapping[int, int], seconds: Sequence[float]) -> None:
    """Raise BadConfiguration when a batch cannot be delayed as asked, because the run ends too early.

    seconds: the second of each batch of the run.
    """
    on_time = next((index for index in reversed(range(len(seconds))) if index not in late), None)
    for index, delay in sorted(late.items()):
        if on_time is None or index >= len(seconds) or seconds[index] + delay > seconds[on_time]:
            raise BadConfiguration(
                f"late: batch {index} cannot be {delay} s late in a run of {len(seconds)} batches: "
                "delay an earlier one, or by less"
            )


def messages(delivery: Delivery, pipeline: Pipeline, run: str, value: Value) -> list[Message]:
    """The delivery on the wire, its values as the pipeline makes them."""
    return [_message(delivery, topic.name, run, value) for topic in pipeline.inputs]


def list_of_objects(rows: Sequence[Row], ts: int) -> bytes:
    """A value for many rows: a JSON list of objects, the CSV's strings and the integer `ts`."""
    return orjson.dumps([{**row, "ts": ts} for row in rows])


def _message(delivery: Delivery, topic: str, run: str, value: Value) -> Message:
    rows = delivery.rows[topic]
    headers = Headers(run, delivery.batch, delivery.sequence, delivery.ts, delivery.kind, len(rows))
    return Message(topic, value(rows, delivery.ts), headers.encode())
