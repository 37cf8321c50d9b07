"""The page of the streams: whose it shows, what it says of each, and that it asks for no more than that."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.errors import DependencyUnreachable
from streamweir.overview import pace
from streamweir.overview.pace import Lag, Latency
from streamweir.scorer.status import State, Status, write
from tests.support.memory_store import MemoryStore

DAG, DENIED = "card_fraud", "clickstream_anomaly"
PAGE, NOW = "/streamweir/streams", "/streamweir/streams/now"
PROD = Stream(DAG, "prod")
SCRIPT = "<script>alert(1)</script>"


def put_status(store: MemoryStore, stream: Stream, state: State, *, ago_s: float = 1, **more: Any) -> None:
    at = [(datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat()] * 3
    write(store, stream, Status(str(stream), "s", "h", state, *at, **more))  # type: ignore[arg-type]


@pytest.fixture
def closely(monkeypatch: pytest.MonkeyPatch) -> list[Stream]:
    """Which scorers were looked at more closely; without Kafka."""
    looked: list[Stream] = []

    def newest_message(_: object, stage: Stream) -> None:
        looked.append(stage)

    monkeypatch.setattr("streamweir_airflow.hooks.KafkaHook.connection", None)
    monkeypatch.setattr(pace, "newest_message", newest_message)
    monkeypatch.setattr(pace, "lag", lambda *_: Lag(1_234, 5.5))
    monkeypatch.setattr(pace, "latency", lambda *_: Latency(0.25, 1.75, 0))
    return looked


def test_what_a_scorer_says_of_itself_is_shown(
    client: TestClient, store: MemoryStore, closely: list[Stream]
) -> None:
    more = {"model_version": "m-1", "restarts": 3, "batch_id": 41, "rows": 900, "state_memory_bytes": 2**21}
    put_status(store, PROD, State.RUNNING, input_rows_per_second=812.4, **more)
    first = client.get(PAGE)
    for said in ("card_fraud.prod", "working", "812", "m-1", "micro-batch 41", "2.0 MiB"):
        assert said in first.text, said
    assert closely == [], "Kafka is not asked before the page is there"
    told = client.get(NOW).json()
    assert "1,234 messages<br> 5.50 s" in told["html"]
    assert ("0.25 s" in told["html"], "1.75 s" in told["html"], told["again_s"]) == (True, True, 5)
    assert closely == [PROD]


def test_only_scorers_at_work_are_looked_at_closely(
    client: TestClient, store: MemoryStore, closely: list[Stream]
) -> None:
    put_status(store, Stream(DAG, "past"), State.STOPPED)
    put_status(store, Stream(DAG, "dead"), State.FAILED, error=f"no room {SCRIPT}")
    put_status(store, Stream(DAG, "quiet"), State.RUNNING, ago_s=60)
    store.put_json(Stream(DAG, "new").origin, {})
    html = client.get(NOW).json()["html"]
    for word in ("stopped", "failed", "silent", "never started", "said running and nothing since"):
        assert word in html, word
    assert "no room &lt;script&gt;" in html
    assert SCRIPT not in html
    assert closely == []


def test_streams_of_a_dag_that_is_denied_are_not_shown(
    client: TestClient, store: MemoryStore, closely: list[Stream]
) -> None:
    put_status(store, PROD, State.STOPPED)
    put_status(store, Stream(DENIED, "secret"), State.RUNNING)
    for text in (client.get(PAGE).text, client.get(NOW).json()["html"]):
        assert "card_fraud.prod" in text
        assert DENIED not in text
    assert closely == []


def test_a_page_reads_the_streams_that_it_shows_and_no_others(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_status(store, PROD, State.STOPPED)
    for minute in range(40):
        run = f"manual__2026-11-30T13:{minute:02}:00+00:00"
        put_status(store, Stream(DAG, stream_id_of(run)), State.STOPPED)
    reads: list[str] = []
    get = store.get
    monkeypatch.setattr(store, "get", lambda key, **more: (reads.append(str(key)), get(key, **more))[1])
    first = client.get(PAGE).text
    assert len(reads) == 25
    assert "card_fraud.prod" in first
    assert "13-39-00" in first
    assert "13-15-00" not in first, "the newest come first"
    assert f'<a href="{PAGE}?number=2">2</a>' in first
    second = client.get(PAGE, params={"number": 2}).text
    assert "13-00-00" in second
    assert "card_fraud.prod" not in second
    assert client.get(PAGE, params={"number": 0}).status_code == 422


def test_a_kafka_that_is_away_is_said_and_hides_nothing(
    client: TestClient, store: MemoryStore, closely: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DependencyUnreachable("Kafka does not answer")

    monkeypatch.setattr(pace, "newest_message", away)
    put_status(store, PROD, State.RUNNING)
    html = client.get(NOW).json()["html"]
    assert "Kafka does not answer" in html
    assert "working" in html


def test_a_stream_leads_to_its_newest_run(client: TestClient, store: MemoryStore) -> None:
    there = f"/streamweir/dags/{DAG}/streams/prod"
    store.put_json(PROD.newest_run, {"run": "a+b"})
    answer = client.get(there, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, f"/streamweir/dags/{DAG}/runs/a%2Bb")
    store.delete(PROD.newest_run)
    assert client.get(there, follow_redirects=False).headers["location"] == f"/streamweir/dags/{DAG}"


def test_only_the_pages_own_script_is_in_force(client: TestClient) -> None:
    answer = client.get(PAGE)
    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    (script,) = [rule for rule in policy if rule.startswith("script-src")]
    assert script.startswith("script-src 'sha256-")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_all_addresses_are_below_airflows_own_path(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamweir_airflow.plugin import StreamweirPlugin

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/team")
    put_status(store, PROD, State.STOPPED)
    text = client.get(PAGE).text
    assert 'data-from="/team/streamweir/streams/now"' in text
    assert 'href="/team/streamweir/dags/card_fraud/streams/prod"' in text
    assert 'href="/streamweir' not in text
    views = {view["destination"]: view["href"] for view in StreamweirPlugin().external_views}
    assert views == {
        "nav": "streamweir/streams",
        "dag": "streamweir/dags/{DAG_ID}",
        "dag_run": "streamweir/dags/{DAG_ID}/runs/{RUN_ID}",
    }


def test_a_browser_is_told_in_a_page_what_is_wrong(client: TestClient) -> None:
    answer = client.get("/streamweir/dags/clean_airflow", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "<p>clean_airflow replays nothing and trains nothing</p>" in answer.text
