"""The page of a run: how far it is, what went wrong, and what came out."""

import io
import re
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.errors import DependencyUnreachable
from streamweir.overview import pace
from streamweir.overview.alerts import Alerts, kind_of
from streamweir.overview.pace import Newest
from streamweir.reporting.inputs import load_bundle
from streamweir.reporting.summary import summarise
from streamweir.scorer.status import State, Status, timestamp, write
from tests.support.made_up_bundle import put_card, put_tasks, quality
from tests.support.made_up_ledger import reconcile_made_up
from tests.support.made_up_run import MadeUpRun
from tests.support.memory_store import MemoryStore

DAG = "ecommerce_fraud"
ENDED, UNDER_WAY, BARE = "ended__1", "manual__2026-01-01", "bare__1"
OTHER, OF_OTHER = "merchant_patterns", ("first", "second", "third")
RUNS = f"/streamweir/dags/{DAG}/runs"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module", autouse=True)
def known(database: None) -> None:
    """What Airflow knows of runs and their tasks."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    made_up = {"stream": "made-up"}
    states = [
        (DAG, ENDED, made_up, DagRunState.SUCCESS),
        (DAG, UNDER_WAY, made_up, DagRunState.RUNNING),
        (DAG, BARE, {}, DagRunState.FAILED),
        *((OTHER, run_id, {}, DagRunState.QUEUED) for run_id in OF_OTHER),
    ]
    with create_session() as session:
        for dag_id, run_id, conf, state in states:
            run = DagRun(
                dag_id=dag_id,
                run_id=run_id,
                run_type=DagRunType.MANUAL,
                conf=conf,
                start_date=datetime(2026, 11, 30, 13, tzinfo=UTC),
                state=state,
            )
            session.add(run)


@pytest.fixture(scope="module")
def made_up() -> MadeUpRun:
    """A run that went well, with the summary of a report; read only. What a browser shows is a word each."""
    made = MadeUpRun(batches=40)
    put_card(made)
    put_tasks(made)
    made.store.put_json(made.run.quality_results, quality())
    reconcile_made_up(made)
    bundle = load_bundle(made.run, made.store)  # type: ignore[arg-type]
    made.store.put_json(made.run.summary, summarise(bundle))
    for key in (made.run.report, *map(made.run.plot, ("ledger", "latency", "tasks"))):
        made.store.put(key, b"shown")
    return made


@pytest.fixture
def store(store: MemoryStore, made_up: MadeUpRun) -> MemoryStore:
    """A complete bundle, and one with the replay's plan only, whose stream still has its commit records."""
    ended = Run(made_up.run.stream, ENDED)
    for name, data in made_up.store.objects.items():
        if name.startswith(f"{made_up.run.bundle}/"):
            store.objects[name.replace(str(made_up.run.bundle), str(ended.bundle))] = data
    for name, data in MadeUpRun(batches=40).store.objects.items():
        if name.startswith("streams/") or name == str(made_up.run.plan):
            store.objects[name] = data
    at = [timestamp()] * 3
    more = {"batch_id": 5, "next_sequence": 38, "input_rows_per_second": 1234.0}
    write(store, made_up.run.stream, Status("s", "s", "h", State.RUNNING, *at, **more))  # type: ignore[arg-type]
    return store


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kafka says was sent last."""
    monkeypatch.setattr("streamweir_airflow.hooks.KafkaHook.connection", None)
    monkeypatch.setattr(pace, "newest_message", lambda *_: Newest(39, 1_767_300_039, 0))


def test_a_run_that_is_under_way_tells_how_far_it_is(
    client: TestClient, store: MemoryStore, sent: None, made_up: MadeUpRun
) -> None:
    for key in store.list(made_up.run.stream.commits):
        store.put_json(key, {**store.get_json(key), "rows": 10})
    first = client.get(f"{RUNS}/{UNDER_WAY}")
    assert f'data-from="/streamweir/dags/{DAG}/now/{UNDER_WAY}"' in first.text
    assert "<script>" in first.text
    told = client.get(f"/streamweir/dags/{DAG}/now/{UNDER_WAY}").json()
    assert told["again_s"] == 5
    reasons = ("duplicate", "late", "malformed", "unscorable")
    rejected = ", ".join(f"{made_up.counts[reason]:,} {reason}" for reason in reasons)
    assert min(made_up.counts[reason] for reason in reasons) > 0
    for said in ("40 messages", "38 messages worked on", "1,234 rows/s", "60 records", rejected):
        assert said in told["html"], said
    assert 'max="40" value="38"' in told["html"]


def flagged(store: MemoryStore, stream: Stream) -> list[dict[str, Any]]:
    """What the run's predictions call fraud, the newest first; the last micro-batch, 5, is the flush."""
    found = list[dict[str, Any]]()
    for at in range(5):
        file = io.BytesIO(store.objects[str(stream.table_file("predictions", at))])
        found += [row for row in pq.read_table(file).to_pylist() if row["prediction"] == 1]
    return found[::-1]


def test_a_run_that_is_under_way_shows_what_it_raises(
    client: TestClient, store: MemoryStore, sent: None, made_up: MadeUpRun
) -> None:
    store.put(Run(made_up.run.stream, UNDER_WAY).plots / "live/success_payments.png", b"png")
    expected = flagged(store, made_up.run.stream)
    assert len(expected) > 10
    html = client.get(f"/streamweir/dags/{DAG}/now/{UNDER_WAY}").json()["html"]
    shown = re.findall(r"<tr><td>(S[\w-]+)</td><td>[\w-]+</td><td>\d+</td><td>([\d.e-]+)</td></tr>", html)
    assert [(name, float(p)) for name, p in shown] == [
        (row["session_id"], row["fraud_probability"]) for row in expected[:10]
    ]
    assert f'<img src="{RUNS}/{UNDER_WAY}/plots/live/success_payments.png?at=' in html
    (line,) = re.findall(r'<polyline points="([^"]+)"', html)
    across = [float(point.split(",")[0]) for point in line.split()]
    steps = [after - before for before, after in pairwise(across)]
    assert max(steps) - min(steps) < 0.3, "each has the same room, however far the flush lies behind"
    batches = Counter(row["batch_index"] // 8 for row in expected)
    heights = [118 - float(point.split(",")[1]) - 2 for point in line.split()]
    assert [round(height / 112 * max(batches.values())) for height in heights] == [
        batches[at] for at in range(6)
    ]


def test_what_another_run_raised_is_not_shown(store: MemoryStore, made_up: MadeUpRun) -> None:
    alerts = Alerts(Run(made_up.run.stream, UNDER_WAY), 16)
    for _ in range(2):
        alerts.look(store, 4)  # type: ignore[arg-type]
        assert [each.ts for each in alerts.batches] == [1_767_225_600 + at for at in (24, 32, 40)]


def test_a_look_reads_few_micro_batches_and_none_twice(
    store: MemoryStore, made_up: MadeUpRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamweir.overview.alerts.AT_ONCE", 2)
    monkeypatch.setattr("streamweir.overview.alerts.REMEMBERED", 3)
    asked, get = list[str](), store.get
    monkeypatch.setattr(store, "get", lambda key, **more: asked.append(str(key)) or get(key, **more))
    alerts, known = Alerts(Run(made_up.run.stream, UNDER_WAY), 0), list[int]()
    for last in (3, 3, 3, 4):
        alerts.look(store, last)  # type: ignore[arg-type]
        known.append(len(alerts.batches))
    assert known == [2, 3, 3, 3]
    assert len(asked) == len(set(asked)) == 2 * 4, "of micro-batches 1 to 4 the commit and the table, once"


@pytest.mark.parametrize(
    ("word", "table", "where"),
    [
        ("ecommerce_fraud", "predictions", "prediction"),
        ("card_fraud", "scored", "is_alert"),
        ("clickstream_anomaly", "windows", "flagged"),
        ("merchant_patterns", "detections", None),
    ],
)
def test_each_pipeline_raises_something(word: str, table: str, where: str | None) -> None:
    found = kind_of(word)
    assert (found.table, found.where) == (table, where)
    assert found.columns


def test_a_task_that_failed_says_why(client: TestClient, store: MemoryStore, made_up: MadeUpRun) -> None:
    from streamweir_airflow.pages.app import app
    from streamweir_airflow.pages.run import tasks_of

    at = datetime(2026, 11, 30, 13, tzinfo=UTC)
    states = {"provision_topics": "success", "replay": "failed", "plot": None}
    tasks = [
        SimpleNamespace(task_id=name, state=state, start_date=at, duration=125.0)
        for name, state in states.items()
    ]
    store.put_json(made_up.run.task("replay"), {"error": f"Kafka was lost {SCRIPT}"})
    app.dependency_overrides[tasks_of] = lambda: tasks
    try:
        text = client.get(f"{RUNS}/{UNDER_WAY}").text
    finally:
        app.dependency_overrides.clear()
    assert "Kafka was lost &lt;script&gt;" in text
    assert SCRIPT not in text
    assert text.count("2 min") == 3
    assert "waits" in text


def test_a_kafka_that_is_away_hides_nothing_else(
    client: TestClient, store: MemoryStore, sent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DependencyUnreachable(f"Kafka does not answer {SCRIPT}")

    monkeypatch.setattr(pace, "newest_message", away)
    html = client.get(f"/streamweir/dags/{DAG}/now/{UNDER_WAY}").json()["html"]
    assert "Kafka does not answer &lt;script&gt;" in html
    assert "38 messages worked on" in html


def test_a_finished_run_shows_what_came_out(client: TestClient, store: MemoryStore) -> None:
    answer = client.get(f"{RUNS}/{ENDED}")
    assert "data-from" not in answer.text, "nothing changes any more, and nothing is asked"
    summary = store.get_json(Run(Stream(DAG, "made-up"), ENDED).summary)
    assert f"{summary['replay']['rows']:,} rows" in answer.text
    assert summary["outcome"] in answer.text
    assert f'<iframe src="{RUNS}/{ENDED}/report.html" title="report of the run" sandbox=' in answer.text
    plots = [name for name in store.objects if "/plots/" in name and ENDED.replace("_", "-")[:5] in name]
    assert len(plots) > 2
    for name in plots:
        assert f'<img src="{RUNS}/{ENDED}/plots/{name.rpartition("/")[2]}"' in answer.text
    for name in ("report.html", "quality/index.html", ""):
        assert f'href="{RUNS}/{ENDED}/{name}"' in answer.text
    assert "frame-src 'self'" in answer.headers["content-security-policy"]
    assert client.get(f"/streamweir/dags/{DAG}/now/{ENDED}").json()["again_s"] is None


def test_failures_are_texts(client: TestClient, store: MemoryStore) -> None:
    run = Run(Stream(DAG, "made-up"), ENDED)
    summary: dict[str, Any] = store.get_json(run.summary)
    summary |= {"outcome": "failed", "failures": [{"task": "replay", "sentence": SCRIPT}]}
    store.put_json(run.summary, summary)
    text = client.get(f"{RUNS}/{ENDED}").text
    assert "replay: &lt;script&gt;" in text
    assert SCRIPT not in text


def test_a_run_that_left_nothing_says_so(client: TestClient, store: MemoryStore) -> None:
    assert stream_id_of(BARE) not in str(store.objects)
    assert "It left no report." in client.get(f"{RUNS}/{BARE}").text
    assert client.get(f"{RUNS}/unknown").status_code == 404


def row_of(text: str, run_id: str) -> str:
    """A run's row in the page of all runs."""
    (row,) = [row for row in text.split("<tr>") if f'/runs/{run_id}"' in row]
    return row


def test_runs_are_listed_in_numbers(client: TestClient, store: MemoryStore) -> None:
    summary: dict[str, Any] = store.get_json(Run(Stream(DAG, "made-up"), ENDED).summary)
    text = client.get(f"/streamweir/dags/{DAG}").text
    ended = row_of(text, ENDED)
    said = [
        summary["outcome"],
        f"{summary['replay']['rows']:,}",
        f"{summary['replay']['rows_per_second']:,.0f}",
        f"{summary['scorer']['rows_per_second']:,.0f}",
        f"{summary['latency_s']['p95']:.2f} s",
        f"{summary['quality']['expectations']} checked, 1 warn",
    ]
    for cell in said:
        assert f">{cell}<" in ended, cell
    assert f'href="{RUNS}/{ENDED}/report.html"' in ended
    assert "no report yet" in row_of(text, BARE)
    assert ">failed<" in row_of(text, BARE)


def test_a_failed_check_and_an_unexplained_row_are_seen_at_once(
    client: TestClient, store: MemoryStore
) -> None:
    run = Run(Stream(DAG, "made-up"), ENDED)
    summary: dict[str, Any] = store.get_json(run.summary)
    quality = {**summary["quality"], "failed_critical": 2}
    stages = {
        "db": {"latency_s": {"p50": 1, "p95": 3}, "scorer": None},
        "lake": {"latency_s": {"p50": 2, "p95": 7}},
    }
    store.put_json(run.summary, {**summary, "unexplained": 3, "quality": quality, "stages": stages})
    row = row_of(client.get(f"/streamweir/dags/{DAG}").text, ENDED)
    assert f'<span class="bad">2 of {quality["expectations"]} failed</span>' in row
    assert 'class="n bad">3<' in row
    assert ">7.00 s<" in row, "of several stages the slowest"


def test_no_page_lists_all_runs(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamweir_airflow.pages.runs.SHOWN", 2)
    there = f"/streamweir/dags/{OTHER}"
    first, second = client.get(there).text, client.get(there, params={"number": 2}).text
    assert [row.count("<tr>") - 1 for row in (first, second)] == [2, 1]
    assert "/runs/first" in second
    assert (f'href="{there}?number=2">Older' in first, "Newer" in first) == (True, False)
    assert (f'href="{there}">Newer' in second, "Older" in second) == (True, False)
