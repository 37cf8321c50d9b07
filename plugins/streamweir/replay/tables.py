"""Two CSV files as one recording: a leading one cut into batches, a following one laid into their spans."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import orjson

from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import (
    NOT_SENT,
    Batch,
    Label,
    first_unsorted,
    place,
    span_ends,
    with_predecessor,
)
from streamweir.replay.csvfile import CsvFile

Key = TypeVar("Key", int, float)


@dataclass(frozen=True)
class Input:
    """A file, the topic (short name) that it is sent to, and its time column."""

    file: CsvFile
    topic: str
    time: str


class TwoTables:
    """The recording of a leading and a following file; making it reads the times of both.

    interval_s: seconds of the virtual clock between two batches. limit: how many batches to send, None for
    all. sort: put the leading rows in time order, which takes memory for all of them; else they stay in file
    order. Raises DatasetUnusable when a file cannot be read or the leading one has no rows.
    """

    def __init__(
        self,
        leading: Input,
        following: Input,
        *,
        batch_rows: int,
        interval_s: int,
        limit: int | None = None,
        sort: bool = False,
    ) -> None:
        self._leading, self._following = leading, following
        self._batch_rows, self._interval_s, self._sort = batch_rows, interval_s, sort
        self._times, complete = self._sent_times(limit)
        in_order = array("q", sorted(with_predecessor(self._times))) if sort else self._times
        self._ends = span_ends(in_order, batch_rows)
        self._placed = place(following.file.times(following.time), self._ends, complete=complete)

    def _sent_times(self, limit: int | None) -> tuple["array[int]", bool]:
        """The times of the leading rows that are sent, and whether those are all rows."""
        most = None if limit is None else limit * self._batch_rows
        found = self._leading.file.times(self._leading.time)
        times = array("q", found if most is None else islice(found, most + 1))
        complete = most is None or len(times) <= most
        if not complete:
            times.pop()
        if not times:
            raise DatasetUnusable(f"{self._leading.file.path} holds no rows")
        return times, complete

    @property
    def rows(self) -> int:
        """Rows of the leading file that are sent."""
        return len(self._times)

    @property
    def seconds(self) -> Sequence[int]:
        """The second of each batch: they follow each other at the interval."""
        return range(0, len(self._ends) * self._interval_s, self._interval_s)

    @property
    def finding(self) -> str | None:
        """A sentence that names the first leading line that is out of order, or None."""
        file = self._leading.file
        found = file.disorder(self._leading.time, self._times)
        return f"{file.path} {found}" if found else None

    @property
    def labels(self) -> Sequence[Label]:
        """None: what is to be found stands in the rows."""
        return ()

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The batches, from the one with this index on."""
        return islice(self._batches(), first, None)

    def _batches(self) -> Iterator[Batch]:
        leading, following = self._leading_rows(), self._following_rows()
        waiting = next(following, None)
        for index, second in enumerate(self.seconds):
            here = []
            while waiting is not None and waiting[0] == index:
                here += _named(self._following.file, [waiting[1]])
                waiting = next(following, None)
            first = _named(self._leading.file, islice(leading, self._batch_rows))
            held = {self._leading.topic: first, self._following.topic: here}
            yield Batch(index, second, held)

    def _leading_rows(self) -> Iterator[list[str]]:
        rows = islice(self._leading.file.rows(), self.rows)
        if not self._sort:
            return rows
        return (row for _, row in ordered_by(with_predecessor(self._times), rows))

    def _following_rows(self) -> Iterator[tuple[int, list[str]]]:
        """The following file's rows that are sent, with their batch, in the batches' order."""
        sent = [index for index in self._placed if index != NOT_SENT]
        placed = zip(self._placed, self._following.file.rows(), strict=True)
        rows = ((index, row) for index, row in placed if index != NOT_SENT)
        # The following file need not be sorted; only when it is not, its rows wait in memory.
        return rows if first_unsorted(sent) is None else ordered_by(sent, (row for _, row in rows))


def ordered_by(keys: Sequence[Key], rows: Iterable[list[str]]) -> Iterator[tuple[Key, list[str]]]:
    """Rows with their keys, sorted by key; equal keys stay in order. Rows wait as JSON, which is small."""
    held = [orjson.dumps(row) for row in rows]
    for number in sorted(range(len(held)), key=keys.__getitem__):
        yield keys[number], orjson.loads(held[number])


def _named(file: CsvFile, rows: Iterable[list[str]]) -> list[dict[str, str]]:
    names = file.names
    # A short row lacks its last columns, and whoever reads the message sees that.
    return [dict(zip(names, row, strict=False)) for row in rows]
