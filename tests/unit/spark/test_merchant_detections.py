"""Detections in files of 50: each in exactly one, with the same bytes after a crash at any moment."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import streamweir_spark.merchant_patterns.detections as module
from streamweir.commits import BEGINNING, Commit, read
from streamweir.contracts.merchant_patterns import DETECTIONS, PIPELINE, detections_folder, started_key
from streamweir.contracts.messages import Kind
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, StreamHeld
from streamweir_spark import micro_batch
from streamweir_spark.columns import core_arrow_schema
from streamweir_spark.merchant_patterns.detections import Detections
from streamweir_spark.outputs import PLACE_COLUMNS
from streamweir_spark.sink import Sink
from tests.support.given_outputs import Given, frame_of
from tests.support.memory_store import MemoryStore
from tests.unit.core.merchants import message, payment, run_apart

STREAM = Stream("merchant_patterns", "s")
ENDED: tuple[Any, ...] = ()


class Crash(Exception):
    """The process is gone."""


class Failing(MemoryStore):
    """A store whose process dies before its n-th write. writes: how many there were."""

    def __init__(self, objects: dict[str, bytes], dies_at: int = -1) -> None:
        super().__init__()
        self.objects, self.dies_at, self.writes = dict(objects), dies_at, 0

    def put(self, key: ObjectKey, data: bytes) -> None:
        if self.writes == self.dies_at:
            raise Crash
        self.writes += 1
        super().put(key, data)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock shows another millisecond."""
    now = iter(range(1_700_000_000_123_000, 1_800_000_000_000_000, 1_000))
    monkeypatch.setattr(module, "now_us", lambda: next(now))


def found(chunk: int, count: int) -> list[tuple[Any, ...]]:
    return [("run", chunk, "PatId2", "M1", f"C{chunk}-{n}") for n in range(count)]


BATCHES = [found(0, 30), [], [*found(1, 10), *found(2, 75)], found(3, 20), [*found(4, 3), ENDED]]


def step(detections: Detections, before: Commit, closed: list[tuple[Any, ...]]) -> tuple[Commit, pa.Table]:
    """A micro-batch, as the sink works on it."""
    detections.begin(before)
    _, tables = detections.figures(None, pa.table({}), None, closed)
    after = replace(before, batch_id=before.batch_id + 1, remainder=detections.write())
    table = tables[DETECTIONS.name]
    assert isinstance(table, pa.Table)
    return after, table


def open_at(store: Any, check: Callable[[], None] = lambda: None) -> Detections:
    return Detections(store, STREAM, "Asia/Kolkata", check)


def files(store: MemoryStore) -> dict[str, bytes]:
    folder = detections_folder(STREAM)
    return {key.key.rpartition("/")[2]: store.objects[str(key)] for key in store.list(folder)}


def lines(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def whole(store: Any) -> pa.Table:
    detections, before, tables = open_at(store), BEGINNING, []
    for closed in BATCHES:
        before, table = step(detections, before, closed)
        tables.append(table)
    assert before.remainder.lines == ()
    return pa.concat_tables(tables)


def test_a_file_is_written_once_it_is_full_and_the_rest_at_the_end_of_the_run() -> None:
    store = MemoryStore()
    table = whole(store)
    found = files(store)
    assert {name: len(lines(data)) for name, data in found.items()} == {
        "detections_00000001.csv": 50,
        "detections_00000051.csv": 50,
        "detections_00000101.csv": 38,
    }
    rows = [row for data in found.values() for row in lines(data)]
    assert [int(row["number"]) for row in rows] == list(range(1, 139)) == table["number"].to_pylist()
    assert [row["customerName"] for row in rows] == table["customerName"].to_pylist()
    assert found["detections_00000001.csv"].startswith(
        b"number,YStartTime,detectionTime,patternId,ActionType,customerName,MerchantId,chunk\n"
    )
    started = {row["YStartTime"] for row in rows}
    assert started == {"2023-11-15T03:43:20.123+05:30"}
    told = [datetime.fromisoformat(row["detectionTime"]) for row in rows]
    assert told == table["detectionTime"].to_pylist()
    assert told[0].utcoffset() == timedelta(hours=5, minutes=30)
    # The micro-batches with detections, each at a time of its own.
    assert len(set(told)) == 4
    assert set(table["run"].to_pylist()) == {"run"}
    assert table["sequence"].to_pylist() == table["chunk"].to_pylist()


def test_a_crash_before_any_write_leaves_the_same_files_and_rows() -> None:
    undisturbed = MemoryStore()
    expected, at = whole(undisturbed), 0
    names = ("number", "patternId", "customerName", "chunk")
    seen = []
    while True:
        store, before, tables = Failing({}), BEGINNING, []
        detections = open_at(store)
        store.writes, store.dies_at = 0, at
        for closed in BATCHES:
            try:
                before, table = step(detections, before, closed)
            except Crash:
                first = dict(store.objects)
                store.dies_at = -1
                detections = open_at(store)
                before, table = step(detections, before, closed)
                seen.append(at)
                # What was written before the crash stays as it was.
                assert {name: store.objects[name] for name in first if name.endswith(".csv")} == {
                    name: data for name, data in first.items() if name.endswith(".csv")
                }
            tables.append(table)
        found = pa.concat_tables(tables)
        assert found.select(names) == expected.select(names)
        rows = [row for data in files(store).values() for row in lines(data)]
        assert [datetime.fromisoformat(row["detectionTime"]) for row in rows] == found[
            "detectionTime"
        ].to_pylist()
        assert {name: len(lines(data)) for name, data in files(store).items()} == {
            name: len(lines(data)) for name, data in files(undisturbed).items()
        }
        if store.dies_at != -1:
            break
        at += 1
    # Four intents and three files.
    assert seen == list(range(7))


def test_a_micro_batch_that_is_worked_on_again_has_its_first_time() -> None:
    store = MemoryStore()
    _, first = step(open_at(store), BEGINNING, found(0, 60))
    before = files(store)
    _, second = step(open_at(store), BEGINNING, found(0, 60))
    assert first == second
    assert files(store) == before


def test_the_rest_is_written_when_the_stream_stops_and_a_start_goes_on_behind_it() -> None:
    store = MemoryStore()
    detections = open_at(store)
    before, _ = step(detections, BEGINNING, found(0, 70))
    detections.end(before)
    assert list(files(store)) == ["detections_00000001.csv", "detections_00000051.csv"]
    again = open_at(store)
    again.end(before)
    before, table = step(again, before, found(1, 60))
    assert table["number"].to_pylist() == list(range(71, 131))
    again.end(before)
    assert {name: len(lines(data)) for name, data in files(store).items()} == {
        "detections_00000001.csv": 50,
        "detections_00000051.csv": 20,
        "detections_00000071.csv": 50,
        "detections_00000121.csv": 10,
    }


def test_what_has_waited_for_too_long_is_written_once_and_the_next_go_on_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    detections = Detections(store, STREAM, "UTC", lambda: None, flush_after_s=10)
    before, _ = step(detections, BEGINNING, found(0, 7))
    assert not detections.is_due(before)
    assert not open_at(store).is_due(before)
    now = module.now_us()
    monkeypatch.setattr(module, "now_us", lambda: now + 11_000_000)
    assert detections.is_due(before)
    detections.end(before)
    assert not detections.is_due(before)
    before, _ = step(detections, before, found(1, 51))
    assert {name: len(lines(data)) for name, data in files(store).items()} == {
        "detections_00000001.csv": 7,
        "detections_00000008.csv": 50,
    }
    assert not detections.is_due(before)
    monkeypatch.setattr(module, "now_us", lambda: now + 22_000_000)
    assert detections.is_due(before)


def test_a_stop_after_a_crash_leaves_to_the_next_start_what_was_begun() -> None:
    store = MemoryStore()
    detections = open_at(store)
    before, _ = step(detections, BEGINNING, found(0, 20))
    step(detections, before, found(1, 40))
    # Its commit record was not written, and the next driver is stopped before it begins.
    stopped = open_at(store)
    stopped.end(before)
    assert [len(lines(data)) for data in files(store).values()] == [50]
    again = open_at(store)
    after, _ = step(again, before, found(1, 40))
    assert [len(lines(data)) for data in files(store).values()] == [50]
    assert len(after.remainder.lines) == 10


def test_a_rest_at_the_end_of_a_run_is_followed_by_a_file_of_the_next() -> None:
    store = MemoryStore()
    after, _ = step(open_at(store), BEGINNING, [*found(0, 5), ENDED, *found(2, 51), ENDED, ENDED])
    assert {name: len(lines(data)) for name, data in files(store).items()} == {
        "detections_00000001.csv": 5,
        "detections_00000006.csv": 50,
        "detections_00000056.csv": 1,
    }
    assert after.remainder.first == 57


def test_the_first_start_stays_the_first() -> None:
    store = MemoryStore()
    open_at(store)
    before = store.get_json(started_key(STREAM))
    open_at(store)
    assert store.get_json(started_key(STREAM)) == before
    store.put_json(started_key(STREAM), {"format": 2})
    with pytest.raises(BadConfiguration, match="has format 2, but only formats up to 1 are known"):
        open_at(store)


def test_who_may_not_write_any_more_fixes_no_time() -> None:
    def held() -> None:
        raise StreamHeld("another has it")

    store = MemoryStore()
    with pytest.raises(StreamHeld):
        step(open_at(store, held), BEGINNING, found(0, 1))
    assert not store.exists(STREAM.intent)


def test_a_file_of_others_is_named_and_stays() -> None:
    store = MemoryStore()
    key = detections_folder(STREAM) / "detections_00000001.csv"
    store.put(key, b"others")
    with pytest.raises(BadConfiguration, match=rf"{key} is there with other content"):
        step(open_at(store), BEGINNING, found(0, 50))
    assert store.get(key) == b"others"


SCHEMA = core_arrow_schema(PLACE_COLUMNS)
RULES = {"child_min_transactions": 3, "child_mean_below": 10}


class Published:
    """What was published, in place of Kafka."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def publish(self, batch_id: int, messages: list[Any], since: Any) -> Any:
        self.messages += messages
        return since


def sink_at(store: Any, published: Any) -> Sink:
    detections = open_at(store)
    return Sink(
        STREAM,
        PIPELINE,
        store,
        published,
        Given(SCHEMA),
        detections,
        lambda: None,
        lateness_s=60,
        retention_s=0,
        files=detections,
    )


def test_the_sink_writes_table_topic_and_files_and_keeps_what_waits_in_the_commit_record() -> None:
    cheap = [payment(f"C{n:02}", "M1", "1") for n in range(60) for _ in range(3)]
    sent = [message(0, cheap[:120]), message(1, cheap[120:]), message(2, kind=Kind.FLUSH)]
    whole = run_apart([[one] for one in sent], **RULES)
    outputs = [run_apart([[one] for one in sent[: n + 1]], **RULES).every for n in range(3)]
    store, published = MemoryStore(), Published()
    for batch_id, every in enumerate(outputs):
        before = outputs[batch_id - 1] if batch_id else []
        # Each time by another driver, and each micro-batch twice.
        for _ in range(2):
            sink_at(store, published).write(frame_of(every[len(before) :]), batch_id)
        if batch_id == 0:
            waiting = read(store, STREAM, 0)  # type: ignore[arg-type]
            assert waiting is not None
            assert (waiting.remainder.first, len(waiting.remainder.lines)) == (1, 40)
    assert [len(lines(data)) for data in files(store).values()] == [50, 10]
    tables = [
        pq.read_table(io.BytesIO(store.objects[str(STREAM.table_file(DETECTIONS.name, n))])) for n in (0, 1)
    ]
    rows = pa.concat_tables(tables)
    assert rows["number"].to_pylist() == list(range(1, 61))
    assert rows["run"].to_pylist() == ["run"] * 60
    assert rows["sequence"].to_pylist() == [0] * 40 + [1] * 20
    told = [orjson.loads(one.value) for one in published.messages if one.topic.endswith("detections")]
    assert [one["customerName"] for one in told] == [customer for *_, customer in whole.detections]
    assert set(told[0]) == set(DETECTIONS.names)


def test_a_crash_between_two_files_or_before_the_commit_record_leaves_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is in flight lies in two files: 30 detections wait, and 90 come in the next micro-batch."""
    monkeypatch.setattr(module, "now_us", lambda: 1_700_000_000_123_000)
    monkeypatch.setattr(micro_batch, "now_us", lambda: 1_700_000_001_000_000)
    cheap = [payment(f"C{n:03}", "M1", "1") for n in range(120) for _ in range(3)]
    sent = [message(0, cheap[:90]), message(1, cheap[90:])]
    first = run_apart([[sent[0]]], **RULES).every
    second = run_apart([[one] for one in sent], **RULES).every[len(first) :]
    store = Failing({})
    sink_at(store, Published()).write(frame_of(first), 0)
    before = dict(store.objects)
    sink_at(store, Published()).write(frame_of(second), 1)
    undisturbed = dict(store.objects)
    written = len(store.objects) - len(before)
    left = set()
    for dies_at in range(written + 1):
        crashed = Failing(before, dies_at)
        with pytest.raises(Crash):
            sink_at(crashed, Published()).write(frame_of(second), 1)
        there = read(crashed, STREAM, 1)  # type: ignore[arg-type]
        assert there is None
        left.add(len(files(crashed)))
        crashed.dies_at = -1
        sink_at(crashed, Published()).write(frame_of(second), 1)
        assert crashed.objects == undisturbed
    # No file, the first of the two, and both without the commit record.
    assert left == {0, 1, 2}
    assert [len(lines(data)) for data in files(store).values()] == [50, 50]


def test_the_sink_writes_the_rest_at_a_stop_and_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap = [payment(f"C{n:02}", "M1", "1") for n in range(4) for _ in range(3)]
    sent = [message(0, cheap[:6]), message(1, cheap[6:])]
    first = run_apart([[sent[0]]], **RULES).every
    both = run_apart([[one] for one in sent], **RULES).every
    store, published = MemoryStore(), Published()
    sink = sink_at(store, published)
    sink.write(frame_of(first), 0)
    sink.tick()
    assert files(store) == {}
    monkeypatch.setattr(Detections, "is_due", lambda self, last: last.batch_id == 1)
    sink.tick()
    assert files(store) == {}
    sink.end(0)
    assert [len(lines(data)) for data in files(store).values()] == [2]
    again = sink_at(store, published)
    again.write(frame_of(both[len(first) :]), 1)
    again.tick()
    assert list(files(store)) == ["detections_00000001.csv", "detections_00000003.csv"]
