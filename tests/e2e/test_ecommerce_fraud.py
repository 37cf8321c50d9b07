"""The DAG `ecommerce_fraud` on real servers, from CSV files to the report, against the batch computation."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from tests.oracle import ecommerce_fraud as oracle
from tests.support.dag_runs import model_again, table
from tests.support.hostile_dataset import HOSTILE, NAMES, START_TS


@pytest.fixture(scope="session")
def batch(dataset: Path) -> oracle.Batch:
    return oracle.compute(dataset, START_TS)


@pytest.fixture(scope="session")
def predictions(store: ObjectStore, run: Run) -> pd.DataFrame:
    return table(store, run, "predictions")


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


def test_names_that_some_readers_take_for_nothing_are_names(store: ObjectStore, run: Run) -> None:
    assert len({*table(store, run, "top_products").name} & {*NAMES}) > 3
    assert len({*table(store, run, "top_categories").category} & {*NAMES}) > 3
    failed = [one for one in store.get_json(run.quality / "results.json") if not one["success"]]
    assert [one for one in failed if one["severity"] == "critical"] == []


def test_the_model_scored_every_row_the_same_a_second_time(
    store: ObjectStore, run: Run, predictions: pd.DataFrame
) -> None:
    again, rows = model_again(store, run), len(predictions)
    assert (again["severity"], again["success"]) == ("critical", True)
    assert again["observed"] == f"0 of {rows:,} unexpected"
    assert again["sentence"].endswith(f": 0 rows differ; compared: {rows:,} of {rows:,} rows")


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
