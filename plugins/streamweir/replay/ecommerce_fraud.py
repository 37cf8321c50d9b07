"""The replay of `ecommerce_fraud`: batches of browsing rows, and the transactions of their spans."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from streamweir.contracts.ecommerce_fraud import BROWSING_TOPIC, PIPELINE, TRANSACTIONS_TOPIC, dataset
from streamweir.contracts.ecommerce_fraud.dataset import File
from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import Batch, Row
from streamweir.replay.csvfile import CsvFile, find
from streamweir.replay.deliveries import list_of_objects
from streamweir.replay.plan import Options
from streamweir.replay.tables import Input, TwoTables

BATCH_ROWS = dataset.ROWS_PER_BATCH
SUCCESS_PAYMENTS = "success_payments"
value = list_of_objects
SORT_IT = "sort it, or allow it with unsorted_ok (file order)"
"""What to do about a browsing file that is not sorted."""


def recording(
    folder: Path, *, batch_rows: int = BATCH_ROWS, limit: int | None = None, unsorted_ok: bool = False
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
