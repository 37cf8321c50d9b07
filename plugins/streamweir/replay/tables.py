"""Two CSV files as one recording: a leading one cut into batches, a following one laid into their spans."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import (
    NOT_SENT,
    Batch,
    Row,
    first_unsorted,
    place,
    span_ends,
    with_predecessor,
)
from streamweir.replay.csvfile import CsvFile

Facts = Callable[[Mapping[str, Sequence[Row]]], Mapping[str, int]]


@dataclass(frozen=True)
class Input:
    """A file, the topic (short name) that it is sent to, and its time column."""

    file: CsvFile
    topic: str
    time: str


class TwoTables:
    """The recording of a leading and a following file; making it reads the leading file's times.

    limit: how many batches to send, None for all. sort: put the leading rows in time order, which takes
    memory for all of them; else they stay in file order. Raises DatasetUnusable when a file cannot be read or
    the leading one has no rows.
    """

    def __init__(
        self,
        leading: Input,
        following: Input,
        facts: Facts,
        *,
        batch_rows: int,
        limit: int | None = None,
        sort: bool = False,
    ) -> None:
        self._leading, self._following, self._facts = leading, following, facts
        self._batch_rows, self._sort = batch_rows, sort
        most = None if limit is None else limit * batch_rows
        times = leading.file.times(leading.time)
        self._times = array("q", times if most is None else islice(times, most + 1))
        self._complete = most is None or len(self._times) <= most
        if not self._complete:
            self._times.pop()
        if not self._times:
            raise DatasetUnusable(f"{leading.file.path} holds no rows")

    @property
    def rows(self) -> int:
        """Rows of the leading file that are sent."""
        return len(self._times)

    @property
    def count(self) -> int:
        """How many batches there are."""
        return -(-self.rows // self._batch_rows)

    @property
    def finding(self) -> str | None:
        """A sentence that names the first leading line that is out of order, or None."""
        number = first_unsorted(self._times)
        if number is None:
            return None
        file = self._leading.file
        return (
            f"{file.path} line {file.line_of(number)}: column {self._leading.time} lies before an earlier "
            "row's, so the file is not sorted by time"
        )

    def batches(self) -> Iterator[Batch]:
        """The batches, 0 first."""
        rows = islice(self._leading.file.rows(), self.rows)
        if not self._sort:
            return self._batches(rows, self._times)
        times = with_predecessor(self._times)
        return self._batches((row for _, row in ordered_by(times, rows)), array("q", sorted(times)))

    def _batches(self, rows: Iterator[list[str]], times: Sequence[int]) -> Iterator[Batch]:
        ends = span_ends(times, self._batch_rows)
        following = self._placed(ends)
        waiting = next(following, None)
        for index in range(len(ends)):
            here = []
            while waiting is not None and waiting[0] == index:
                here += _named(self._following.file, [waiting[1]])
                waiting = next(following, None)
            leading = _named(self._leading.file, islice(rows, self._batch_rows))
            held = {self._leading.topic: leading, self._following.topic: here}
            yield Batch(index, held, self._facts(held))

    def _placed(self, ends: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
        file = self._following.file
        placed = place(file.times(self._following.time), ends, complete=self._complete)
        sent = [index for index in placed if index != NOT_SENT]
        rows = ((index, row) for index, row in zip(placed, file.rows(), strict=True) if index != NOT_SENT)
        # The following file need not be sorted; only when it is not, its rows wait in memory.
        return rows if first_unsorted(sent) is None else ordered_by(sent, (row for _, row in rows))


def ordered_by(keys: Sequence[int], rows: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows with their keys, sorted by key; equal keys stay in order. Rows wait as JSON, which is small."""
    held = [orjson.dumps(row) for row in rows]
    for number in sorted(range(len(held)), key=keys.__getitem__):
        yield keys[number], orjson.loads(held[number])


def _named(file: CsvFile, rows: Iterable[list[str]]) -> list[dict[str, str]]:
    names = file.names
    # A short row lacks its last columns, and whoever reads the message sees that.
    return [dict(zip(names, row, strict=False)) for row in rows]
