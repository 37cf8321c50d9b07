"""What is told of scorers that are looked at: words, order, lag and latency."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from streamweir.arrow import schema_of
from streamweir.broker.records import Record, TopicEnd
from streamweir.commits import Commit
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.streams import Stream
from streamweir.overview import pace
from streamweir.overview.pace import Lag, Latency, Newest
from streamweir.overview.streams import look, newest_streams
from streamweir.scorer.status import State, Status, write
from tests.support.made_up_tables import parquet
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "prod")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp() * 1e6)


def status(state: State = State.RUNNING, *, ago_s: float = 0, **more: object) -> Status:
    at = [(datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat()] * 3
    return Status(str(STREAM), "s", "h", state, *at, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "ago_s", "word"),
    [
        (State.RUNNING, 5, "working"),
        (State.RUNNING, 25, "silent"),
        (State.STOPPING, 25, "silent"),
        (State.STARTING, 100, "working"),
        (State.RESTARTING, 130, "silent"),
        (State.STOPPED, 9_999, "stopped"),
        (State.FAILED, 9_999, "failed"),
    ],
)
def test_one_look_tells_how_a_scorer_is_by_the_age_of_its_word(state: State, ago_s: int, word: str) -> None:
    store = MemoryStore()
    write(store, STREAM, status(state, ago_s=ago_s))  # type: ignore[arg-type]
    (seen,) = look(store, [STREAM])  # type: ignore[arg-type]
    assert (seen.word, seen.works) == (word, word == "working")


def test_named_streams_come_before_those_of_runs_and_of_these_the_newest_first() -> None:
    store = MemoryStore()
    for name in ("manual-2026-01-02t00-00-00-a", "manual-2026-01-03t00-00-00-b", "prod"):
        store.put(Stream("ecommerce_fraud", name).status, b"")
    store.put(Stream("card_fraud", "scheduled-2026-01-02t12-00-00-c").status, b"")
    found = newest_streams(store, ["card_fraud", "ecommerce_fraud"])  # type: ignore[arg-type]
    assert [stream.id[-3:] for stream in found] == ["rod", "0-b", "0-c", "0-a"]


def put_micro_batch(
    store: MemoryStore, batch_id: int, appended_s: list[float], topic: str = "transactions"
) -> None:
    """A micro-batch committed at noon; appended_s: how long before that each message was appended."""
    rows = [
        {
            "run": "r",
            "batch_index": place,
            "sequence": place,
            "topic": topic,
            "rows": 1,
            "appended_at": NOON - timedelta(seconds=seconds),
        }
        for place, seconds in enumerate(appended_s)
    ]
    store.put_json(STREAM.commit(batch_id), Commit(batch_id, committed_at=NOON_US).to_json())
    store.put(
        STREAM.table_file(WORKED.name, batch_id), parquet(pa.Table.from_pylist(rows, schema_of(WORKED)))
    )


def test_latency_is_that_of_the_newest_micro_batches() -> None:
    store = MemoryStore()
    put_micro_batch(store, 1, [500.0] * 9)
    for batch_id in range(3, 8):
        put_micro_batch(store, batch_id, [1.0, 2.0, 3.0])
    put_micro_batch(store, 8, [400.0], topic="browsing")
    found = pace.latency(store, STREAM, status(batch_id=7))  # type: ignore[arg-type]
    assert found == Latency(2.0, 3.0, NOON_US // 1000 - 1_000)
    assert pace.latency(store, STREAM, status(batch_id=None)) is None  # type: ignore[arg-type]
    assert pace.latency(store, STREAM, status(batch_id=99)) is None  # type: ignore[arg-type]
    newest = pace.latency(store, STREAM, status(batch_id=8))  # type: ignore[arg-type]
    assert newest == Latency(2.0, 3.0, NOON_US // 1000 - 1_000), "messages of the leading input only"


def test_lag_is_what_was_sent_and_not_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def end(_: object, topic: str) -> TopicEnd:
        asked.append(topic)
        heads = {number: Headers("r", 0, number, 1, Kind.BATCH, 1).encode() for number in (41, 40)}
        records = {
            place: Record(topic, place, 9, NOON_US // 1000 + number, head, b"")
            for place, (number, head) in enumerate(heads.items())
        }
        return TopicEnd({0: 10, 1: 10}, records)

    monkeypatch.setattr(pace, "topic_end", end)
    known = Latency(1, 1, NOON_US // 1000 - 2_459)
    newest = pace.newest_message(None, STREAM)  # type: ignore[arg-type]
    assert newest == Newest(41, 1, NOON_US // 1000 + 41)
    assert asked == ["ecommerce_fraud.prod.transactions"]
    assert pace.lag(newest, status(next_sequence=40), known) == Lag(2, 2.5)
    assert pace.lag(newest, status(next_sequence=40), None) == Lag(2, None)
    assert pace.lag(newest, status(next_sequence=42), known) == Lag(0, 0.0)
    assert pace.lag(None, status(), None) == Lag(0, 0.0)
