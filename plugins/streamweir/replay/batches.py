"""Batches and the virtual clock: pure functions from rows' times to the batch that each row travels in."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from streamweir.contracts.pipelines import module_of
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Options, Plan

Row = Mapping[str, str]

UNKNOWN = -(2**63)
"""A time (microseconds since the epoch) that cannot be parsed; before every other."""
NOT_SENT = -1
"""The batch of a row that lies after the last span of a run that does not send all batches."""


@dataclass(frozen=True)
class Batch:
    """What one span of a recording holds: one batch of a run, or several when it is cut (`pieces`).

    index: 0 first. second: its place on the virtual clock, in seconds after START_TS; parts of one only
    matter to the pace. rows: per topic (short name) the rows with their original strings, without `ts`.
    """

    index: int
    second: float
    rows: Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Label:
    """What a dataset says of a stretch of its time. start, end: seconds after START_TS, the end excluded."""

    kind: str
    start: float
    end: float


class Recording(Protocol):
    """A run's data, read far enough to know that it can be sent: what a pipeline's `recording` returns."""

    @property
    def rows(self) -> int | None:
        """Rows of the first input topic; None when nobody knows before they are made."""

    @property
    def seconds(self) -> Sequence[float] | None:
        """The second of each batch, never less than that of the one before; None for an endless recording.

        The first batch of an endless one is at second 0. A request ends its replay (`stop`).
        """

    @property
    def finding(self) -> str | None:
        """A sentence on what is odd but was allowed, or None."""

    @property
    def labels(self) -> Sequence[Label]:
        """What a run of it should find, as far as the dataset tells; most tell nothing."""

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The batches, from the one with this index on; the same ones however often this is called."""


@runtime_checkable
class Recipe(Recording, Protocol):
    """A recording that is made, not read: what it holds follows from the run's plan."""

    def made_for(self, plan: Plan, store: ObjectStore) -> Recording:
        """The recording of a run; its batches may put objects that their messages name (`claims.Claim`)."""


def virtual_ts(start_ts: int, second: float) -> int:
    """The virtual clock of a batch, in Unix seconds."""
    return start_ts + math.floor(second)


def first_unsorted(times: Iterable[int]) -> int | None:
    """The number of the first row that lies before one of its predecessors; None when there is none."""
    largest = UNKNOWN
    for number, time in enumerate(times):
        if time >= largest:
            largest = time
        elif time != UNKNOWN:
            return number
    return None


def span_ends(times: Sequence[int], batch_rows: int) -> list[int]:
    """The end of each batch's span: the largest time so far, in file order, at the batch's last row."""
    ends: list[int] = []
    for begin in range(0, len(times), batch_rows):
        largest = max(times[begin : begin + batch_rows])
        ends.append(max(largest, ends[-1]) if ends else largest)
    return ends


def place(times: Iterable[int], ends: Sequence[int], *, complete: bool) -> "array[int]":
    """The batch of each row: the one in whose span it lies, or before whose span, after the previous one's.

    complete: all batches are sent, so that rows after the last span go with the last batch; else they are
    NOT_SENT. A row whose time cannot be parsed goes with its predecessor, the first one with the first batch.
    """
    beyond = len(ends) - 1 if complete else NOT_SENT
    placed = array("l")
    current = 0
    for time in times:
        if time != UNKNOWN:
            index = bisect_left(ends, time)
            current = index if index < len(ends) else beyond
        placed.append(current)
    return placed


def with_predecessor(times: Sequence[int]) -> "array[int]":
    """The times, with that of the predecessor in place of one that cannot be parsed."""
    filled = array("q")
    for time in times:
        filled.append(filled[-1] if time == UNKNOWN and filled else time)
    return filled


class Source(Protocol):
    """A pipeline's replay module, `streamweir.replay.<word>`.

    BATCH_ROWS: rows per batch when nobody asks for another number. value: makes a message's value of a
    batch's rows for a topic and the batch's ts. facts: counts in the rows of a batch, by topic (short name).
    """

    BATCH_ROWS: int

    def recording(
        self, folder: Path, *, batch_rows: int, limit: int | None, unsorted_ok: bool, options: Options
    ) -> Recording:
        """What a run sends, from the folder of a dataset; limit: how many batches, None for all."""

    def value(self, rows: Sequence[Row], ts: int) -> bytes:
        """A message's value."""

    def facts(self, rows: Mapping[str, Sequence[Row]], options: Options) -> Mapping[str, int]:
        """What is counted of a batch, e.g. success_payments; the same names for every batch."""


def source_of(pipeline: str) -> Source:
    """The pipeline's replay module."""
    return module_of("streamweir.replay", pipeline, Source)
