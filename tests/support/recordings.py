"""Small datasets for replays: as many rows as wanted, every row told apart by its id."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamweir.contracts.ecommerce_fraud import dataset

_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def write_recording(folder: Path, rows: int, *, every: int = 3) -> Path:
    """A live browsing file with `rows` rows, one a second, and a transaction for every `every`-th of them."""
    folder.mkdir(parents=True, exist_ok=True)
    browsing = [
        {"session_id": f"s{n % 50}", "event_type": "HP", "event_time": _time(n), "customer_id": str(n)}
        for n in range(rows)
    ]
    transactions = [
        {
            "created_at": _time(n).replace(" ", "T") + "Z",
            "transaction_id": f"t{n}",
            "session_id": f"s{n % 50}",
            "product_metadata": "[{'product_id': 3231, 'quantity': 1, 'item_price': 367619}]",
            "payment_status": "Fail" if n % 4 else "Success",
        }
        for n in range(0, rows, every)
    ]
    _write(folder, dataset.BROWSING, browsing)
    _write(folder, dataset.TRANSACTIONS, transactions)
    return folder


def _time(second: int) -> str:
    return (_BEGIN + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S.302")


def _write(folder: Path, file: dataset.File, rows: Sequence[dict[str, str]]) -> None:
    with (folder / file.name).open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, [column.name for column in file.columns], restval="")
        writer.writeheader()
        writer.writerows(rows)
