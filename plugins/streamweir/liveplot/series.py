"""The series that is drawn: one figure per batch of a run, collected from its messages in any order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from streamweir.broker.records import Record
from streamweir.contracts.messages import Kind
from streamweir.replay.batches import Row


@dataclass(frozen=True)
class Point:
    """A batch's figure. ts: the virtual clock, Unix seconds."""

    batch: int
    ts: int
    value: int


class Series:
    """A run's points. Reading a message twice changes nothing, so that a reader may start over."""

    def __init__(self, run: str, first_sequence: int, count: Callable[[Sequence[Row]], int]) -> None:
        self._run, self._first, self._count = run, first_sequence, count
        self._points: dict[int, Point] = {}
        self._flush: int | None = None

    def add(self, record: Record) -> None:
        """Take a message of the topic; those of other runs, of other kinds and foreign ones do not count."""
        said = record.said
        if said is None or said.run != self._run or said.sequence in self._points:
            return
        if said.kind is Kind.FLUSH:
            self._flush = said.sequence
        elif said.kind is Kind.BATCH:
            self._points[said.sequence] = Point(said.batch, said.ts, self._count(_rows(record.value)))

    @property
    def complete(self) -> bool:
        """Whether the flush and every sequence before it were seen."""
        return self._flush is not None and len(self._points) == self._flush - self._first

    @property
    def seen(self) -> int:
        """How many messages of the run were seen."""
        return len(self._points) + (self._flush is not None)

    def points(self) -> list[Point]:
        """The points by ts."""
        return sorted(self._points.values(), key=lambda point: (point.ts, point.batch))


def _rows(value: bytes) -> list[dict[str, Any]]:
    """The rows of a message; what is no list of objects has none."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
