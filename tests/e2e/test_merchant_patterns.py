"""The DAG `merchant_patterns` on real servers, from CSV files to the report, against its specification."""

import csv
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pandas as pd
import pytest

from infra.demo.airflow_api import AirflowApi
from streamweir.broker.records import read_topic
from streamweir.connections import KafkaConnection
from streamweir.contracts.merchant_patterns import DETECTIONS, detections_folder
from streamweir.contracts.merchant_patterns.dataset import rows_of
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.replay.drops import Watcher
from tests.oracle import merchant_patterns as oracle
from tests.support.dag_runs import finished_run, table

CHUNK_ROWS, CHUNKS = 500, 24
RULES = {
    "upgrade_min_transactions": 2_000,
    "upgrade_share": 0.05,
    "child_min_transactions": 10,
    "dei_min_female": 3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some customers and their payments; rows that cannot be read are among them."""
    folder = tmp_path_factory.mktemp("merchants")
    generator("merchant_patterns")(folder, seed=8, batches=CHUNKS, chunk_rows=CHUNK_ROWS, customers=250)
    return folder


@pytest.fixture(scope="module")
def run(airflow: AirflowApi, folder: Path) -> Run:
    """A finished run on it."""
    params = {"dataset": str(folder), "speed": 0, "batch_rows": CHUNK_ROWS, **RULES}
    return finished_run(airflow, "merchant_patterns", params)


@pytest.fixture(scope="module")
def detections(store: ObjectStore, run: Run) -> pd.DataFrame:
    return table(store, run, DETECTIONS.name)


def test_the_detections_are_those_of_the_specification(detections: pd.DataFrame, folder: Path) -> None:
    expected = oracle.detections(
        oracle.readable(folder, CHUNK_ROWS),
        oracle.weights(folder),
        upgrade_above=2_000,
        share="0.05",
        child_from=10,
        female_above=3,
    )
    columns = detections[["chunk", "patternId", "MerchantId", "customerName"]]
    assert list(columns.itertuples(index=False, name=None)) == expected
    assert set(detections.patternId) == {"PatId1", "PatId2", "PatId3"}
    assert list(detections.number) == list(range(1, len(expected) + 1))


def test_files_and_topic_hold_the_same_rows(
    store: ObjectStore, run: Run, kafka_connection: KafkaConnection, detections: pd.DataFrame
) -> None:
    files = [(store.get(key) or b"").decode() for key in store.list(detections_folder(run.stream))]
    rows = [list(csv.DictReader(io.StringIO(text, newline=""))) for text in files]
    assert len(rows) > 1
    assert all(len(some) == 50 for some in rows[:-1])
    told = [row for some in rows for row in some]
    assert [int(row["number"]) for row in told] == list(detections.number)
    assert [row["customerName"] for row in told] == list(detections.customerName)
    assert all(row["detectionTime"].endswith("+05:30") for row in told)
    published = read_topic(kafka_connection, run.stream.topic(DETECTIONS.name))
    assert [orjson.loads(one.value)["number"] for one in published] == list(detections.number)


def test_every_row_is_accounted_for(store: ObjectStore, run: Run, folder: Path) -> None:
    ledger: dict[str, Any] = store.get_json(run.ledger)
    counts = ledger["totals"]["chunks"]
    sound = sum(map(len, oracle.readable(folder, CHUNK_ROWS)))
    assert (ledger["unexplained"], ledger["batch_count"]) == (0, CHUNKS)
    assert (counts["produced"], counts["used"]) == (CHUNKS * CHUNK_ROWS, sound)
    assert counts["malformed"] == CHUNKS * CHUNK_ROWS - sound > 0


def test_what_others_drop_is_worked_on_as_well(
    airflow: AirflowApi, store: ObjectStore, folder: Path, detections: pd.DataFrame
) -> None:
    """The same file in chunks, of which the names say the order."""
    header, *lines = (folder / "transactions.csv").read_bytes().splitlines(keepends=True)
    prefix = ObjectKey("datasets", "drop/merchants")
    for number in range(CHUNKS):
        rows = lines[number * CHUNK_ROWS : (number + 1) * CHUNK_ROWS]
        store.put(prefix / f"chunk_{number}.csv", b"".join([header, *rows]))
    watch = {"feeder": "watch", "watch": str(prefix), "idle_stop_s": 3}
    run = finished_run(airflow, "merchant_patterns", {"dataset": str(folder), "speed": 0, **watch, **RULES})
    ledger: dict[str, Any] = store.get_json(run.ledger)
    assert (ledger["unexplained"], ledger["batch_count"]) == (0, CHUNKS)
    found = table(store, run, DETECTIONS.name)
    own = ["number", "patternId", "MerchantId", "customerName", "chunk"]
    pd.testing.assert_frame_equal(found[own], detections[own])


def test_a_thousand_objects_that_are_dropped_meanwhile_are_met_once_each(store: ObjectStore) -> None:
    prefix, kept = ObjectKey("datasets", "drop/thousand"), Stream("merchant_patterns", "thousand").announced
    names = [f"chunk_{number}.csv" for number in range(1_000)]
    Random(5).shuffle(names)

    def drop(name: str) -> None:
        store.put(prefix / name, f"a,b\n1,{name}\n".encode())

    def met(idle_stop_s: float) -> list[str]:
        watcher = Watcher(store, prefix, kept, "r", idle_stop_s, rows_of, time.time())
        return [drop.claim.key.key.rpartition("/")[2] for drop in watcher.drops()]

    with ThreadPoolExecutor(4) as pool:
        dropping = pool.map(drop, names)
        first = met(5)
        assert len(list(dropping)) == 1_000
    assert sorted(first) == sorted(names)
    # Whoever resumes meets them in the same order.
    assert met(0) == first


def test_the_bundle_is_complete_and_the_report_speaks_of_the_run(store: ObjectStore, run: Run) -> None:
    plots = [run.plot(name) for name in ("detections", "merchants", "payments")]
    for key in (run.ledger_table, run.quality / "index.html", *plots):
        assert store.exists(key), f"the bundle lacks {key}"
    summary = store.get_json(run.summary)
    assert summary["outcome"] == "success"
    for told in ("patterns", "held", "waited"):
        assert {row["action"] for row in summary["analysis"][told]} == {"UPGRADE", "CHILD", "DEI-NEEDED"}
    report = (store.get(run.report) or b"").decode()
    assert run.id in report
    assert "detections:" in report
