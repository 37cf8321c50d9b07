"""The DAG `ecommerce_fraud` on real servers, from CSV files to the report, against the batch computation."""

import csv
import json
import random
import uuid
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from infra.demo.airflow_api import AirflowApi
from infra.stack import Stack
from streamweir.contracts.streams import Run, Stream, stream_id_of
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.progress import no_progress
from tests.oracle import ecommerce_fraud as oracle

BATCHES = 40
START_TS = 1_700_000_000
HOSTILE: dict[str, list[dict[str, str]]] = {
    "unscorable": [
        {"customer_id": "nobody"},
        {"total_amount": "NaN"},
        {"promo_amount": "1_0"},
        {"product_metadata": "[{'product_id': 1, 'quantity': 0, 'item_price': 5}]"},
        {"created_at": "yesterday"},
    ],
    "malformed": [{"session_id": ""}, {"customer_id": ""}],
    "duplicate": [{}, {}, {}],
}


def add_hostile_rows(folder: Path) -> None:
    """Copies of honest transactions, each with one thing wrong, somewhere behind the original."""
    path = folder / "new_transactions.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    chance = random.Random(7)
    for changes in (change for group in HOSTILE.values() for change in group):
        place = chance.randrange(len(rows) // 2)
        rows.insert(place + chance.randrange(1, 50), rows[place] | changes)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def airflow(stack: Stack) -> Iterator[AirflowApi]:
    """The test stack's Airflow, as its admin."""
    user, password = stack.secrets.airflow_admin_user, stack.secrets.airflow_admin_password
    with closing(AirflowApi(stack.settings.airflow_url, user, password)) as api:
        yield api


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    generator("ecommerce_fraud")(folder, seed=11, batches=BATCHES, history_batches=150, progress=no_progress)
    add_hostile_rows(folder)
    return folder


@pytest.fixture(scope="session")
def run(airflow: AirflowApi, dataset: Path) -> Run:
    """A finished run of the DAG; its tasks are shown when it failed."""
    run_id = f"e2e__{uuid.uuid4().hex[:8]}"
    airflow.trigger(
        "ecommerce_fraud", run_id, {"dataset": str(dataset), "start_ts": START_TS, "speed": 0, "seed": 1}
    )
    assert finished(airflow, run_id) == "success", airflow.tasks("ecommerce_fraud", run_id)
    return Run(Stream("ecommerce_fraud", stream_id_of(run_id)), run_id)


@retry(
    retry=retry_if_result(lambda state: state not in ("success", "failed")),
    wait=wait_fixed(1),
    stop=stop_after_delay(600),
)
def finished(airflow: AirflowApi, run_id: str) -> str:
    return airflow.run_state("ecommerce_fraud", run_id)


@pytest.fixture(scope="session")
def batch(dataset: Path) -> oracle.Batch:
    return oracle.compute(dataset, START_TS)


@pytest.fixture(scope="session")
def predictions(store: ObjectStore, run: Run) -> pd.DataFrame:
    return table(store, run, "predictions")


def table(store: ObjectStore, run: Run, name: str) -> pd.DataFrame:
    data = store.get(run.table_file(name))
    assert data is not None, f"the bundle lacks {name}"
    return pd.read_parquet(BytesIO(data))


def test_every_scorable_transaction_was_scored_with_the_features_of_the_batch(
    predictions: pd.DataFrame, batch: oracle.Batch
) -> None:
    expected = batch.features()
    assert len(expected) > 500
    found = predictions.sort_values(["session_id", "transaction_id"])[list(expected.columns)]
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), expected.reset_index(drop=True), check_dtype=False, rtol=1e-12
    )


@pytest.mark.parametrize("name", ["fraud_windows", "sold_quantity", "top_products"])
def test_the_figures_equal_those_of_the_batch_row_by_row(
    name: str, store: ObjectStore, run: Run, dataset: Path, predictions: pd.DataFrame, batch: oracle.Batch
) -> None:
    expected = batch.figures(predictions, dataset / "product.csv")[name]
    found = table(store, run, name)
    for column in ("window_start", "window_end"):
        found[column] = found[column].astype("datetime64[us, UTC]").astype("int64") // 1_000_000
    assert len(expected) > 1
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_every_row_is_accounted_for(store: ObjectStore, run: Run, batch: oracle.Batch) -> None:
    ledger: dict[str, Any] = store.get_json(run.ledger)
    assert ledger["unexplained"] == 0
    sent, transactions = batch.counts(), ledger["totals"]["transactions"]
    assert transactions["produced"] == sent["transactions"]
    assert transactions["scored"] == sent["scored"]
    assert {reason: transactions[reason] for reason in HOSTILE} == {
        reason: len(rows) for reason, rows in HOSTILE.items()
    }
    assert transactions["late"] == 0
    assert ledger["totals"]["browsing"]["used"] == sent["used"]


def test_the_rejected_are_listed_with_reason_and_place(store: ObjectStore, run: Run) -> None:
    rejected = table(store, run, "rejected")
    assert rejected.groupby("reason").size().to_dict() == {key: len(rows) for key, rows in HOSTILE.items()}
    assert set(rejected.topic) == {"transactions"}
    assert rejected.detail.str.len().min() > 10
    assert rejected.raw.map(json.loads).map(lambda row: "transaction_id" in row).all()


def test_the_plotting_consumer_saw_what_the_batch_counts(
    store: ObjectStore, run: Run, batch: oracle.Batch
) -> None:
    ledger = store.get_json(run.ledger)
    expected = batch.success_payments()
    assert ledger["success_payments"] == sum(expected.values())
    drawn = store.get_json(run.plots / "success_payments.json")
    assert drawn["points"] == [
        {"batch": index, "ts": START_TS + index, "value": count} for index, count in sorted(expected.items())
    ]


def test_the_bundle_is_complete_and_the_report_speaks_of_the_run(store: ObjectStore, run: Run) -> None:
    summary = store.get_json(run.summary)
    assert summary["outcome"] == "success"
    assert summary["parameters"]["start_ts"] == START_TS
    for key in (run.ledger_table, run.plot("success_payments"), run.quality / "index.html", run.report):
        assert store.exists(key), f"the bundle lacks {key}"
    report = (store.get(run.report) or b"").decode()
    assert run.id in report
    assert "http://" not in report.replace("http://www.w3.org", "")
