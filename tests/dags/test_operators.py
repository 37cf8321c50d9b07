"""What each operator makes of an attempt: choices, deferrals, records, errors."""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.datasets.checks import Wishes
from streamweir.datasets.dataset import Dataset
from streamweir.errors import (
    BadConfiguration,
    DependencyUnreachable,
    ModelUnusable,
    RunFailed,
    StreamweirError,
)
from streamweir.models.card import TRAINED, Card
from streamweir.reporting.verdict import Verdict
from streamweir.scorer import stop
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import State, Status, timestamp, to_bytes
from streamweir.variables import MODEL_AGAIN_ROWS
from streamweir_airflow import waiting
from streamweir_airflow.attempt import Attempt, as_airflow, record_lost_task, stream_of
from streamweir_airflow.operators import looking_after, scorer
from streamweir_airflow.operators import replay as replay_operator
from streamweir_airflow.operators.base import Result, StreamweirOperator
from streamweir_airflow.operators.prepare import EnsureDataset, EnsureModel
from streamweir_airflow.operators.replay import Replay
from streamweir_airflow.operators.results import PublishReport, rows_again
from streamweir_airflow.operators.scorer import AwaitDrained, StartScorer
from streamweir_airflow.operators.stopping import StopScorer, StopStream
from streamweir_airflow.waiting import Seen
from tests.support.made_up_ledger import reconcile_made_up
from tests.support.made_up_run import MadeUpRun
from tests.support.memory_store import MemoryStore
from tests.support.tiny import declared

RUN = Run(Stream("ecommerce_fraud", "s"), "manual__1")
SPEC = ScorerSpec(RUN.stream, "a", "d", "m", "UTC", lateness_s=60, max_messages=2_000)
PARAMS = {
    "model": None,
    "threshold": None,
    "fraud_label": None,
    "scoring": None,
    "keep_scorer": False,
    "time_zone": "UTC",
    "lookback_s": 600,
    "retention_s": 604_800,
    "lateness_s": 60,
}
FLUSH = 40
SENT = {
    **dict.fromkeys(("batches", "facts", "start_ts", "seconds", "rows_per_second"), 1),
    "rows": {"browsing": 1},
}


@pytest.fixture
def store(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:

    def lives(_: float) -> None:
        """Between two looks a scorer rewrites its status."""
        found = store.get_json(RUN.stream.status)
        store.put_json(RUN.stream.status, found | {"rows": found["rows"] + 1})

    monkeypatch.setattr("streamweir.scorer.health._pause", lives)
    return store


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[ScorerSpec]:
    specs: list[ScorerSpec] = []
    monkeypatch.setattr(scorer, "launch", lambda attempt, spec: specs.append(spec))
    return specs


def attempt(
    task: str = "a_task",
    number: int = 1,
    states: dict[str, str | None] | None = None,
    *,
    cleared: bool = False,
    **params: object,
) -> Attempt:
    return Attempt(
        task=task,
        pipeline=pipeline("ecommerce_fraud"),
        run=RUN,
        params=PARAMS | params,
        started_at=datetime.now(UTC),
        number=number,
        task_states=lambda: states or {},
        cleared=cleared,
    )


def put_status(
    store: MemoryStore, state: State, next_sequence: int = 0, scorer: str = "a", **more: Any
) -> None:
    now = timestamp()
    status = Status(
        stream=str(RUN.stream),
        scorer=scorer,
        holder="a-1",
        state=state,
        started_at=now,
        updated_at=now,
        progressed_at=now,
        next_sequence=next_sequence,
        **more,
    )
    store.put(RUN.stream.status, to_bytes(status))


def deferred(work: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(TaskDeferred) as raised:
        work()
    assert raised.value.method_name == "resume"
    arguments: dict[str, Any] = raised.value.trigger.serialize()[1]
    return arguments


class TestRecords:
    class Task(StreamweirOperator):
        """Does what the test says."""

        outcome: Result | Exception

        def work(self, attempt: Attempt) -> Result:
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome

    def run(self, outcome: Result | Exception, monkeypatch: pytest.MonkeyPatch) -> Result:
        task = self.Task(task_id="a_task", pipeline="ecommerce_fraud")
        task.outcome = outcome
        monkeypatch.setattr(task, "attempt", lambda context: attempt())
        return task.recorded({}, task.work)

    def test_a_success_leaves_its_result(self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.run({"rows": 3}, monkeypatch) == {"rows": 3}
        record = store.get_json(RUN.task("a_task"))
        assert (record["outcome"], record["error"], record["result"]) == ("success", None, {"rows": 3})
        assert record["seconds"] >= 0
        assert datetime.fromisoformat(record["started_at"]) <= datetime.fromisoformat(record["ended_at"])

    @pytest.mark.parametrize(
        ("error", "kind", "sentence"),
        [
            (BadConfiguration("mend it"), AirflowFailException, "mend it"),
            (DependencyUnreachable("away"), AirflowException, "away"),
            (StreamweirError("odd"), AirflowException, "odd"),
            (ValueError("a bug"), ValueError, "ValueError: a bug"),
        ],
    )
    def test_a_failure_leaves_its_sentence_and_is_retried_only_when_that_can_help(
        self,
        store: MemoryStore,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        kind: type[Exception],
        sentence: str,
    ) -> None:
        with pytest.raises(kind) as raised:
            self.run(error, monkeypatch)
        assert type(raised.value) is kind
        record = store.get_json(RUN.task("a_task"))
        assert (record["outcome"], record["error"]) == ("failed", sentence)

    def test_a_failure_is_not_hidden_by_a_store_that_is_away(
        self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> None:
            raise DependencyUnreachable("the store is away")

        monkeypatch.setattr(store, "put_json", away)
        with pytest.raises(AirflowFailException, match="mend it"):
            self.run(BadConfiguration("mend it"), monkeypatch)

    @pytest.mark.parametrize(
        ("error", "retried"),
        [
            (DependencyUnreachable("x"), True),
            (StreamweirError("x"), True),
            (BadConfiguration("x"), False),
            (ModelUnusable("x"), False),
            (RunFailed("x"), False),
        ],
    )
    def test_only_what_can_help_is_tried_again(self, error: StreamweirError, *, retried: bool) -> None:
        assert isinstance(as_airflow(error), AirflowFailException) is not retried

    def test_a_killed_task_is_recorded_by_the_house_callback(
        self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = self.Task(task_id="a_task", pipeline="ecommerce_fraud")
        monkeypatch.setattr(Attempt, "of", lambda pipeline, context: attempt())
        record_lost_task({"task": task, "exception": "killed by SIGKILL"})
        record = store.get_json(RUN.task("a_task"))
        assert (record["outcome"], record["error"]) == ("failed", "killed by SIGKILL")

    def test_the_callback_leaves_a_better_record_alone(
        self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = self.Task(task_id="a_task", pipeline="ecommerce_fraud")
        monkeypatch.setattr(Attempt, "of", lambda pipeline, context: attempt())
        attempt().record("failed", error="mend the file")
        record_lost_task({"task": task, "exception": "AirflowFailException"})
        assert store.get_json(RUN.task("a_task"))["error"] == "mend the file"


class TestStream:
    def test_a_run_has_a_stream_of_its_own_unless_it_names_one(self) -> None:
        assert stream_of("ecommerce_fraud", {"stream": "prod"}, "manual__1").id == "prod"
        assert stream_of("ecommerce_fraud", {"stream": None}, "manual__1+00:00").id.startswith(
            "manual-1-00-00-"
        )


class TestEnsureDataset:
    @pytest.fixture
    def task(self, monkeypatch: pytest.MonkeyPatch) -> EnsureDataset:
        monkeypatch.setattr(
            "streamweir.datasets.store.load", lambda store, name, fingerprint: dataset(fingerprint)
        )
        monkeypatch.setattr("streamweir.datasets.store.ensure", lambda *_, **__: dataset("chosen now"))
        return EnsureDataset(task_id="ensure_dataset", pipeline="ecommerce_fraud")

    def test_a_run_that_has_sent_messages_keeps_its_dataset(
        self, task: EnsureDataset, store: MemoryStore
    ) -> None:
        asked = attempt(dataset=None, seed=42)
        assert task.work(asked)["source"] == "chosen now"
        store.put_json(RUN.plan, {"dataset": "sent before"})
        assert task.work(asked)["source"] == "sent before"

    @pytest.mark.parametrize(
        ("model", "state", "needed"),
        [(None, None, True), ("m", None, False), (None, State.RUNNING, False), (None, State.STOPPED, True)],
    )
    def test_history_is_needed_only_when_a_model_may_have_to_be_trained(
        self,
        store: MemoryStore,
        monkeypatch: pytest.MonkeyPatch,
        model: str | None,
        state: State | None,
        *,
        needed: bool,
    ) -> None:
        asked: list[bool] = []

        def ensure(*_: object, needs_history: bool, **__: object) -> Dataset:
            asked.append(needs_history)
            return dataset("")

        monkeypatch.setattr("streamweir.datasets.store.ensure", ensure)
        if state:
            put_status(store, state, model_version="m")
        task = EnsureDataset(task_id="ensure_dataset", pipeline="ecommerce_fraud")
        task.work(attempt(dataset=None, seed=42, model=model))
        assert asked == [needed]
        without_model = EnsureDataset(task_id="ensure_data", pipeline="ecommerce_fraud", trains=False)
        without_model.work(attempt(dataset=None, seed=42))
        assert asked == [needed, False]

    @pytest.mark.parametrize(
        ("params", "wishes"),
        [
            ({"unsorted_ok": True}, Wishes(unsorted_ok=True)),
            ({"unsorted_ok": False}, Wishes(unsorted_ok=False)),
            # A training replays nothing: the order of a live file is all the same to it.
            ({}, Wishes(unsorted_ok=True)),
            ({"event_types": "view:page_view"}, Wishes(unsorted_ok=True, event_types="view:page_view")),
        ],
    )
    def test_the_check_knows_what_the_run_asks_for(
        self,
        store: MemoryStore,
        monkeypatch: pytest.MonkeyPatch,
        params: dict[str, object],
        wishes: Wishes,
    ) -> None:
        asked: list[Wishes] = []

        def ensure(*_: object, wishes: Wishes, **__: object) -> Dataset:
            asked.append(wishes)
            return dataset("")

        monkeypatch.setattr("streamweir.datasets.store.ensure", ensure)
        task = EnsureDataset(task_id="ensure_dataset", pipeline="ecommerce_fraud", trains=False)
        task.work(attempt(dataset=None, seed=42, **params))
        assert asked == [wishes]


def dataset(source: str) -> Dataset:
    return Dataset("ecommerce_fraud", (), source)


class TestEnsureModel:
    @pytest.fixture
    def task(self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> EnsureModel:
        monkeypatch.setattr("streamweir.datasets.store.load", lambda store, name, fingerprint: History)
        task = EnsureModel(task_id="ensure_model", pipeline="ecommerce_fraud", dataset="d")
        monkeypatch.setattr(task, "train", lambda attempt: {"version": put_version(store, "fresh")})
        monkeypatch.setattr(task, "prove", lambda attempt, version: self.proofs.append(version))
        self.proofs: list[str] = []
        return task

    def test_a_model_that_nobody_has_proven_is_proven_before_the_scorer_takes_it(
        self, task: EnsureModel, store: MemoryStore
    ) -> None:
        put_version(store, "v")
        put_version(store, "known", numpy={"proven": False, "why": "it is a DCT"})
        task.work(attempt(model="known"))
        task.work(attempt(model="v", scoring="spark"))
        assert self.proofs == []
        task.work(attempt(model="v"))
        assert self.proofs == ["v"]
        # A scorer that runs, or ran for this run before, goes on as it is.
        put_status(store, State.RUNNING, model_version="v")
        task.work(attempt())
        store.put_json(RUN.plan, {})
        task.work(attempt(model="v"))
        assert self.proofs == ["v"]

    def test_the_champion_of_the_datasets_history_is_taken(
        self, task: EnsureModel, store: MemoryStore
    ) -> None:
        put_champion(store, put_version(store, "best", history="h"))
        result = task.work(attempt())
        assert (result["version"], result["origin"], result["threshold"]) == ("best", "champion", 0.4)

    @pytest.mark.parametrize(
        ("asked", "threshold", "decides", "sentence"),
        [
            (0.3, 0.4, ("param", 0.3), "from a probability of 0.3 on, as the run asks"),
            (None, 0.4, ("card", 0.4), "from a probability of 0.4 on, as the model's card says"),
            (None, None, ("model", None), "where the model's own prediction says so"),
        ],
    )
    def test_which_rule_decides_is_returned_and_said(
        self,
        task: EnsureModel,
        store: MemoryStore,
        capsys: pytest.CaptureFixture[str],
        asked: float | None,
        threshold: float | None,
        decides: tuple[str, float | None],
        sentence: str,
    ) -> None:
        put_version(store, "v", threshold=threshold, own_rule={"threshold": 0.1})
        result = task.work(attempt(model="v", threshold=asked))
        assert (result["rule"], result["threshold"]) == decides
        assert result["own_rule"] == {"threshold": 0.1}
        said = f"model v (trained). A transaction is called fraud {sentence}. The model's own rule: class 1"
        assert said in capsys.readouterr().out

    def test_a_path_where_nothing_is_is_named_as_a_path(self, task: EnsureModel) -> None:
        with pytest.raises(ModelUnusable, match="the path /models/fraud does not exist"):
            task.work(attempt(model="/models/fraud"))

    def test_a_champion_of_another_history_is_not(self, task: EnsureModel, store: MemoryStore) -> None:
        put_champion(store, put_version(store, "best", history="other"))
        result = task.work(attempt())
        assert (result["version"], result["origin"]) == ("fresh", "trained")

    def test_without_a_champion_one_is_trained(self, task: EnsureModel) -> None:
        assert task.work(attempt())["origin"] == "trained"

    def test_a_registered_version_can_be_asked_for(self, task: EnsureModel, store: MemoryStore) -> None:
        put_version(store, "older")
        assert task.work(attempt(model="older"))["version"] == "older"

    def test_an_unknown_version_is_named(self, task: EnsureModel) -> None:
        with pytest.raises(ModelUnusable, match="nope"):
            task.work(attempt(model="nope"))

    def test_a_run_that_has_sent_messages_keeps_its_model(
        self, task: EnsureModel, store: MemoryStore
    ) -> None:
        put_champion(store, put_version(store, "first", history="h"))
        assert task.work(attempt())["version"] == "first"
        store.put_json(RUN.plan, {})
        put_champion(store, put_version(store, "newer", history="h"))
        assert task.work(attempt())["version"] == "first"

    def test_also_when_a_later_try_of_the_task_failed(self, task: EnsureModel, store: MemoryStore) -> None:
        put_champion(store, put_version(store, "first", history="h"))
        task.work(attempt())
        store.put_json(RUN.plan, {})
        attempt("ensure_model").record("failed", error="the store was away")
        put_champion(store, put_version(store, "newer", history="h"))
        assert task.work(attempt())["version"] == "first"

    def test_the_running_scorers_model_is_taken_unless_another_is_asked_for(
        self, task: EnsureModel, store: MemoryStore
    ) -> None:
        put_champion(store, put_version(store, "newer", history="h"))
        put_status(store, State.RUNNING, model_version=put_version(store, "older"))
        assert task.work(attempt())["version"] == "older"
        assert task.work(attempt(model="newer"))["version"] == "newer"
        put_status(store, State.STOPPED, model_version="older")
        assert task.work(attempt())["version"] == "newer"

    def test_before_that_it_may_change(self, task: EnsureModel, store: MemoryStore) -> None:
        put_champion(store, put_version(store, "first", history="h"))
        assert task.work(attempt())["version"] == "first"
        put_champion(store, put_version(store, "newer", history="h"))
        assert task.work(attempt())["version"] == "newer"


class History:
    history_fingerprint = "h"


def put_version(
    store: MemoryStore,
    version: str,
    history: str = "",
    threshold: float | None = 0.4,
    own_rule: dict[str, float] | None = None,
    numpy: dict[str, Any] | None = None,
) -> str:
    from streamweir.contracts.models import ModelKeys

    card = Card(
        source=TRAINED,
        version=version,
        sha256="00",
        threshold=threshold,
        own_rule=own_rule,
        numpy=numpy,
        history_fingerprint=history,
    )
    store.put_json(ModelKeys("ecommerce_fraud").card(version), card.to_json())
    return version


def put_champion(store: MemoryStore, version: str) -> None:
    from streamweir.contracts.models import ModelKeys

    store.put_json(ModelKeys("ecommerce_fraud").champion, {"version": version})


class TestStartScorer:
    @pytest.fixture
    def task(self) -> StartScorer:
        return StartScorer(task_id="start_scorer", pipeline="ecommerce_fraud", dataset="d", model="m")

    def test_it_waits_deferred_for_the_scorer_that_it_launched(
        self, task: StartScorer, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        arguments = deferred(lambda: task.work(attempt()))
        assert (arguments["wait"], arguments["stream"]) == ("started", "s")
        assert datetime.fromisoformat(arguments["deadline"]) > datetime.now(UTC)
        (spec,) = launched
        assert (spec.stream, spec.dataset, spec.model, spec.options) == (
            RUN.stream,
            "d",
            "m",
            {
                "lookback_s": 600,
                "retention_s": 604_800,
                "threshold": None,
                "fraud_label": None,
                "scoring": None,
            },
        )

    def test_the_same_run_always_asks_with_the_same_scorer_id(
        self, task: StartScorer, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        for number in (1, 2):
            deferred(lambda number=number: task.work(attempt(number=number)))
        assert launched[0] == launched[1]

    @pytest.mark.parametrize(
        ("params", "expected"),
        [({}, 300), ({"outage_s": 60}, 60), ({"stream": "s"}, None), ({"stream": "s", "outage_s": 60}, 60)],
    )
    def test_a_scorer_and_those_who_wait_bear_outages_for_ever_on_a_named_stream_unless_told_otherwise(
        self,
        task: StartScorer,
        store: MemoryStore,
        launched: list[ScorerSpec],
        params: dict[str, Any],
        expected: int | None,
    ) -> None:
        arguments = deferred(lambda: task.work(attempt(**params)))
        assert (launched[0].outage_s, arguments["outage_s"]) == (expected, expected)

    def test_its_result_is_the_spec_for_a_restart(self, task: StartScorer) -> None:
        result = task.after(attempt(), {"outcome": "ready", "sentence": ""})
        assert ScorerSpec.from_json(json.loads(json.dumps(result))).dataset == "d"

    @pytest.mark.parametrize(
        ("exit_code", "kind"), [(2, BadConfiguration), (3, ModelUnusable), (4, DependencyUnreachable)]
    )
    def test_the_drivers_exit_code_decides_the_error(
        self, task: StartScorer, store: MemoryStore, exit_code: int, kind: type[StreamweirError]
    ) -> None:
        put_status(store, State.FAILED, error="column colour is missing", exit_code=exit_code)
        with pytest.raises(kind, match="column colour is missing"):
            task.after(attempt(), {"outcome": "failed", "sentence": "..."})

    def test_a_scorer_that_never_started_is_tried_again(self, task: StartScorer, store: MemoryStore) -> None:
        put_status(store, State.RESTARTING, error="no space left")
        with pytest.raises(StreamweirError, match=r"not started by.*no space left") as raised:
            task.after(attempt(), {"outcome": "given_up", "sentence": "not started by noon"})
        assert not isinstance(as_airflow(raised.value), AirflowFailException)


class TestStages:
    """Where a stream has several stages, each has tasks of its own."""

    STAGE = RUN.stream.of_stage("db")

    @pytest.fixture
    def arguments(self) -> dict[str, str]:
        return {"pipeline": "ecommerce_fraud", "stage": "db"}

    def test_a_stage_is_started_and_waited_for_under_its_name(
        self, store: MemoryStore, launched: list[ScorerSpec], arguments: dict[str, str]
    ) -> None:
        task = StartScorer(task_id="start_db", dataset="d", **arguments)
        waits = deferred(lambda: task.work(attempt()))
        assert (waits["stream"], waits["stage"]) == ("s", "db")
        assert [spec.stream for spec in launched] == [self.STAGE]

    def test_a_drain_looks_at_the_stages_status(
        self, store: MemoryStore, launched: list[ScorerSpec], arguments: dict[str, str]
    ) -> None:
        store.put_json(RUN.manifest, {"flush_sequence": FLUSH})
        put_status(store, State.RUNNING, FLUSH + 1)
        task = AwaitDrained(
            task_id="await_db", scorer=replace(SPEC, stream=self.STAGE).to_json(), **arguments
        )
        deferred(lambda: task.work(attempt()))
        [spec] = launched
        assert spec.stream == self.STAGE
        store.objects[str(self.STAGE.status)] = store.objects.pop(str(RUN.stream.status))
        assert task.work(attempt()) == {"flush_sequence": FLUSH, "started_again": 0, "scoring": ""}

    def test_a_stop_reaches_the_stage_alone(self, store: MemoryStore, arguments: dict[str, str]) -> None:
        put_status(store, State.RUNNING, scorer=stream_id_of(RUN.id))
        store.objects[str(self.STAGE.status)] = store.objects[str(RUN.stream.status)]
        deferred(lambda: StopScorer(task_id="stop_db", **arguments).work(attempt()))
        assert store.exists(self.STAGE.stop_marker)
        assert not store.exists(RUN.stream.stop_marker)


class TestReplay:
    @pytest.fixture
    def seen_enough(self) -> threading.Event:
        return threading.Event()

    @pytest.fixture
    def task(
        self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, seen_enough: threading.Event
    ) -> Replay:
        """Sends until the scorer was looked at often enough, for a minute of its clock."""
        looks: list[Seen] = []

        def look(*arguments: Any) -> Seen:
            looks.append(waiting.look(*arguments))
            if len(looks) > 6:
                seen_enough.set()
            return looks[-1]

        def replay(*_: object, **__: object) -> Any:
            assert seen_enough.wait(20)
            return SimpleNamespace(to_json=lambda: SENT)

        dataset = SimpleNamespace(fingerprint="d", live=[])
        monkeypatch.setattr("streamweir.datasets.store.load", lambda *_: dataset)
        monkeypatch.setattr("streamweir.datasets.store.download", lambda *_: None)
        monkeypatch.setattr("streamweir.replay.replayer.replay", replay)
        monkeypatch.setattr("streamweir_airflow.hooks.KafkaHook.connection", None)
        monkeypatch.setattr(looking_after, "look", look)
        monkeypatch.setattr(looking_after, "_LOOK_EVERY_S", 0)
        monkeypatch.setattr("streamweir.scorer.health._clock", lambda: min(10 * len(looks), 60))
        return Replay(task_id="replay", pipeline="ecommerce_fraud", dataset="d", scorer=SPEC.to_json())

    def send(self, task: Replay, *, cleared: bool = False) -> None:
        asked = attempt(cleared=cleared, start_ts=None, speed=0, batches=None, late=None)
        assert task.work(asked) == SENT

    @pytest.fixture
    def started(self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> list[ScorerSpec]:
        specs: list[ScorerSpec] = []

        def launch(attempt: Attempt, spec: ScorerSpec) -> None:
            specs.append(spec)
            put_status(store, State.STARTING)

        monkeypatch.setattr(looking_after, "launch", launch)
        monkeypatch.setattr(replay_operator, "launch", launch)
        return specs

    @pytest.mark.parametrize("state", [State.STOPPED, State.RUNNING])
    def test_a_scorer_that_is_gone_is_started_again_while_the_replay_goes_on(
        self, task: Replay, store: MemoryStore, started: list[ScorerSpec], state: State
    ) -> None:
        put_status(store, state)
        self.send(task)
        assert started == [SPEC]

    @pytest.mark.parametrize("asked", [True, False])
    def test_a_scorer_that_was_asked_to_stop_or_has_failed_is_left_alone(
        self, task: Replay, store: MemoryStore, started: list[ScorerSpec], *, asked: bool
    ) -> None:
        put_status(store, State.STOPPED if asked else State.FAILED)
        if asked:
            stop.request(store, RUN.stream, "a person")
        self.send(task)
        assert started == []

    @pytest.mark.parametrize("state", [State.STOPPED, State.FAILED])
    def test_cleared_by_hand_it_starts_the_scorer_again_that_was_asked_to_stop_or_has_failed(
        self, task: Replay, store: MemoryStore, started: list[ScorerSpec], state: State
    ) -> None:
        put_status(store, state)
        stop.request(store, RUN.stream, "the run's own teardown")
        self.send(task, cleared=True)
        assert started == [SPEC]

    def test_a_replay_that_has_nothing_left_to_send_needs_no_scorer(
        self, task: Replay, store: MemoryStore, started: list[ScorerSpec]
    ) -> None:
        put_status(store, State.STOPPED)
        stop.request(store, RUN.stream, "the run's own teardown")
        store.put_json(RUN.manifest, {"flush_sequence": FLUSH})
        self.send(task, cleared=True)
        assert started == []

    def test_a_scorer_that_cannot_be_started_is_tried_three_times_and_does_not_end_the_replay(
        self,
        task: Replay,
        store: MemoryStore,
        monkeypatch: pytest.MonkeyPatch,
        seen_enough: threading.Event,
    ) -> None:
        tries: list[ScorerSpec] = []

        def refuse(attempt: Attempt, spec: ScorerSpec) -> None:
            tries.append(spec)
            if len(tries) == 3:
                seen_enough.set()
            raise BadConfiguration("another run's scorer counts otherwise")

        monkeypatch.setattr(looking_after, "launch", refuse)
        put_status(store, State.STOPPED)
        self.send(task)
        assert len(tries) == 3


class TestAwaitDrained:
    @pytest.fixture
    def task(self, store: MemoryStore) -> AwaitDrained:
        store.put_json(RUN.manifest, {"flush_sequence": FLUSH})
        return AwaitDrained(task_id="await_drained", pipeline="ecommerce_fraud", scorer=SPEC.to_json())

    def event(self, outcome: str, asked_again: int = 0) -> dict[str, Any]:
        return {"outcome": outcome, "sentence": "...", "flush_sequence": FLUSH, "asked_again": asked_again}

    def test_it_waits_deferred_for_the_flush(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        put_status(store, State.RUNNING, 3)
        arguments = deferred(lambda: task.work(attempt()))
        assert (arguments["wait"], arguments["flush_sequence"], arguments["deadline"]) == (
            "drained",
            FLUSH,
            None,
        )
        assert launched == []

    def test_a_drained_run_needs_no_wait_and_no_scorer(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        put_status(store, State.STOPPED, FLUSH + 1, scoring="numpy")
        found = task.work(attempt(number=2))
        assert found == {"flush_sequence": FLUSH, "started_again": 0, "scoring": "numpy"}
        assert launched == []

    def test_what_was_put_back_since_is_waited_for_and_cleared_by_hand_it_starts_a_scorer_for_it(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        put_status(store, State.STOPPED, FLUSH + 1)
        store.put_json(RUN.redriven, {"last_sequence": FLUSH + 3})
        stop.request(store, RUN.stream, "the run's own teardown")
        arguments = deferred(lambda: task.work(attempt(number=2)))
        assert arguments["flush_sequence"] == FLUSH + 3
        assert launched == [SPEC]

    def test_a_scorer_that_is_gone_is_started_again(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        arguments = deferred(lambda: task.after(attempt(), self.event("lost")))
        assert arguments["asked_again"] == 1
        assert launched == [SPEC]

    def test_but_not_for_ever(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        put_status(store, State.RESTARTING, error="out of memory")
        with pytest.raises(StreamweirError, match="out of memory"):
            task.after(attempt(), self.event("lost", asked_again=3))
        assert launched == []

    def test_the_drivers_last_error_fails_the_task(self, task: AwaitDrained, store: MemoryStore) -> None:
        put_status(store, State.FAILED, 3, error="the model is broken", exit_code=3)
        with pytest.raises(ModelUnusable, match="the model is broken"):
            task.after(attempt(), self.event("failed"))

    def test_cleared_by_hand_it_starts_a_failed_scorer(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        put_status(store, State.FAILED, 3, error="the disk was full")
        deferred(lambda: task.work(attempt(number=2)))
        assert launched == [SPEC]

    def test_the_first_try_after_a_clear_starts_a_scorer_that_was_stopped_on_request(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        put_status(store, State.STOPPED, 3)
        stop.request(store, RUN.stream, "a person, or the run's own teardown")
        deferred(lambda: task.work(attempt(cleared=True)))
        assert launched == [SPEC]

    def test_in_a_run_that_nobody_cleared_a_stop_on_request_stands(
        self, task: AwaitDrained, store: MemoryStore, launched: list[ScorerSpec]
    ) -> None:
        put_status(store, State.STOPPED, 3)
        stop.request(store, RUN.stream, "a person")
        deferred(lambda: task.work(attempt()))
        assert launched == []

    def test_a_missing_manifest_names_the_task_to_clear(self, store: MemoryStore) -> None:
        task = AwaitDrained(task_id="await_drained", pipeline="ecommerce_fraud", scorer={})
        with pytest.raises(RunFailed, match="clear the task replay"):
            task.work(attempt())


class TestStopScorer:
    @pytest.fixture
    def task(self) -> StopScorer:
        return StopScorer(task_id="stop_scorer", pipeline="ecommerce_fraud")

    def test_it_asks_and_waits_deferred(self, task: StopScorer, store: MemoryStore) -> None:
        put_status(store, State.RUNNING, scorer=stream_id_of(RUN.id))
        arguments = deferred(lambda: task.work(attempt()))
        assert arguments["wait"] == "stopped"
        assert "manual__1" in store.get_json(RUN.stream.stop_marker)["why"]

    def test_a_scorer_that_is_to_be_kept_is_left_alone(self, task: StopScorer, store: MemoryStore) -> None:
        put_status(store, State.RUNNING)
        assert task.work(attempt(keep_scorer=True)) == {"kept": True}
        assert not store.exists(RUN.stream.stop_marker)

    def test_a_scorer_that_another_run_started_is_left_alone(
        self, task: StopScorer, store: MemoryStore
    ) -> None:
        put_status(store, State.RUNNING, scorer="the-run-before")
        assert task.work(attempt()) == {"kept": True}
        assert not store.exists(RUN.stream.stop_marker)

    def test_asked_for_by_name_a_stream_is_stopped_whoever_started_its_scorer(
        self, store: MemoryStore
    ) -> None:
        put_status(store, State.RUNNING, scorer="the-run-before")
        task = StopStream(task_id="stop_scorer", pipeline="ecommerce_fraud")
        assert deferred(lambda: task.work(attempt()))["wait"] == "stopped"
        assert store.exists(RUN.stream.stop_marker)

    def test_asked_for_by_name_all_stages_of_a_stream_are_asked_at_once_and_waited_for(
        self, store: MemoryStore
    ) -> None:
        task = StopStream(task_id="stop_scorer", pipeline="ticks")
        with declared():
            stream = Stream("ticks", "s")
            stages = [stream.of_stage(stage.name) for stage in pipeline("ticks").stages]
            asked = replace(attempt(), pipeline=pipeline("ticks"), run=Run(stream, RUN.id))
        assert len(stages) > 1
        for stage in stages:
            put_status(store, State.RUNNING, scorer="whoever")
            store.objects[str(stage.status)] = store.objects.pop(str(RUN.stream.status))
        assert deferred(lambda: task.work(asked))["stage"] == stages[0].stage
        assert all(store.exists(stage.stop_marker) for stage in stages)
        ready = {"outcome": "ready", "sentence": ""}
        for stage, following in pairwise(stages):
            waits = deferred(lambda event=ready | {"stage": stage.stage}: task.after(asked, event))
            assert (waits["wait"], waits["stage"]) == ("stopped", following.stage)
        assert task.after(asked, ready | {"stage": stages[-1].stage}) == {"stopped": True}
        late = {"outcome": "given_up", "sentence": "not stopped by noon", "stage": stages[0].stage}
        with pytest.raises(StreamweirError, match="not stopped by noon"):
            task.after(asked, late)

    def test_no_scorer_is_no_error_and_leaves_no_marker_behind(
        self, task: StopScorer, store: MemoryStore
    ) -> None:
        assert task.work(attempt()) == {"stopped": False}
        assert not store.exists(RUN.stream.stop_marker)

    def test_a_scorer_without_a_word_for_long_is_asked_too_it_may_only_be_slow(
        self, task: StopScorer, store: MemoryStore
    ) -> None:
        put_status(store, State.STARTING, scorer=stream_id_of(RUN.id))
        found = store.get_json(RUN.stream.status)
        store.put_json(RUN.stream.status, found | {"updated_at": "2026-01-01T00:00:00.000+00:00"})
        assert deferred(lambda: task.work(attempt()))["wait"] == "stopped"
        assert store.exists(RUN.stream.stop_marker)

    def test_a_scorer_that_does_not_stop_fails_the_task(self, task: StopScorer, store: MemoryStore) -> None:
        put_status(store, State.STOPPING)
        with pytest.raises(StreamweirError, match="not stopped by"):
            task.after(attempt(), {"outcome": "given_up", "sentence": "the scorer was not stopped by noon"})


class TestPublishReport:
    @pytest.fixture
    def task(self) -> PublishReport:
        return PublishReport(task_id="publish_report", pipeline="ecommerce_fraud")

    def test_a_record_of_an_earlier_try_is_forgotten_when_the_task_did_not_run_this_time(
        self, task: PublishReport, store: MemoryStore
    ) -> None:
        for name in ("replay", "reconcile"):
            attempt(name).record("success", result={})
        states = {"replay": "success", "reconcile": "upstream_failed", "publish_report": "running"}
        with pytest.raises(RunFailed):
            task.work(attempt("publish_report", states=states))
        assert store.exists(RUN.task("replay"))
        assert not store.exists(RUN.task("reconcile"))
        assert store.exists(RUN.report)

    def test_an_old_failure_is_not_the_cause_of_a_new_one(
        self, task: PublishReport, store: MemoryStore
    ) -> None:
        attempt("validate").record("failed", error="an expectation failed")
        attempt("start_scorer").record("failed", error="Kafka was away")
        states = {"start_scorer": "failed", "validate": "upstream_failed"}
        with pytest.raises(RunFailed, match="start_scorer: Kafka was away"):
            task.work(attempt("publish_report", states=states))
        assert not store.exists(RUN.task("validate"))

    def test_what_was_skipped_was_not_done(self, task: PublishReport, store: MemoryStore) -> None:
        for name in ("replay", "plot"):
            attempt(name).record("success", result={})
        states: dict[str, str | None] = {"replay": "success", "plot": "skipped"}
        with pytest.raises(RunFailed, match="plot: it did not run, because the run was ended before"):
            task.work(attempt("publish_report", states=states))
        assert store.get_json(RUN.summary)["outcome"] == "failed"
        assert b"the run was ended before" in (store.get(RUN.report) or b"")

    def test_a_run_that_was_ended_is_failed_by_what_it_was_at(
        self, task: PublishReport, store: MemoryStore
    ) -> None:
        states: dict[str, str | None] = {"await_drained": "skipped", "replay": "failed"}
        with pytest.raises(RunFailed, match="the run failed, replay: it was ended from outside"):
            task.work(attempt("publish_report", states=states))

    def test_a_task_that_failed_without_a_word_fails_the_report_too(
        self, task: PublishReport, store: MemoryStore
    ) -> None:
        attempt("plot_live").record("success", result={})
        with pytest.raises(RunFailed, match="plot_live: it was ended from outside"):
            task.work(attempt("publish_report", states={"plot_live": "failed"}))
        summary = store.get_json(RUN.summary)
        assert summary["outcome"] == "failed"

    def test_a_run_with_a_warning_succeeds_and_its_log_says_what_to_look_at(
        self,
        task: PublishReport,
        store: MemoryStore,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        warned = Verdict((), ("5 of 20 rows were rejected",))
        monkeypatch.setattr("streamweir.reporting.publish", lambda run, store: warned)
        monkeypatch.setattr(type(task), "log", logging.getLogger("test"))
        result = task.work(attempt("publish_report", states={"replay": "success"}))
        assert result == {"report": str(RUN.report), "outcome": "warning", "rows": {}}
        assert ("WARNING", "5 of 20 rows were rejected") in [
            (line.levelname, line.getMessage()) for line in caplog.records
        ]

    def test_a_run_that_cannot_be_compared_as_asked_has_failed_and_is_published(
        self, task: PublishReport, store: MemoryStore
    ) -> None:
        with pytest.raises(RunFailed):
            task.work(attempt("publish_report", states={"replay": "success"}, compare_with="gone"))
        assert not store.exists(RUN.comparison), "nothing was reconciled that could be compared"
        made_up = MadeUpRun(batches=24)
        store.objects |= made_up.store.objects
        store.put_json(RUN.ledger, reconcile_made_up(made_up).to_dict())
        store.put_json(RUN.quality_results, [])
        with pytest.raises(RunFailed, match="to be compared with gone, which could not be done: there is no"):
            task.work(attempt("publish_report", states={"replay": "success"}, compare_with="gone"))
        assert b"there is no run gone" in (store.get(RUN.report) or b"")
        assert "no run gone" in store.get_json(RUN.comparison)["problem"]

    def test_the_first_cause_is_in_the_message(self, task: PublishReport, store: MemoryStore) -> None:
        attempt("replay").record("failed", error="Kafka was away")
        with pytest.raises(RunFailed, match="replay: Kafka was away"):
            task.work(attempt("publish_report", states={"replay": "failed"}))

    def test_a_run_whose_tasks_all_ran_is_still_failed_by_its_verdict(
        self, task: PublishReport, store: MemoryStore
    ) -> None:
        with pytest.raises(RunFailed, match="not reconciled"):
            task.work(attempt("publish_report", states={"replay": "success"}))


def test_a_run_has_200_000_rows_scored_again_unless_the_setting_says_otherwise() -> None:
    assert [rows_again({}), rows_again({MODEL_AGAIN_ROWS: ""}), rows_again({MODEL_AGAIN_ROWS: "500"})] == [
        200_000
    ] * 2 + [500]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e3"])
def test_a_setting_that_is_no_number_of_rows_is_named(text: str) -> None:
    with pytest.raises(
        BadConfiguration, match=f"{MODEL_AGAIN_ROWS} is '{text}': give a whole number of rows"
    ):
        rows_again({MODEL_AGAIN_ROWS: text})
