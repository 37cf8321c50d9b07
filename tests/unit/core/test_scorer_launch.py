"""Starting a scorer: once, whoever asks; with an environment that holds nothing of others."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from streamweir.connections import DatabaseConnection, KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, Retryable
from streamweir.objectstore import ObjectStore
from streamweir.scorer import health, launch, stop
from streamweir.scorer import status as statuses
from streamweir.scorer.launch import Attached, Started, environment, start
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.scorer.status import State, Status, timestamp
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "prod")
SPEC = ScorerSpec(STREAM, "run-1", "d" * 64, "m1", "Australia/Melbourne", 600, 60)
SERVERS = Servers(
    KafkaConnection("broker:9092", {"sasl_plain_password": "kafka-secret"}),
    StoreConnection("store:9000", "scorer", "store-secret"),
    SparkConnection("local[4]"),
)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The holders of the keepers that would have been started."""
    holders: list[str] = []

    def pretend(spec: ScorerSpec, servers: Servers, holder: str, work: Path) -> Path:
        holders.append(holder)
        return work / "scorer.log"

    monkeypatch.setattr(launch, "_launch", pretend)
    return holders


class Passing:
    """Time that passes only between two looks at a status, which a living scorer has rewritten then."""

    def __init__(self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.lives = 0.0, True
        self._store = store
        monkeypatch.setattr(health, "_pause", self._pass)
        monkeypatch.setattr(health, "_clock", lambda: self.now)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        if self.lives:
            set_status(self._store, age=-self.now)


@pytest.fixture
def store() -> ObjectStore:
    return cast(ObjectStore, MemoryStore())


@pytest.fixture(autouse=True)
def passing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Passing:
    return Passing(store, monkeypatch)


def begin(store: ObjectStore, spec: ScorerSpec = SPEC) -> Started | Attached:
    return start(spec, SERVERS, store, Path("work"))


def set_status(store: ObjectStore, *, age: float = 0, **changes: Any) -> None:
    found = statuses.read(store, STREAM)
    assert found is not None
    at = timestamp(datetime.now(UTC) - timedelta(seconds=age))
    statuses.write(store, STREAM, replace(found, updated_at=at, progressed_at=at, **changes))


def test_asking_twice_starts_one_scorer(store: ObjectStore, launched: list[str]) -> None:
    assert isinstance(begin(store), Started)
    again = begin(store)
    assert isinstance(again, Attached)
    assert (again.status.state, len(launched)) == (State.STARTING, 1)


def test_another_run_attaches_to_a_running_scorer(store: ObjectStore, launched: list[str]) -> None:
    begin(store)
    set_status(store, state=State.RUNNING)
    assert isinstance(begin(store, replace(SPEC, scorer="run-2")), Attached)
    assert len(launched) == 1


@pytest.mark.parametrize(
    ("state", "lives"),
    [(State.STOPPED, True), (State.FAILED, True), (State.RUNNING, False), (State.STARTING, False)],
)
def test_a_scorer_that_has_ended_or_fallen_silent_is_started_again(
    store: ObjectStore, launched: list[str], passing: Passing, state: State, *, lives: bool
) -> None:
    begin(store)
    set_status(store, state=state)
    passing.lives = lives
    assert isinstance(begin(store), Started)
    assert len(set(launched)) == 2


def test_a_caller_who_is_overtaken_attaches(
    store: ObjectStore, launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = launch._claim

    def overtaken(*arguments: Any) -> bool:
        monkeypatch.setattr(launch, "_claim", claim)
        begin(store, replace(SPEC, scorer="faster"))
        return claim(*arguments)

    monkeypatch.setattr(launch, "_claim", overtaken)
    result = begin(store)
    assert isinstance(result, Attached)
    assert (result.status.scorer, len(launched)) == ("faster", 1)


def test_a_scorer_whose_keeper_cannot_be_started_does_not_hold_its_stream(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_folder = tmp_path / "work"
    no_folder.touch()
    with pytest.raises(Retryable, match=r"prod: its keeper cannot be started: .*work"):
        start(SPEC, SERVERS, store, no_folder)
    found = statuses.read(store, STREAM)
    assert found is not None
    assert (found.state, found.exit_code) == (State.FAILED, 1)
    monkeypatch.setattr(launch, "_launch", lambda *_: Path("scorer.log"))
    assert isinstance(begin(store), Started)


@pytest.mark.parametrize("stream", [STREAM, STREAM.of_stage("db")])
def test_the_keeper_and_all_that_it_starts_say_whose_scorer_they_are(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: Stream
) -> None:
    given: list[dict[str, str]] = []
    monkeypatch.setattr(launch.subprocess, "run", lambda *_, env, **__: given.append(env))
    start(replace(SPEC, stream=stream), SERVERS, store, tmp_path)
    assert [env["STREAMWEIR_STAGE"] for env in given] == [str(stream)]


@pytest.mark.parametrize(("name", "other"), [("model", "m2"), ("dataset", "e" * 64)])
def test_attaching_to_a_scorer_with_another_model_or_dataset_is_refused(
    store: ObjectStore, launched: list[str], name: str, other: str
) -> None:
    begin(store)
    set_status(store, state=State.RUNNING)
    with pytest.raises(BadConfiguration, match=f"runs with {name} .* not {other}.*stop it first"):
        begin(store, replace(SPEC, **{name: other}))
    assert len(launched) == 1


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"lateness_s": 0}, "lateness_s 600, not 0"),
        ({"time_zone": "UTC"}, "time_zone Australia/Melbourne, not UTC"),
        ({"options": {"lookback_s": 60}}, "lookback_s None, not 60"),
    ],
)
def test_attaching_to_a_scorer_that_counts_otherwise_is_refused(
    store: ObjectStore, launched: list[str], other: dict[str, Any], words: str
) -> None:
    begin(store)
    set_status(store, state=State.RUNNING)
    with pytest.raises(BadConfiguration, match=f"runs with {words}.*stop it first"):
        begin(store, replace(SPEC, **other))


def test_a_new_scorer_does_not_hear_an_old_request_to_stop(store: ObjectStore, launched: list[str]) -> None:
    begin(store)
    stop.request(store, STREAM, "the run before")
    set_status(store, state=State.STOPPED)
    begin(store)
    assert [stop.requested(store, STREAM, holder) for holder in launched] == [True, False]


def test_a_stop_asked_for_just_after_the_claim_is_not_lost(
    store: ObjectStore, launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = launch._claim

    def then_stop(*arguments: Any) -> bool:
        won = claim(*arguments)
        stop.request(store, STREAM, "somebody changed their mind")
        return won

    monkeypatch.setattr(launch, "_claim", then_stop)
    begin(store)
    assert stop.requested(store, STREAM, launched[0])


def test_a_start_waits_until_the_scorer_before_has_stopped(
    store: ObjectStore, launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(store)
    set_status(store, state=State.RUNNING)
    stop.request(store, STREAM, "the run before")
    looks: list[Status] = []

    def stopping(*arguments: Any) -> bool:
        looks.append(arguments[2])
        if len(looks) == 1:
            set_status(store, state=State.STOPPED)
        return len(looks) == 1

    monkeypatch.setattr(launch, "_stopping", stopping)
    monkeypatch.setattr(launch, "_LOOK_S", 0.0)
    assert isinstance(begin(store), Started)
    assert [look.state for look in looks] == [State.RUNNING]


def test_the_new_status_names_the_scorer_before_its_driver_can(
    store: ObjectStore, launched: list[str]
) -> None:
    started = begin(store)
    found = statuses.read(store, STREAM)
    assert isinstance(started, Started)
    assert found is not None
    assert (found.scorer, found.holder, found.state) == ("run-1", started.holder, State.STARTING)
    assert (found.dataset, found.model_version) == (SPEC.dataset, SPEC.model)


def test_a_spark_process_inherits_nothing_of_airflow_and_no_other_account() -> None:
    inherited = {
        "PATH": "/bin",
        "JAVA_HOME": "/java",
        "SSL_CERT_FILE": "/ca.pem",
        "AIRFLOW__CORE__FERNET_KEY": "k",
        "AIRFLOW_CONN_MINIO_DEFAULT": "c",
        "AWS_SECRET_ACCESS_KEY": "a",
        "STREAMWEIR_STACK": "/var",
        "STREAMWEIR_SPARK_JARS": "/jars",
        "STREAMWEIR_STORE_ACCESS_KEY": "tasks",
        "STREAMWEIR_STORE_SECRET_KEY": "tasks-secret",
    }
    made = environment(SERVERS, inherited)
    assert {name: made.get(name) for name in inherited} == {
        "PATH": "/bin",
        "JAVA_HOME": "/java",
        "SSL_CERT_FILE": "/ca.pem",
        "AIRFLOW__CORE__FERNET_KEY": None,
        "AIRFLOW_CONN_MINIO_DEFAULT": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "STREAMWEIR_STACK": "/var",
        "STREAMWEIR_SPARK_JARS": "/jars",
        "STREAMWEIR_STORE_ACCESS_KEY": "scorer",
        "STREAMWEIR_STORE_SECRET_KEY": "store-secret",
    }
    assert made["PYSPARK_PYTHON"] == sys.executable


def test_a_stage_that_writes_to_a_database_is_given_it_and_no_other_scorer_is_given_any() -> None:
    inherited = {"STREAMWEIR_DATABASE_URL": "postgresql://a-task"}
    assert "STREAMWEIR_DATABASE_URL" not in environment(SERVERS, inherited)
    own = DatabaseConnection("postgresql://role:hidden@host/events")
    given = environment(replace(SERVERS, database=own), inherited)
    assert DatabaseConnection.from_env(given) == own
    assert "hidden" not in repr(own)


def test_the_description_for_the_keeper_comes_back_as_it_was() -> None:
    assert ScorerSpec.from_json(SPEC.to_json()) == SPEC
    assert "secret" not in str(SPEC.to_json())
