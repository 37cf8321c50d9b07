"""What a driver tells of itself when Spark has nothing to tell."""

from dataclasses import replace
from queue import SimpleQueue
from threading import Semaphore
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamweir.commits import BEGINNING, Commit
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import DependencyUnreachable
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import State, Status, read
from streamweir_spark.watch import Listener, QueryReporter
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "s")
PROGRESS = {"numInputRows": 2, "stateOperators": [], "sources": [{"endOffset": "{}"}]}
SPEC = ScorerSpec(STREAM, "a", "d", "m", "UTC", lateness_s=60, max_messages=2_000)


class FakeSink:
    """A sink whose stream stands at a commit."""

    last = None

    def __init__(self, newest: Commit | None, error: Exception | None = None) -> None:
        self._newest, self._error = newest, error

    def newest(self, known: int | None) -> Commit | None:
        self.known = known
        if self._error:
            raise self._error
        return self._newest


def idle_status(sink: FakeSink, store: MemoryStore | None = None) -> Status:
    store = store or MemoryStore()
    reporter = QueryReporter(store, SPEC, "a-2")  # type: ignore[arg-type]
    reporter.show(state=State.STARTING)
    Listener(reporter, sink).onQueryIdle(None)  # type: ignore[arg-type]
    found = read(store, STREAM)  # type: ignore[arg-type]
    assert found is not None
    return found


def commit_at(sequence: int) -> Commit:
    return replace(BEGINNING, batch_id=7, next_sequence=sequence, max_ts=1_700_000_100)


def test_a_driver_that_finds_nothing_new_says_that_it_runs_and_where_the_stream_stands() -> None:
    found = idle_status(FakeSink(commit_at(41)))
    assert (found.state, found.batch_id, found.next_sequence) == (State.RUNNING, 7, 41)
    assert found.watermark == 1_700_000_040


def test_the_newest_commit_is_looked_for_after_the_one_that_the_driver_before_had_shown() -> None:
    store, sink = MemoryStore(), FakeSink(commit_at(41))
    before = QueryReporter(store, SPEC, "a-1")  # type: ignore[arg-type]
    before.micro_batch(PROGRESS, replace(commit_at(30), batch_id=5))
    assert idle_status(sink, store).batch_id == 7
    assert sink.known == 5


def test_a_new_stream_without_messages_runs_from_its_beginning() -> None:
    found = idle_status(FakeSink(None))
    assert (found.state, found.batch_id, found.next_sequence) == (State.RUNNING, None, 0)


def test_a_driver_that_is_stopping_does_not_say_that_it_runs() -> None:
    store = MemoryStore()
    reporter = QueryReporter(store, SPEC, "a-2")  # type: ignore[arg-type]
    reporter.show(state=State.STOPPING)
    reporter.nothing_to_read(FakeSink(commit_at(41)))  # type: ignore[arg-type]
    found = read(store, STREAM)  # type: ignore[arg-type]
    assert found is not None
    assert found.state == State.STOPPING


def test_a_driver_that_runs_and_is_idle_asks_the_store_for_nothing() -> None:
    reporter = QueryReporter(MemoryStore(), SPEC, "a-2")  # type: ignore[arg-type]
    reporter.show(state=State.RUNNING)
    Listener(reporter, FakeSink(None, AssertionError("asked"))).onQueryIdle(None)  # type: ignore[arg-type]
    assert reporter.state == State.RUNNING


def test_the_last_micro_batch_of_a_scorer_that_is_stopping_leaves_it_stopping() -> None:
    store = MemoryStore()
    reporter = QueryReporter(store, SPEC, "a-2")  # type: ignore[arg-type]
    reporter.show(state=State.STOPPING)
    reporter.micro_batch(PROGRESS, commit_at(41))
    found = read(store, STREAM)  # type: ignore[arg-type]
    assert found is not None
    assert (found.state, found.next_sequence) == (State.STOPPING, 41)


def test_a_micro_batch_ends_what_was_said_of_an_error() -> None:
    store = MemoryStore()
    reporter = QueryReporter(store, SPEC, "a-2")  # type: ignore[arg-type]
    reporter.show(state=State.STARTING, error="the driver was killed")
    reporter.micro_batch(PROGRESS, commit_at(41))
    found = read(store, STREAM)  # type: ignore[arg-type]
    assert found is not None
    assert (found.state, found.error) == (State.RUNNING, None)


class CountingStore(MemoryStore):
    """Tells of every write."""

    def __init__(self) -> None:
        super().__init__()
        self.written = Semaphore(0)

    def put(self, key: ObjectKey, data: bytes) -> None:
        super().put(key, data)
        self.written.release()


def test_a_driver_that_starts_slowly_goes_on_saying_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks takes a silent one for dead."""
    monkeypatch.setattr("streamweir.scorer.reporter.WRITE_EVERY_S", 0.01)
    store = CountingStore()
    reporter = QueryReporter(store, SPEC, "a-2")  # type: ignore[arg-type]
    with reporter.doing("starting Spark"):
        assert all(store.written.acquire(timeout=30) for _ in range(3))
        found = read(store, STREAM)  # type: ignore[arg-type]
    assert found is not None
    assert (found.state, found.doing) == (State.STARTING, "starting Spark")
    reporter.nothing_to_read(FakeSink(None))  # type: ignore[arg-type]
    found = read(store, STREAM)  # type: ignore[arg-type]
    assert found is not None
    assert (found.state, found.doing) == (State.RUNNING, "")


def test_a_store_that_is_away_is_asked_again_at_the_next_idle_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert idle_status(FakeSink(None, DependencyUnreachable("away"))).state == State.STARTING
    assert "away" in capsys.readouterr().out


class Hearing:
    """Takes the place of the reporter; keeps what it is told."""

    def __init__(self) -> None:
        self.told = SimpleQueue[tuple[dict[str, Any], Commit]]()

    def micro_batch(self, progress: dict[str, Any], commit: Commit) -> None:
        self.told.put((progress, commit))


def test_every_micro_batch_is_heard_of_with_sparks_own_account_of_it(spark: SparkSession) -> None:
    hearing, sink = Hearing(), FakeSink(None)
    sink.last, sink.dropped = commit_at(41), 0
    listener = Listener(hearing, sink)  # type: ignore[arg-type]
    spark.streams.addListener(listener)
    try:
        rows = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 7).load()
        counted = rows.groupBy("value").count().writeStream.outputMode("complete").format("noop")
        query = counted.trigger(processingTime="100 milliseconds").start()
        heard = [hearing.told.get(timeout=60) for _ in range(3)]
        query.stop()
    finally:
        spark.streams.removeListener(listener)
    assert [progress["batchId"] for progress, _ in heard] == [0, 1, 2]
    for progress, commit in heard:
        assert (progress["numInputRows"], commit.next_sequence) == (7, 41)
        assert progress["stateOperators"][0]["numRowsTotal"] == 7 * (progress["batchId"] + 1)
