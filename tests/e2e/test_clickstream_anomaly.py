"""The DAG `clickstream_anomaly` on real servers, from a CSV file to the report, against a batch."""

import csv
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from infra.demo.airflow_api import AirflowApi
from streamweir.broker.records import read_topic
from streamweir.connections import KafkaConnection
from streamweir.contracts.clickstream_anomaly import ANOMALY
from streamweir.contracts.runs import Run
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from tests.oracle import clickstream_anomaly as oracle
from tests.support.dag_runs import finished_run, table

HOURS = 30
START_TS = 1_700_000_123
BROKEN = [("event_id", ""), ("session_id", ""), ("event_type", ""), ("event_id", "")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quiet site's thirty hours with five incidents, some events that cannot be counted."""
    folder = tmp_path_factory.mktemp("site")
    generator("clickstream_anomaly")(folder, seed=8, batches=HOURS * 3600, events_per_second=0.4)
    path = folder / "clickstream.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for place, (column, text) in enumerate(BROKEN):
        rows[1000 + 5000 * place][column] = text
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, rows[0], lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def run(airflow: AirflowApi, folder: Path) -> Run:
    """A finished run on it."""
    params = {"dataset": str(folder), "start_ts": START_TS, "speed": 0}
    return finished_run(airflow, "clickstream_anomaly", params)


@pytest.fixture(scope="module")
def windows(store: ObjectStore, run: Run) -> pd.DataFrame:
    found = table(store, run, "windows")
    for column in ("window_start", "window_end"):
        found[column] = found[column].astype("datetime64[us, UTC]").astype("int64") // 1_000_000
    return found


def test_every_window_equals_that_of_the_batch(windows: pd.DataFrame, folder: Path) -> None:
    expected = oracle.windows(folder, START_TS)
    assert len(expected) == HOURS * 12 + 1 + (START_TS % 300 > 0)
    assert 10 < expected.flagged.sum() < len(expected) / 2
    pd.testing.assert_frame_equal(windows, expected, check_dtype=False, rtol=1e-12)


def test_the_topic_holds_exactly_the_flagged_windows(
    windows: pd.DataFrame, run: Run, kafka_connection: KafkaConnection
) -> None:
    found = [orjson.loads(one.value) for one in read_topic(kafka_connection, run.stream.topic("anomalies"))]
    assert all(tuple(one) == ANOMALY for one in found)
    told = pd.DataFrame(found)
    for column in ("window_start", "window_end"):
        told[column] = pd.to_datetime(told[column]).dt.as_unit("s").astype("int64")
    flagged = windows.loc[windows.flagged, list(ANOMALY)].reset_index(drop=True)
    pd.testing.assert_frame_equal(told, flagged, check_dtype=False)


def test_every_event_is_accounted_for(store: ObjectStore, run: Run, folder: Path) -> None:
    with (folder / "clickstream.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ledger: dict[str, Any] = store.get_json(run.ledger)
    counts = ledger["totals"]["events"]
    assert ledger["unexplained"] == 0
    assert counts["produced"] == len(rows)
    assert counts["malformed"] == len(BROKEN)
    assert 0 < counts["duplicate"] < 0.01 * len(rows)
    assert counts["used"] + counts["duplicate"] + counts["malformed"] == len(rows)
    assert ledger["page_views"] == sum(row["event_type"] == "page_view" for row in rows)


def test_the_incidents_are_set_against_the_flags(store: ObjectStore, run: Run, folder: Path) -> None:
    summary = store.get_json(run.summary)
    assert summary["outcome"] == "success"
    assert summary["model"] is None
    incidents = (folder / "incidents.csv").read_text().splitlines()[1:]
    told = summary["analysis"]["incidents"]
    assert sum(row["incidents"] for row in told) == len(incidents) == 5
    assert {row["kind"] for row in told} == {line.split(",")[0] for line in incidents}
    assert sum(row["found"] for row in told) >= 4
    assert {row["flag"] for row in summary["analysis"]["alarms"]} == set(ANOMALY[-4:])


def test_the_bundle_is_complete_and_the_report_speaks_of_the_run(store: ObjectStore, run: Run) -> None:
    for key in (run.ledger_table, run.plot("kpis"), run.plot("page_views"), run.quality / "index.html"):
        assert store.exists(key), f"the bundle lacks {key}"
    drawn = store.get_json(run.plots / "page_views.json")
    assert sum(point["value"] for point in drawn["points"]) == store.get_json(run.ledger)["page_views"]
    report = (store.get(run.report) or b"").decode()
    assert run.id in report
    assert "known incidents were found" in report
    assert "PR-AUC" not in report
    assert "http://" not in report.replace("http://www.w3.org", "")
