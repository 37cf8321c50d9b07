"""Small datasets for replays, every row told apart by its id; and replays as processes."""

import csv
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import dataset
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Type

_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_BORN = "1990-01-01"
_NUMBERS = [column.name for column in dataset.TRANSACTION_COLUMNS if column.type is Type.DOUBLE]


def write_recording(folder: Path, rows: int) -> Path:
    """A dataset without history: `rows` browsing rows, one a second, and a transaction for every third."""
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
            "customer_id": str(n),
            **dict.fromkeys(_NUMBERS, "0"),
        }
        for n in range(0, rows, 3)
    ]
    _write(folder, dataset.BROWSING, browsing)
    _write(folder, dataset.TRANSACTIONS, transactions)
    people = [{"customer_id": str(n), "birthdate": _BORN, "first_join_date": _BORN} for n in range(rows)]
    _write(folder, dataset.CUSTOMERS, people)
    _write(folder, dataset.PRODUCTS, [{"id": "3231", "category_id": "1"}])
    _write(folder, dataset.CATEGORIES, [{"category_id": "1"}])
    return folder


def start_module(
    module: str, options: Mapping[str, object], kafka: KafkaConnection, store: StoreConnection
) -> subprocess.Popen[str]:
    """Start a command of the foundation (`replay`, `liveplot`) as a process of its own."""
    argv = [sys.executable, "-m", f"streamweir.{module}"]
    argv += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    path = os.pathsep.join([str(Path(__file__).parents[2] / "plugins"), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, **kafka.to_env(), **store.to_env(), "PYTHONPATH": path}
    return subprocess.Popen(argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def replay_options(run: Run, folder: Path, *, speed: float, batch_rows: int) -> dict[str, object]:
    """The options of a replay as a process."""
    return {
        "pipeline": run.stream.pipeline,
        "stream": run.stream.id,
        "run": run.id,
        "dataset": folder,
        "speed": speed,
        "batch-rows": batch_rows,
    }


def _time(second: int) -> str:
    return (_BEGIN + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S.302")


def _write(folder: Path, file: dataset.File, rows: Sequence[dict[str, str]]) -> None:
    with (folder / file.name).open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, [column.name for column in file.columns], restval="")
        writer.writeheader()
        writer.writerows(rows)
