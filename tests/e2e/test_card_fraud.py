"""The DAG `card_fraud` on real servers, from a CSV file to the report, against the batch computation."""

import csv
import random
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from infra.demo.airflow_api import AirflowApi
from infra.stack import Stack
from streamweir.broker.records import read_topic
from streamweir.comparison import compare
from streamweir.connections import KafkaConnection
from streamweir.contracts.card_fraud import ALERT_COLUMNS
from streamweir.contracts.card_fraud.dataset import FILE, NUMBER_NAMES
from streamweir.contracts.runs import Run
from streamweir.datagen import generator, settings_of
from streamweir.errors import BadConfiguration
from streamweir.models.registry import Registry
from streamweir.objectstore import ObjectStore
from streamweir.progress import no_progress
from tests.oracle import card_fraud as oracle
from tests.support.dag_runs import finished_run, model_again, table

TRANSACTIONS = 6_000
START_TS = 1_700_000_000
BROKEN = [
    ("V5", ""),
    ("Amount", "n/a"),
    ("Class", ""),
    ("Time", "soon"),
    ("Time", ""),
    ("V1", "1_0"),
    ("V28", "NaN"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that is not sorted, has a column too many, and some fields that are no numbers."""
    folder = tmp_path_factory.mktemp("cards")
    asked = settings_of("card_fraud", {"batches": TRANSACTIONS, "fraud_share": 0.02})
    generator("card_fraud")(folder, seed=3, progress=no_progress, **asked)
    with (folder / FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(5).shuffle(rows)
    for place, (column, text) in enumerate(BROKEN):
        rows[100 + 17 * place][column] = text
    with (folder / FILE).open("w", newline="") as file:
        out = csv.DictWriter(file, [*rows[0], "Bank"], restval="unknown", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def run(airflow: AirflowApi, folder: Path) -> Run:
    """A finished run on it."""
    return finished_run(airflow, "card_fraud", {"dataset": str(folder), "start_ts": START_TS, "speed": 0})


@pytest.fixture(scope="module")
def batch(folder: Path) -> oracle.Batch:
    return oracle.compute(folder / FILE, START_TS)


@pytest.fixture(scope="module")
def scored(store: ObjectStore, run: Run) -> pd.DataFrame:
    return table(store, run, "scored")


@pytest.fixture(scope="module")
def alerts(kafka: KafkaConnection, run: Run) -> list[dict[str, Any]]:
    return [orjson.loads(record.value) for record in read_topic(kafka, run.stream.topic("alerts"))]


def test_every_sound_transaction_was_scored_once_in_its_place(
    scored: pd.DataFrame, batch: oracle.Batch
) -> None:
    assert len(batch.scored) == TRANSACTIONS - len(BROKEN)
    found = scored.sort_values("transaction_id").reset_index(drop=True)
    found["micros"] = found["event_time"].astype("datetime64[us, UTC]").astype("int64")
    expected = batch.scored.astype({"micros": "int64"})
    pd.testing.assert_frame_equal(found[list(expected.columns)], expected, check_dtype=False)


def test_the_others_are_listed_as_unscorable(store: ObjectStore, run: Run, batch: oracle.Batch) -> None:
    rejected = table(store, run, "rejected")
    assert sorted(rejected["id"].astype(int)) == list(batch.rejected)
    assert set(rejected["reason"]) == {"unscorable"}
    assert sorted(detail.split()[0] for detail in rejected["detail"]) == sorted(name for name, _ in BROKEN)
    total = store.get_json(run.ledger)["totals"]["transactions"]
    assert (total["produced"], total["scored"], total["unscorable"], total["unexplained"]) == (
        TRANSACTIONS,
        len(batch.scored),
        len(BROKEN),
        0,
    )


def test_topic_table_and_console_show_the_same_alerts(
    scored: pd.DataFrame, alerts: list[dict[str, Any]], stack: Stack, run: Run
) -> None:
    expected = scored[scored["is_alert"]].set_index("transaction_id")
    assert len(expected) > 20
    assert Counter(alert["transaction_id"] for alert in alerts) == Counter(expected.index.tolist())
    for alert in alerts:
        row = expected.loc[alert["transaction_id"]]
        assert tuple(alert) == ALERT_COLUMNS
        assert pd.Timestamp(alert["event_time"]) == row["event_time"]
        assert (alert["Amount"], alert["fraud_prob"], alert["Class"]) == (
            row["Amount"],
            row["fraud_prob"],
            row["Class"],
        )
    log = next(stack.settings.var.rglob(f"{run.stream}/**/scorer.log"))
    lines = [line for line in log.read_text().splitlines() if line.startswith("ALERT ")]
    assert sorted(int(line.split()[1].partition("=")[2]) for line in lines) == sorted(expected.index)


def test_an_alert_is_what_reaches_the_recommended_threshold(
    store: ObjectStore, run: Run, scored: pd.DataFrame
) -> None:
    summary = store.get_json(run.selection)
    threshold = summary["recommended_threshold"]
    assert (scored["is_alert"] == (scored["fraud_prob"] >= threshold)).all()
    decided = store.get_json(run.summary)["model"]
    assert (decided["rule"], decided["threshold"], decided["own_rule"]) == ("card", threshold, {})
    assert decided["scoring"] == "numpy"
    assert set(scored["model_version"]) == {summary["model_version"]}
    assert summary == Registry(store, "card_fraud").selection(summary["model_version"])
    candidates = summary["candidates"]
    assert len(candidates) == 3
    assert candidates[summary["selected_model"]]["pr_auc"] == max(
        one["pr_auc"] for one in candidates.values()
    )


def test_the_model_scored_every_row_the_same_a_second_time(
    store: ObjectStore, run: Run, scored: pd.DataFrame
) -> None:
    again, rows = model_again(store, run), len(scored)
    assert (again["severity"], again["success"]) == ("critical", True)
    assert again["observed"] == f"0 of {rows:,} unexpected"
    assert again["sentence"] == (
        "the model's own transform makes the same fraud_prob, prediction, is_alert: "
        f"0 rows differ; compared: {rows:,} of {rows:,} rows"
    )


def test_the_report_judges_alerts_as_scikit_learn_does(
    store: ObjectStore, run: Run, scored: pd.DataFrame
) -> None:
    rows = store.get_json(run.summary)["analysis"]["judgement"]
    parts = store.get_json(run.selection)["rows"]
    sent = scored["batch_index"].rank(method="first")
    seen = sent <= parts["train"] + parts["select"]
    assert (~seen).sum() == parts["report"] > 1_000, "what neither taught the model nor chose anything"
    for column, part in (("value", scored[~seen]), ("seen", scored[seen])):
        told = {row["measure"]: row[column] for row in rows}
        assert told.pop("transactions") == len(part)
        assert told == pytest.approx(oracle.judge(part))


def test_the_bundle_is_complete(store: ObjectStore, run: Run) -> None:
    summary = store.get_json(run.summary)
    assert summary["outcome"] == "success"
    (row,) = summary["analysis"]["alerts_side_by_side"]
    assert row["equal"]
    for plot in ("alerts_per_hour", "precision_recall", "probabilities", "amounts", "transactions"):
        assert store.exists(run.plot(plot)), plot
    drawn = store.get_json(run.plots / "transactions.json")
    assert sum(point["value"] for point in drawn["points"]) == TRANSACTIONS


@pytest.fixture(scope="module")
def unlabelled(airflow: AirflowApi, run: Run, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a few transactions without classes, after one that has left a champion; sent at a rate."""
    target = tmp_path_factory.mktemp("unlabelled")
    with (folder / FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))[:900]
    with (target / FILE).open("w", newline="") as file:
        out = csv.DictWriter(file, NUMBER_NAMES, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    asked = {"dataset": str(target), "start_ts": START_TS, "rate": 300, "batches": 600}
    return finished_run(airflow, "card_fraud", asked)


def test_a_dataset_without_classes_is_scored_by_the_champion_and_judged_by_nobody(
    store: ObjectStore, run: Run, unlabelled: Run
) -> None:
    scored = table(store, unlabelled, "scored")
    assert len(scored) > 590
    assert scored["Class"].isna().all()
    assert set(scored["model_version"]) == {store.get_json(run.selection)["model_version"]}
    told = {row["measure"]: row for row in store.get_json(unlabelled.summary)["analysis"]["judgement"]}
    assert told["alerts"]["value"] == scored["is_alert"].sum()
    assert told["PR-AUC"]["value"] is None
    assert "no column Class" in told["PR-AUC"]["meaning"]


def test_a_run_equals_itself_and_is_not_compared_with_another_recording(
    store: ObjectStore, run: Run, unlabelled: Run
) -> None:
    found = compare(store, run, run)
    assert found["outcome"] == "equal"
    rows = {one["table"]: one["rows"]["candidate"] for one in found["tables"]}
    assert rows == {"scored": TRANSACTIONS - len(BROKEN), "rejected": len(BROKEN)}
    parts = store.get_json(run.selection)["rows"]
    assert found["quality"]["rows"] == parts["report"]
    assert [one["difference"] for one in found["quality"]["measures"]] == [0, 0, 0]
    assert len(found["timings"]) == 4
    with pytest.raises(BadConfiguration, match=r"of the datasets other files: creditcard\.csv"):
        compare(store, run, unlabelled)


def test_a_rate_paces_the_replay_and_leaves_its_clock_alone(store: ObjectStore, unlabelled: Run) -> None:
    manifest = store.get_json(unlabelled.manifest)
    assert manifest["batches"] == 600
    assert 600 / 300 - 0.1 < manifest["seconds"] < 20
    scored = table(store, unlabelled, "scored")
    assert scored["event_time"].max() - scored["event_time"].min() > pd.Timedelta(hours=2)
