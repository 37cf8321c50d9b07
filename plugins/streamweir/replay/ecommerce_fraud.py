"""The replay of `ecommerce_fraud`: batches of browsing rows, and the transactions of their spans."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from streamweir.contracts.ecommerce_fraud import BROWSING_TOPIC, PIPELINE, TRANSACTIONS_TOPIC, dataset
from streamweir.contracts.ecommerce_fraud.dataset import File
from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import (
    NOT_SENT,
    Batch,
    Label,
    Row,
    first_unsorted,
    place,
    span_ends,
    with_predecessor,
)
from streamweir.replay.csvfile import CsvFile, find, ordered_by
from streamweir.replay.deliveries import list_of_objects
from streamweir.replay.plan import Options

BATCH_ROWS = dataset.ROWS_PER_BATCH
SUCCESS_PAYMENTS = "success_payments"
value = list_of_objects
SORT_IT = "sort it, or allow it with unsorted_ok (file order)"
"""What to do about a browsing file that is not sorted."""


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


def _named(file: CsvFile, rows: Iterable[list[str]]) -> list[dict[str, str]]:
    names = file.names
    # A short row lacks its last columns, and whoever reads the message sees that.
    return [dict(zip(names, row, strict=False)) for row in rows]


def recording(
    folder: Path,
    *,
    batch_rows: int = BATCH_ROWS,
    limit: int | None = None,
    unsorted_ok: bool = False,
    options: Options | None = None,
) -> TwoTables:
    """The live files as a recording.

    Raises DatasetUnusable with file, line and column. A browsing file that is not sorted by event_time is
    refused unless `unsorted_ok`; it is then replayed in file order, and the recording's finding says so.
    """
    tables = TwoTables(
        _input(folder, dataset.BROWSING, BROWSING_TOPIC.name, "event_time"),
        _input(folder, dataset.TRANSACTIONS, TRANSACTIONS_TOPIC.name, "created_at"),
        batch_rows=batch_rows,
        interval_s=PIPELINE.interval_s,
        limit=limit,
    )
    if not unsorted_ok and tables.finding:
        raise DatasetUnusable(f"{tables.finding}; {SORT_IT}")
    return tables


def batches(
    folder: Path, *, batch_rows: int = BATCH_ROWS, limit: int | None = None, unsorted_ok: bool = False
) -> Iterator[Batch]:
    """The batches of `recording`."""
    return recording(folder, batch_rows=batch_rows, limit=limit, unsorted_ok=unsorted_ok).batches()


def history_batches(folder: Path, *, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """The batches that a replay of the history files would send, sorted by event_time first."""
    return TwoTables(
        _input(folder, dataset.BROWSING_HISTORY, BROWSING_TOPIC.name, "event_time"),
        _input(folder, dataset.TRANSACTION_HISTORY, TRANSACTIONS_TOPIC.name, "created_at"),
        batch_rows=batch_rows,
        interval_s=PIPELINE.interval_s,
        sort=True,
    ).batches()


def facts(rows: Mapping[str, Sequence[Row]], options: Options) -> dict[str, int]:
    """What is counted per batch."""
    return {SUCCESS_PAYMENTS: success_payments(rows[TRANSACTIONS_TOPIC.name])}


def success_payments(transactions: Sequence[Row]) -> int:
    """How many transactions were paid: payment_status == 'Success'."""
    return sum(row.get("payment_status") == "Success" for row in transactions)


def _input(folder: Path, file: File, topic: str, time: str) -> Input:
    return Input(CsvFile(find(folder, file.names), (column.name for column in file.columns)), topic, time)
