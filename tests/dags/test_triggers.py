"""The trigger: what it serialises, and what ends its wait."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace

import pytest

from streamweir.contracts.streams import Stream
from streamweir.errors import DependencyUnreachable
from streamweir.scorer.health import Health
from streamweir.scorer.status import State, Status, timestamp, to_bytes
from streamweir_airflow import triggers
from streamweir_airflow.triggers import ScorerTrigger
from streamweir_airflow.waiting import Seen
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "s")


def status(state: State = State.RUNNING, next_sequence: int = 0) -> Status:
    now = timestamp()
    return Status(
        stream=str(STREAM),
        scorer="a",
        holder="a-1",
        state=state,
        started_at=now,
        updated_at=now,
        progressed_at=now,
        next_sequence=next_sequence,
    )


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    store = MemoryStore()

    async def astore(hook: object) -> MemoryStore:
        return store

    monkeypatch.setattr("streamweir_airflow.hooks.StoreHook.astore", astore)
    monkeypatch.setattr(triggers, "_LOOK_EVERY_S", 0)
    return store


def event(trigger: ScorerTrigger) -> dict[str, object]:
    async def first() -> dict[str, object]:
        return (await anext(trigger.run())).payload

    return asyncio.run(asyncio.wait_for(first(), timeout=20))


def drain(**arguments: object) -> ScorerTrigger:
    return ScorerTrigger(
        wait="drained", pipeline="ecommerce_fraud", stream="s", flush_sequence=40, **arguments
    )


def test_a_trigger_survives_airflows_database_without_a_secret() -> None:
    trigger = drain(stage="db", asked_again=2, deadline="2026-01-01T00:00:00+00:00", outage_s=300)
    path, arguments = trigger.serialize()
    assert path == "streamweir_airflow.triggers.ScorerTrigger"
    assert ScorerTrigger(**arguments).serialize() == (path, arguments)
    assert arguments == {
        "wait": "drained",
        "pipeline": "ecommerce_fraud",
        "stream": "s",
        "stage": "db",
        "flush_sequence": 40,
        "asked_again": 2,
        "deadline": "2026-01-01T00:00:00+00:00",
        "outage_s": 300,
        "conn_id": "minio_default",
    }


def test_the_event_of_a_stage_names_it(store: MemoryStore) -> None:
    stopped = ScorerTrigger(wait="stopped", pipeline="ecommerce_fraud", stream="s", stage="db")
    assert (event(stopped)["stage"], event(stopped)["outcome"]) == ("db", "ready")


def test_it_says_what_it_waits_for_only_when_that_has_changed(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = replace(status(next_sequence=9), batch_id=2)
    looks = [status(), status(), status(), second, second, status(next_sequence=41)]
    said: list[str] = []
    log = SimpleNamespace(info=lambda text, *words: said.append(text % words))
    monkeypatch.setattr(ScorerTrigger, "log", log)
    monkeypatch.setattr(triggers, "_SAY_EVERY", 1)
    monkeypatch.setattr(triggers, "look", lambda *_: Seen(looks.pop(0), Health.HEALTHY, stop_requested=False))
    assert event(drain())["outcome"] == "ready"
    assert said[:2] == [
        "waiting until drained: scorer running, no micro-batch yet",
        "waiting until drained: scorer running, micro-batch 2, next sequence 9, 0 rows/s",
    ]
    assert len(said) == 3


def test_the_event_carries_all_that_the_resuming_task_needs(store: MemoryStore) -> None:
    store.put(STREAM.status, to_bytes(status(next_sequence=41)))
    assert event(drain(asked_again=1)) == {
        "outcome": "ready",
        "sentence": "",
        "flush_sequence": 40,
        "asked_again": 1,
    }


def test_it_waits_while_the_scorer_works(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = iter([0, 20, 40, 41])

    def get(key: object) -> bytes | None:
        return to_bytes(status(next_sequence=next(sequences))) if key == STREAM.status else None

    monkeypatch.setattr(store, "get", get)
    assert event(drain())["outcome"] == "ready"
    assert next(sequences, None) is None


def test_an_object_store_that_is_away_for_a_moment_ends_no_wait(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([DependencyUnreachable("away"), to_bytes(status(next_sequence=41))])

    def get(key: object) -> bytes | None:
        if key != STREAM.status:
            return None
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(store, "get", get)
    assert event(drain())["outcome"] == "ready"


def test_an_object_store_that_stays_away_ends_the_wait(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(key: object) -> bytes:
        raise DependencyUnreachable("the store is away")

    monkeypatch.setattr(store, "get", get)
    ended = event(drain(outage_s=0))
    assert (ended["outcome"], ended["sentence"]) == ("given_up", "the store is away")


def test_a_named_streams_wait_bears_an_outage_for_as_long_as_it_lasts(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = iter(range(50))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 1, 1, tzinfo=tz) + timedelta(hours=next(passing))

    def get(key: object) -> bytes | None:
        if next(passing) < 40:
            raise DependencyUnreachable("the store is away")
        return to_bytes(status(next_sequence=41)) if key == STREAM.status else None

    monkeypatch.setattr(triggers, "datetime", Clock)
    monkeypatch.setattr(store, "get", get)
    assert event(drain(outage_s=None))["outcome"] == "ready"


def test_a_deadline_ends_the_wait_also_while_the_store_is_away(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(key: object) -> bytes:
        raise DependencyUnreachable("the store is away")

    monkeypatch.setattr(store, "get", get)
    deadline = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    assert event(drain(deadline=deadline))["outcome"] == "given_up"


def test_a_deadline_ends_the_wait(store: MemoryStore) -> None:
    store.put(STREAM.status, to_bytes(status(State.STARTING)))
    deadline = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    ended = event(ScorerTrigger(wait="started", pipeline="ecommerce_fraud", stream="s", deadline=deadline))
    assert ended["outcome"] == "given_up"
    assert "not started by" in str(ended["sentence"])
