"""Stopping a stream's scorer on its page: who may, from where, and what is left for the scorer."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from streamweir.contracts.streams import Stream
from streamweir.errors import DependencyUnreachable
from streamweir.overview import pace
from streamweir.overview.pace import Newest
from streamweir.scorer import stop
from streamweir.scorer.status import State, Status, timestamp, write
from tests.support.memory_store import MemoryStore

DAG, DENIED = "card_fraud", "clickstream_anomaly"
PROD = Stream(DAG, "prod")
STOP = f"/streamweir/dags/{DAG}/streams/prod/stop"
OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def store(store: MemoryStore) -> MemoryStore:
    for stream, state in ((PROD, State.RUNNING), (Stream(DENIED, "prod"), State.RUNNING)):
        write(store, stream, Status(str(stream), "s", "holder-1", state, *[timestamp()] * 3))  # type: ignore[arg-type]
    return store


@pytest.fixture
def op(stranger: TestClient, manager: Any) -> Iterator[TestClient]:
    """Somebody who may change runs; not a viewer."""
    stranger.cookies.set("_token", token(manager, "op"))
    return stranger


def token(manager: Any, role: str) -> str:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    made: str = manager.generate_jwt(SimpleAuthManagerUser(username=role, role=role))
    return made


def asked(store: MemoryStore, stream: Stream = PROD) -> bool:
    return stop.requested(store, stream, "holder-1")  # type: ignore[arg-type]


def test_a_scorer_is_asked_to_stop_by_the_form_of_the_page(op: TestClient, store: MemoryStore) -> None:
    page = op.get(STOP)
    assert f'<form method="post" action="{STOP}">' in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert not asked(store), "a question changes nothing"
    answer = op.post(STOP, headers=OWN, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/streamweir/streams")
    assert asked(store)
    assert store.get_json(PROD.stop_marker)["why"] == "op, on the page of the streams"


def test_a_scorer_is_asked_to_work_first_on_what_is_sent_by_now(
    op: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamweir_airflow.hooks.KafkaHook.connection", None)
    monkeypatch.setattr(pace, "newest_message", lambda *_: Newest(41, 1_767_300_039, 0))
    assert f'<form method="post" action="{STOP}?drained=true">' in op.get(STOP).text
    answer = op.post(f"{STOP}?drained=true", headers=OWN, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/streamweir/streams")
    for next_sequence, expected in ((0, False), (41, False), (42, True)):
        status = Status(
            str(PROD), "s", "holder-1", State.RUNNING, *[timestamp()] * 3, next_sequence=next_sequence
        )
        write(store, PROD, status)  # type: ignore[arg-type]
        assert asked(store) is expected


def test_a_kafka_that_is_away_stops_nothing(
    op: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DependencyUnreachable("Kafka does not answer")

    monkeypatch.setattr("streamweir_airflow.hooks.KafkaHook.connection", None)
    monkeypatch.setattr(pace, "newest_message", away)
    assert op.post(f"{STOP}?drained=true", headers=OWN).status_code == 503
    assert not asked(store)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"authorization": "Basic eA=="},
    ],
)
def test_another_sites_page_cannot_ask_with_the_users_cookie(
    op: TestClient, store: MemoryStore, headers: dict[str, str]
) -> None:
    assert op.post(STOP, headers=headers).status_code == 403
    assert not asked(store)


def test_a_browser_that_names_only_the_origin_is_understood(op: TestClient, store: MemoryStore) -> None:
    assert op.post(STOP, headers={"origin": "http://testserver"}, follow_redirects=False).status_code == 303
    assert asked(store)


def test_a_program_asks_with_its_token(stranger: TestClient, manager: Any, store: MemoryStore) -> None:
    bearer = {"authorization": f"Bearer {token(manager, 'op')}"}
    assert stranger.post(STOP, headers=bearer, follow_redirects=False).status_code == 303
    assert asked(store)


def test_a_token_that_is_none_does_not_make_a_cookie_good(op: TestClient, store: MemoryStore) -> None:
    assert op.post(STOP, headers={"authorization": "Bearer x"}).status_code in (401, 403)
    assert not asked(store)


def test_who_may_only_look_stops_nothing_and_sees_no_way_to(client: TestClient, store: MemoryStore) -> None:
    assert client.get(STOP).status_code == 403
    assert client.post(STOP, headers=OWN).status_code == 403
    assert not asked(store)
    assert STOP not in client.get("/streamweir/streams").text


def test_who_may_sees_the_way_at_scorers_that_can_be_asked(op: TestClient, store: MemoryStore) -> None:
    past = Stream(DAG, "past")
    write(store, past, Status(str(past), "s", "h", State.STOPPED, *[timestamp()] * 3))  # type: ignore[arg-type]
    text = op.get("/streamweir/streams").text
    assert f'href="{STOP}"' in text
    assert "/streams/past/stop" not in text


@pytest.mark.parametrize(
    ("there", "code"),
    [
        (f"{DENIED}/streams/prod", 403),
        # Another right than the pipeline's own.
        (f"{DAG}_train/streams/prod", 404),
        (f"{DAG}/streams/never", 409),
        ("nothing/streams/prod", 404),
    ],
)
def test_nothing_else_is_stopped(op: TestClient, store: MemoryStore, there: str, code: int) -> None:
    for method in ("GET", "POST"):
        assert op.request(method, f"/streamweir/dags/{there}/stop", headers=OWN).status_code == code
    assert not asked(store)
    assert not asked(store, Stream(DENIED, "prod"))
