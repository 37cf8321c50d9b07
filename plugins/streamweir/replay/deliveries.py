"""The order in which a run is sent: batches on time, delayed batches later, the flush last.

A batch with a message that is too large is cut into pieces before.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from operator import attrgetter
from typing import NamedTuple

import orjson

from streamweir.contracts.messages import VALUE_BYTES, Kind
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.replay.batches import Batch, Row, virtual_ts
from streamweir.replay.plan import Plan

Value = Callable[[Sequence[Row], int], bytes]
"""How a pipeline makes a message's value of a batch's rows for a topic and the batch's ts."""
_Part = tuple[Mapping[str, Sequence[Row]], Mapping[str, bytes]]
Ended = Callable[[int, bool], bool]
"""Whether a run ends before a sequence, where a span begins or not."""


class Piece(NamedTuple):
    """What is sent as one batch: all that a span of the recording holds, or a part of it.

    batch: its index in the run, 0 first. span: the index of the `Batch` that it is or was cut from, whose
    second and ts it has. rows, values: per topic (short name) its rows, and the value of its message. A part
    has rows of one topic only.
    """

    batch: int
    span: int
    second: float
    ts: int
    rows: Mapping[str, Sequence[Row]]
    values: Mapping[str, bytes]


def cut(
    batches: Iterable[Batch], start_ts: int, topics: Sequence[str], value: Value, first: int = 0
) -> Iterator[Piece]:
    """The pieces of the batches, in order; a batch whose values all have at most VALUE_BYTES stays whole.

    first: the index of the first piece as a batch of the run.

    The others are cut topic by topic, in the order of `topics`, by halves until each fits or is one row.
    Where they are cut depends on nothing but the rows, so a resumed run has the same pieces.
    """
    index = count(first)
    for batch in batches:
        ts = virtual_ts(start_ts, batch.second)
        values = {topic: value(batch.rows[topic], ts) for topic in topics}
        if max(map(len, values.values())) <= VALUE_BYTES:
            yield Piece(next(index), batch.index, batch.second, ts, batch.rows, values)
            continue
        for rows, encoded in _topic_by_topic(batch.rows, values, ts, value):
            yield Piece(next(index), batch.index, batch.second, ts, rows, encoded)


def _topic_by_topic(
    rows: Mapping[str, Sequence[Row]], values: Mapping[str, bytes], ts: int, value: Value
) -> Iterator[_Part]:
    no_rows: dict[str, Sequence[Row]] = dict.fromkeys(values, ())
    no_values = dict.fromkeys(values, value((), ts))
    for topic, encoded in values.items():
        for some, part in _halves(rows[topic], encoded, ts, value):
            yield {**no_rows, topic: some}, {**no_values, topic: part}


def _halves(
    rows: Sequence[Row], encoded: bytes, ts: int, value: Value
) -> Iterator[tuple[Sequence[Row], bytes]]:
    """The rows in stretches that fit, each with its value; none for no rows."""
    if len(rows) > 1 and len(encoded) > VALUE_BYTES:
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            yield from _halves(half, value(half, ts), ts, value)
    elif rows:
        yield rows, encoded


class SpanStart(NamedTuple):
    """Where a span begins in its run: its index, and its first piece's index as a batch and sequence."""

    span: int
    batch: int
    sequence: int


class Delivery(NamedTuple):
    """What is sent together: one message per input topic, all with the same sequence.

    due: when it is sent, in the seconds of the plan's pace: those of the virtual clock after START_TS (`ts`
    lies before that for a delayed batch and after it for the flush), or how many go before it when the plan
    has a rate. batch, span, ts, rows, values: as in `Piece`; the flush has the span before it.
    """

    sequence: int
    batch: int
    span: int
    ts: int
    kind: Kind
    due: float
    rows: Mapping[str, Sequence[Row]]
    values: Mapping[str, bytes]


class Message(NamedTuple):
    """One Kafka message: the topic's short name, value and headers."""

    topic: str
    value: bytes
    headers: list[tuple[str, bytes]]


def deliveries(
    batches: Iterable[Batch],
    plan: Plan,
    pipeline: Pipeline,
    value: Value,
    begin: SpanStart | None = None,
    ended: Ended = lambda sequence, is_new: False,
) -> Iterator[Delivery]:
    """What the run sends, in order. value: makes a message's value. begin: where its first batch begins."""
    topics = [topic.name for topic in pipeline.inputs]
    _, first, sequence = begin or SpanStart(0, 0, plan.first_sequence)
    last, end, span = 0, 0.0, -1
    for piece, second in delayed(cut(batches, plan.start_ts, topics, value, first), plan.late):
        if ended(sequence, piece.span != span):
            break
        span, due = piece.span, sequence - plan.first_sequence if plan.rate else second
        yield Delivery(sequence, piece.batch, span, piece.ts, Kind.BATCH, due, piece.rows, piece.values)
        sequence, last, end = sequence + 1, max(last, piece.batch), max(end, piece.second)
    due = sequence - plan.first_sequence if plan.rate else end
    ts = virtual_ts(plan.start_ts, end) + pipeline.flush_after(plan.lateness_s)
    no_rows: dict[str, Sequence[Row]] = dict.fromkeys(topics, ())
    nothing = dict.fromkeys(topics, value((), ts))
    yield Delivery(sequence, last + 1, span, ts, Kind.FLUSH, due, no_rows, nothing)


def delayed(pieces: Iterable[Piece], late: Mapping[int, int]) -> Iterator[tuple[Piece, float]]:
    """The pieces with the second of the virtual clock, after START_TS, at which each is sent.

    late: the delay in seconds by span. Pieces of one span stay together: those of a delayed span follow the
    first span on time that is at least its delay younger.
    """
    if not late:
        yield from ((piece, piece.second) for piece in pieces)
        return
    waiting: list[tuple[float, int, Piece]] = []
    for span, together in groupby(pieces, attrgetter("span")):
        if span in late:
            for piece in together:
                heapq.heappush(waiting, (piece.second + late[span], piece.batch, piece))
            continue
        for piece in together:
            yield piece, piece.second
        while waiting and waiting[0][0] <= piece.second:
            yield heapq.heappop(waiting)[2], piece.second


def check_late(late: Mapping[int, int], seconds: Sequence[float] | None) -> None:
    """Raise BadConfiguration when a batch cannot be delayed as asked, because the run ends too early.

    seconds: the second of each batch of the run; None for an endless one, which delays none.
    """
    if seconds is None:
        if late:
            raise BadConfiguration("late: an endless replay delays no batch: bound it with `batches`")
        return
    on_time = next((index for index in reversed(range(len(seconds))) if index not in late), None)
    for index, delay in sorted(late.items()):
        if on_time is None or index >= len(seconds) or seconds[index] + delay > seconds[on_time]:
            raise BadConfiguration(
                f"late: batch {index} cannot be {delay} s late in a run of {len(seconds)} batches: "
                "delay an earlier one, or by less"
            )


def list_of_objects(rows: Sequence[Row], ts: int) -> bytes:
    """A value for many rows: a JSON list of objects, the CSV's strings and the integer `ts`."""
    return orjson.dumps([{**row, "ts": ts} for row in rows])
