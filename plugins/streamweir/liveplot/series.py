"""The series that is drawn: a figure over a run's virtual clock, collected from its messages in any order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from streamweir.broker.records import Record
from streamweir.contracts.messages import Kind
from streamweir.replay.batches import Row

_GAP = 5
"""Spans in a row without a batch that are more than a reader's delay."""


@dataclass(frozen=True)
class Point:
    """The figure of a span of the virtual clock. ts: its start, Unix seconds. batch: its first one so far."""

    batch: int
    ts: int
    value: int


class Series:
    """A run's points, one for each `span_s` seconds of the virtual clock that have a batch.

    Reading a message twice changes nothing, so that a reader may start over.
    """

    def __init__(
        self, run: str, first_sequence: int, count: Callable[[Sequence[Row]], int], span_s: int = 1
    ) -> None:
        self._run, self._first, self._count, self._span_s = run, first_sequence, count, span_s
        self._batches: set[int] = set()
        self._points: dict[int, Point] = {}
        self._flush: int | None = None

    def add(self, record: Record) -> None:
        """Take a message of the topic; those of other runs, of other kinds and foreign ones do not count."""
        headers = record.headers
        if headers is None or headers.run != self._run or headers.sequence in self._batches:
            return
        if headers.kind is Kind.FLUSH:
            self._flush = headers.sequence
        elif headers.kind is Kind.BATCH:
            self._batches.add(headers.sequence)
            span = headers.ts // self._span_s * self._span_s
            self._enter(headers.batch, span, self._count(_rows(record.value)))

    @property
    def complete(self) -> bool:
        """Whether the flush and every sequence before it were seen."""
        return self._flush is not None and self.batches == self._flush - self._first

    @property
    def batches(self) -> int:
        """How many batches were seen."""
        return len(self._batches)

    @property
    def seen(self) -> int:
        """How many messages of the run were seen."""
        return self.batches + (self._flush is not None)

    def points(self) -> list[Point]:
        """The points by ts."""
        return sorted(self._points.values(), key=lambda point: point.ts)

    def _enter(self, batch: int, ts: int, value: int) -> None:
        before = self._points.get(ts, Point(batch, ts, 0))
        self._points[ts] = Point(min(before.batch, batch), ts, before.value + value)


def with_gaps(points: Sequence[Point], span_s: int) -> list[Point]:
    """The points, and a zero at either end of each stretch in which nothing was sent.

    A few missing spans are none: partitions are read one after the other.
    """
    shown = list(points[:1])
    for before, point in pairwise(points):
        if point.ts - before.ts > _GAP * span_s:
            shown += [Point(before.batch, before.ts + span_s, 0), Point(point.batch, point.ts - span_s, 0)]
        shown.append(point)
    return shown


def _rows(value: bytes) -> list[dict[str, Any]]:
    """The rows of a message, a list of objects or one; anything else has none."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return []
    rows = found if isinstance(found, list) else [found]
    return [row for row in rows if isinstance(row, dict)]
