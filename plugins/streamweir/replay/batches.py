"""Batches and the virtual clock: pure functions from rows' times to the batch that each row travels in."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, str]
Time = int | None
"""Microseconds since the epoch; None for a time that cannot be parsed."""

NEVER = -(2**63)
"""The end of a span in which no time could be parsed yet."""
NOT_SENT = -1
"""The batch of a row that lies after the last span of a run that does not send all batches."""


@dataclass(frozen=True)
class Batch:
    """What one batch of a run holds.

    index: 0 first. rows: per topic (short name) the rows with their original strings, without `ts`.
    facts: figures that the pipeline counts per batch, e.g. success_payments.
    """

    index: int
    rows: Mapping[str, Sequence[Row]]
    facts: Mapping[str, int]


def virtual_ts(start_ts: int, index: int, interval_s: int) -> int:
    """The virtual clock of a batch, in Unix seconds."""
    return start_ts + index * interval_s


def span_ends(times: Iterable[Time], batch_rows: int) -> array:
    """The end of each batch's span: the largest time so far, in file order, at the batch's last row."""
    ends = array("q")
    largest, count = NEVER, 0
    for time in times:
        if time is not None and time > largest:
            largest = time
        count += 1
        if count == batch_rows:
            ends.append(largest)
            count = 0
    if count:
        ends.append(largest)
    return ends


def place(times: Iterable[Time], ends: Sequence[int], *, complete: bool) -> array:
    """The batch of each row that belongs to the span it lies in, or in the gap before it.

    complete: all batches are sent, so that rows after the last span go with the last batch; else they are
    NOT_SENT. A row whose time cannot be parsed goes with its predecessor, the first one with the first batch.
    """
    beyond = len(ends) - 1 if complete else NOT_SENT
    placed = array("l")
    before = 0
    for time in times:
        if time is not None:
            index = bisect_left(ends, time)
            before = index if index < len(ends) else beyond
        placed.append(before)
    return placed
