"""A task's log reads as a short story: what it did, its figures, where the result lies, and nothing else."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Connection

from streamweir.contracts.models import ModelKeys
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.liveplot.live import Drawn
from streamweir.models.card import TRAINED, Card
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.hooks import KafkaHook
from streamweir_airflow.operators.base import StreamweirOperator
from streamweir_airflow.operators.prepare import EnsureModel, ProvisionTopics
from streamweir_airflow.operators.replay import PlotLive, Replay
from streamweir_airflow.operators.results import Plot, Reconcile, Validate
from streamweir_airflow.operators.scorer import AwaitDrained, StartScorer
from streamweir_airflow.operators.stopping import StopScorer, StopStream
from streamweir_airflow.processes import Child
from tests.support.memory_store import MemoryStore

NAME = "card_fraud"
RUN = Run(Stream(NAME, "s"), "manual__1")
READY = {"outcome": "ready", "sentence": "", "flush_sequence": 40, "asked_again": 0}
SENT = {
    "batches": 3,
    "rows": {"transactions": 1200},
    "facts": {},
    "start_ts": 0,
    "seconds": 1.5,
    "rows_per_second": 800,
}
PARAMS: dict[str, object] = {
    **dict.fromkeys(pipeline(NAME).options),
    **dict.fromkeys(["start_ts", "batches", "late", "model", "threshold"]),
    "speed": 0,
    "lateness_s": 60,
}

Story = Callable[..., list[str]]


def last_line(place: object) -> str:
    name = str(place).removeprefix(f"{RUN.bundle}/")
    page = f"http://here:8080/streamweir/dags/{NAME}/runs/manual__1/{name}"
    return f"the result lies at s3://{place}" + (f" ({page})" if name != str(place) else "")


@pytest.fixture
def story(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Story:
    """What a task of a run that was cleared says when it succeeds, line by line."""

    def told(task: StreamweirOperator, event: dict[str, Any] | None = None, **params: object) -> list[str]:
        asked = Attempt(task.task_id, pipeline(NAME), RUN, PARAMS | params, datetime.now(UTC), 1, dict, True)
        said: list[str] = []
        log = SimpleNamespace(info=lambda text, *words: said.append(text % words))
        monkeypatch.setattr(type(task), "log", log)
        monkeypatch.setattr(Attempt, "of", lambda name, context: asked)
        monkeypatch.setattr(Attempt, "kafka", None)
        if event is None:
            task.recorded({"params": {"pipeline": NAME}}, task.work)
        else:
            task.resume({}, event)  # type: ignore[attr-defined]
        return said

    return told


def test_what_kafkas_client_tells_in_passing_is_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("kafka"), "level", logging.NOTSET)
    found = Connection(conn_id="kafka_default", conn_type="kafka", host="here", port=9092)
    monkeypatch.setattr(KafkaHook, "get_connection", lambda self, conn_id: found)
    assert KafkaHook().connection.client_args() == {"bootstrap_servers": ["here:9092"]}
    assert logging.getLogger("kafka.net.selector").getEffectiveLevel() == logging.CRITICAL


def test_topics_that_are_there_are_told_as_nothing_to_do(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = SimpleNamespace(created=(), existing=("a", "b"))
    monkeypatch.setattr("streamweir.broker.topics.provision", lambda *_: there)
    assert story(ProvisionTopics(task_id="provision_topics", pipeline=NAME)) == [
        "nothing to create: all topics are there",
        "already there: a, b",
        last_line(RUN.parameters),
    ]


def test_a_model_that_the_run_keeps_is_told_as_nothing_to_do(story: Story, store: MemoryStore) -> None:
    store.put_json(RUN.plan, {})
    store.put_json(RUN.model, {"version": "v", "origin": "champion"})
    card = Card(source=TRAINED, features=("V1",), label="Class", pipeline=NAME, version="v", threshold=0.5)
    store.put_json(ModelKeys(NAME).card("v"), card.to_json())
    first, model, last = story(EnsureModel(task_id="ensure_model", pipeline=NAME, dataset="d"))
    assert first == "nothing to choose: the run has sent messages, and keeps its model"
    assert model.startswith("model v (champion). A transaction is called fraud from a probability of 0.5 on")
    assert last == last_line(ModelKeys(NAME).root / "v")


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Replay:
    def sends(*_: object, progress: Any, **__: object) -> Any:
        with progress("replaying manual__1", 1200, "transactions rows") as advance:
            advance(1200)
        return SimpleNamespace(to_json=lambda: SENT)

    dataset = SimpleNamespace(fingerprint="d", live=[])
    monkeypatch.setattr("streamweir.datasets.store.load", lambda *_: dataset)
    monkeypatch.setattr("streamweir.datasets.store.download", lambda *_: None)
    monkeypatch.setattr("streamweir.replay.replayer.replay", sends)
    monkeypatch.setattr("streamweir_airflow.operators.replay.launch", lambda *_: None)
    scorer = {"stream": {"pipeline": NAME, "id": "s", "stage": ""}, "scorer": "a", "dataset": "d"}
    rest = {"model": "m", "time_zone": "UTC", "lateness_s": 60, "max_messages": 10}
    return Replay(task_id="replay", pipeline=NAME, dataset="d", scorer=scorer | rest)


def test_a_replay_tells_its_progress_and_its_figures(
    story: Story, replay: Replay, capsys: pytest.CaptureFixture[str]
) -> None:
    progress, *rest = story(replay)
    assert progress.startswith("replaying manual__1: 1,200 of 1,200 transactions rows, ")
    assert rest == [
        "the topics hold 3 batches and the flush: 1,200 rows of transactions",
        last_line(RUN.manifest),
    ]
    # Airflow shows as an error what a task writes to its standard error.
    assert capsys.readouterr().err == ""


def test_a_replay_that_has_nothing_to_send_says_so(story: Story, replay: Replay, store: MemoryStore) -> None:
    store.put_json(RUN.manifest, {})
    assert story(replay)[0] == "nothing to send: the run's flush was sent before"


def test_a_live_plot_tells_what_it_drew(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(plot="p", batches=40, total=7, frames=3)
    monkeypatch.setattr("streamweir.liveplot.live.draw_live", lambda *_, **__: drawn)
    said = story(PlotLive(task_id="plot_live", pipeline=NAME))
    assert said == ["drew 7 in 40 batches, in 3 frames", last_line(RUN.plots)]
    monkeypatch.setattr("streamweir.liveplot.live.draw_live", lambda *_, **__: None)
    said = story(PlotLive(task_id="plot_live", pipeline=NAME))
    assert said == ["nothing was drawn: the replay was given up before its first batch"]


def test_a_reconciliation_tells_its_totals(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"produced": 1200, "in_kafka": 1200, "redriven": 0, "scored": 1193, "malformed": 7, "late": 0}
    line = SimpleNamespace(to_dict=lambda: counts | {"unexplained": 0})
    monkeypatch.setattr("streamweir.ledger.reconcile", lambda *_: SimpleNamespace(totals={"sent": line}))
    assert story(Reconcile(task_id="reconcile", pipeline=NAME)) == [
        "sent: 1,200 produced, 1,200 in kafka, 1,193 scored, 7 malformed, 0 unexplained",
        last_line(RUN.ledger),
    ]


def test_validation_and_plots_end_with_where_they_lie(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Child, "run", lambda *_: None)
    monkeypatch.setattr(Attempt, "child_environment", {})
    monkeypatch.setattr("streamweir.reporting.plot", lambda *_: ["ledger", "amounts"])
    docs = last_line(RUN.quality / "index.html")
    assert story(Validate(task_id="validate", pipeline=NAME)) == [docs]
    assert story(Plot(task_id="plot", pipeline=NAME)) == ["drew ledger, amounts", last_line(RUN.plots)]


def test_the_scorers_tasks_tell_what_became_of_it(story: Story) -> None:
    end = last_line(RUN.stream.root)
    start = StartScorer(task_id="start_scorer", pipeline=NAME, dataset="d", model="m")
    drained = AwaitDrained(task_id="await_drained", pipeline=NAME, scorer={})
    stop = StopScorer(task_id="stop_scorer", pipeline=NAME)
    assert story(start, READY) == [f"the scorer of stream {RUN.stream} is at work", end]
    assert story(drained, READY) == ["all messages up to sequence 40 are processed", end]
    assert story(stop, READY) == [f"no scorer works on stream {RUN.stream} any more", end]
    assert story(stop) == [f"nothing to stop: no scorer works on stream {RUN.stream}", end]
    assert story(StopStream(task_id="stop", pipeline=NAME)) == [
        f"nothing to stop: no scorer works on stream {RUN.stream}",
        end,
    ]
    assert story(stop, keep_scorer=True) == ["the scorer goes on, as keep_scorer asks", end]
