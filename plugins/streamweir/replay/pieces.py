"""Cutting: a batch with a message that would be too large is sent as several batches, its pieces."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from streamweir.contracts.messages import VALUE_BYTES
from streamweir.replay.batches import Batch, Row, virtual_ts

Value = Callable[[Sequence[Row], int], bytes]
"""How a pipeline makes a message's value of a batch's rows for a topic and the batch's ts."""
_Part = tuple[Mapping[str, Sequence[Row]], Mapping[str, bytes]]


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
        parts: Iterable[_Part] = [(batch.rows, values)]
        if max(map(len, values.values())) > VALUE_BYTES:
            parts = _topic_by_topic(batch.rows, values, ts, value)
        for rows, encoded in parts:
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
