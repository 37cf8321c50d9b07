"""The replay as a function and as a process on real servers: exactly once, also after kill -9."""

import csv
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from streamweir.broker.follow import Follower
from streamweir.broker.records import Record, read_topic
from streamweir.broker.topics import delete, provision
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE, dataset
from streamweir.contracts.messages import VALUE_BYTES, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datasets.checks import check_rows
from streamweir.datasets.store import ensure
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.objectstore import ObjectStore
from streamweir.replay.csvfile import CsvFile
from streamweir.replay.ecommerce_fraud import batches
from streamweir.replay.plan import Plan, Request
from streamweir.replay.produced import Manifest, parts
from streamweir.replay.replayer import replay
from streamweir.replay.transmission import Link
from tests.support.recordings import replay_options, start_module, write_recording

ROWS, BATCH_ROWS = 2_000, 10
COUNT = ROWS // BATCH_ROWS
REQUEST = Request("fingerprint", speed=0, batch_rows=BATCH_ROWS)

Send = Callable[..., Manifest]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("recording"), ROWS)


@pytest.fixture
def send(kafka_connection: KafkaConnection, store: ObjectStore, folder: Path) -> Send:
    def call(run: Run, request: Request = REQUEST, data: Path = folder) -> Manifest:
        return replay(run, request, kafka=kafka_connection, store=store, folder=data)

    return call


def records(
    kafka: KafkaConnection, stream: Stream, topic: str, manifest: Manifest | None = None
) -> list[Record]:
    end = manifest.offsets[topic] if manifest else None
    found = read_topic(kafka, stream.topic(topic), end=end)
    return sorted(found, key=lambda record: record.headers.sequence if record.headers else -1)


def assert_complete(
    kafka: KafkaConnection, run: Run, folder: Path, plan: Plan, rows: int = BATCH_ROWS
) -> None:
    """Every batch and the flush once per topic, in its partition, with the file's strings and the clock."""
    expected = list(batches(folder, batch_rows=rows, limit=plan.batches))
    for topic in PIPELINE.inputs:
        everything = records(kafka, run.stream, topic.name)
        found = [record for record in everything if record.headers and record.headers.run == run.id]
        sent = [record.headers for record in found if record.headers]
        first = plan.first_sequence
        assert [headers.sequence for headers in sent] == list(range(first, first + len(expected) + 1))
        assert [record.partition for record in found] == [
            headers.sequence % topic.partitions for headers in sent
        ]
        assert [headers.kind for headers in sent] == [Kind.BATCH] * len(expected) + [Kind.FLUSH]
        for record, batch in zip(found[:-1], expected, strict=True):
            ts = plan.start_ts + batch.index
            assert orjson.loads(record.value) == [{**row, "ts": ts} for row in batch.rows[topic.name]]
            assert record.headers is not None
            assert (record.headers.batch, record.headers.ts, record.headers.rows) == (
                batch.index,
                ts,
                len(batch.rows[topic.name]),
            )
        assert (found[-1].value, sent[-1].batch) == (b"[]", len(expected))
        assert sent[-1].ts == plan.start_ts + len(expected) - 1 + PIPELINE.flush_after_s


def plan_of(store: ObjectStore, run: Run) -> Plan:
    return Plan.from_json(store.get_json(run.plan))


def test_a_run_is_sent_whole_and_its_counts_agree(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, send: Send, folder: Path
) -> None:
    run = Run(stream, "manual__2026-11-21T08:41:00+00:00")
    before = int(time.time())
    manifest = send(run)
    assert before <= manifest.start_ts <= int(time.time())
    assert_complete(kafka_connection, run, folder, plan_of(store, run))
    assert (manifest.batches, manifest.flush_sequence, manifest.resumed_at_sequence) == (COUNT, COUNT, None)
    assert manifest.rows == {"browsing": ROWS, "transactions": 667}
    assert manifest.last_ts == manifest.start_ts + COUNT - 1
    for topic in PIPELINE.inputs:
        stretch = records(kafka_connection, stream, topic.name, manifest)
        assert len(stretch) == COUNT + 1
    [part] = parts(run, store)
    table = part.to_pydict()
    assert table["batch_index"] == table["sequence"] == list(range(COUNT + 1))
    assert table["kind"] == ["batch"] * COUNT + ["flush"]
    assert (sum(table["browsing_rows"]), sum(table["transactions_rows"])) == (ROWS, 667)
    assert sum(table["success_payments"]) == manifest.facts["success_payments"] == 167
    assert Manifest.from_json(store.get_json(run.manifest)) == manifest


def test_a_complete_run_is_not_sent_again(
    kafka_connection: KafkaConnection, stream: Stream, send: Send
) -> None:
    run = Run(stream, "r1")
    first = send(run)
    assert send(run) == first
    assert len(records(kafka_connection, stream, "browsing")) == COUNT + 1


def test_a_crash_between_the_flush_and_the_manifest_is_mended(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, send: Send
) -> None:
    run, next_run = Run(stream, "r1"), Run(stream, "r2")
    first = send(run)
    store.delete(run.manifest)
    again = send(run)
    assert again.resumed_at_sequence == COUNT + 1
    assert (again.rows, again.facts, again.flush_ts) == (first.rows, first.facts, first.flush_ts)
    assert {t: dict(o) for t, o in again.offsets.items()}.keys() == first.offsets.keys()
    send(next_run)
    store.delete(run.manifest)
    assert send(run).flush_sequence == first.flush_sequence
    assert len(records(kafka_connection, stream, "browsing")) == 2 * (COUNT + 1)


def test_the_same_dataset_and_start_give_the_same_messages_at_any_speed(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, send: Send
) -> None:
    request = replace(REQUEST, start_ts=1_700_000_000, batches=40)
    send(Run(stream, "same"), request)
    other = Stream(PIPELINE.name, f"{stream.id}-b")
    provision(kafka_connection, other, PIPELINE)
    try:
        paced = send(Run(other, "same"), replace(request, speed=40))
        for topic in PIPELINE.inputs:
            one, two = (
                [
                    (record.partition, record.raw_headers, record.value)
                    for record in records(kafka_connection, s, topic.name)
                ]
                for s in (stream, other)
            )
            assert len(one) == 41
            assert one == two
    finally:
        delete(kafka_connection, other)
    assert paced.seconds >= 39 / 40


def test_another_run_on_the_stream_goes_on_behind_the_flush(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, send: Send, folder: Path
) -> None:
    first = send(Run(stream, "r1"), replace(REQUEST, batches=50))
    second = send(Run(stream, "r2"), replace(REQUEST, batches=30))
    assert second.first_sequence == first.flush_sequence + 1
    assert second.start_ts == first.flush_ts + 1
    assert_complete(kafka_connection, Run(stream, "r2"), folder, plan_of(store, Run(stream, "r2")))
    with pytest.raises(
        BadConfiguration, match=rf"start_ts {second.flush_ts} is too early.*{second.flush_ts + 1}"
    ):
        send(Run(stream, "r3"), replace(REQUEST, start_ts=second.flush_ts))
    third = send(Run(stream, "r3"), replace(REQUEST, start_ts=second.flush_ts + 1, batches=1))
    assert third.first_sequence == second.flush_sequence + 1


def test_other_parameters_under_the_same_run_id_are_refused_with_the_difference(
    store: ObjectStore, stream: Stream, send: Send
) -> None:
    run = Run(stream, "r1")
    planned = send(run, replace(REQUEST, batches=5)).start_ts
    different = replace(REQUEST, batches=6, speed=3, dataset="other", late={1: 2}, start_ts=planned + 1)
    with pytest.raises(BadConfiguration) as refused:
        send(run, different)
    for words in ("dataset other instead of fingerprint", "speed 3 instead of 0", "batches 6 instead of 5"):
        assert words in str(refused.value)
    assert f"start_ts {planned + 1} instead of {planned}" in str(refused.value)
    assert send(run, replace(REQUEST, batches=5, start_ts=planned)).start_ts == planned


def test_an_unsorted_dataset_is_refused_before_the_first_message(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, send: Send, tmp_path: Path
) -> None:
    data = write_recording(tmp_path, 30)
    browsing = data / "new_browsing_behaviour.csv"
    lines = browsing.read_text().splitlines(keepends=True)
    browsing.write_text("".join([*lines[:10], lines[20], *lines[10:20], *lines[21:]]))
    run = Run(stream, "r1")
    with pytest.raises(DatasetUnusable, match="line 12: column event_time"):
        send(run, REQUEST, data)
    assert (records(kafka_connection, stream, "browsing"), store.exists(run.plan)) == ([], False)
    assert send(run, replace(REQUEST, unsorted_ok=True), data).rows["browsing"] == 30


def test_delayed_batches_arrive_behind_younger_ones(
    kafka_connection: KafkaConnection, stream: Stream, send: Send
) -> None:
    send(Run(stream, "r1"), replace(REQUEST, late={5: 90, 9: 120}))
    order = [
        record.headers.batch for record in records(kafka_connection, stream, "transactions") if record.headers
    ]
    assert order.index(5) == order.index(95) + 1
    assert order.index(9) == order.index(129) + 1
    assert sorted(order) == list(range(COUNT + 1))


def test_rows_that_pile_up_behind_the_last_span_arrive_in_pieces(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, send: Send, tmp_path: Path
) -> None:
    data, run = write_recording(tmp_path, 30), Run(stream, "r1")
    file = data / "new_transactions.csv"
    # Five of which two do not fit together, and one that is as large as a row may be.
    texts = ["x" * 600_000] * 5 + ['"' * 2_060_000]
    with file.open("a", newline="", encoding="utf-8") as more:
        row = dict.fromkeys((column.name for column in dataset.TRANSACTION_COLUMNS), "")
        for text in texts:
            csv.writer(more).writerow((row | {"created_at": "2024-02-01", "promo_code": text}).values())
    check_rows(CsvFile(file, ()), {})
    manifest = send(run, replace(REQUEST, start_ts=1_700_000_000), data)
    browsing, transactions = (
        records(kafka_connection, stream, topic.name, manifest)[:-1] for topic in PIPELINE.inputs
    )
    sent = [record.headers for record in transactions if record.headers]
    assert [(one.batch, one.sequence) for one in sent] == [(n, n) for n in range(9)]
    assert [one.ts - 1_700_000_000 for one in sent] == [0, 1, *[2] * 7]
    assert [one.rows for one in sent] == [4, 3, 0, 4, 1, 1, 1, 1, 1]
    assert [record.headers.rows for record in browsing if record.headers] == [10, 10, 10, *[0] * 6]
    assert [len(record.value) > VALUE_BYTES for record in transactions] == [False] * 8 + [True]
    found = [row for record in transactions for row in orjson.loads(record.value)]
    assert [row["promo_code"] for row in found] == [""] * 10 + texts
    assert (manifest.batches, manifest.flush_sequence, manifest.rows["transactions"]) == (9, 9, 16)


def test_a_run_that_is_under_way_is_not_disturbed_by_another_one(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, send: Send, folder: Path
) -> None:
    run = Run(stream, "r1")

    def interrupted(title: str, total: int | None, unit: str) -> object:
        return _StopAfter(5)

    with pytest.raises(_Interrupted):
        replay(
            run, replace(REQUEST, speed=500), kafka=kafka_connection, store=store, folder=folder,
            progress=interrupted,  # type: ignore[arg-type]
        )  # fmt: skip
    with pytest.raises(BadConfiguration, match=r"run r1 on stream .* has not sent its flush"):
        send(Run(stream, "r2"))
    counted: list[int] = []
    manifest = replay(
        run, replace(REQUEST, speed=500), kafka=kafka_connection, store=store, folder=folder,
        progress=lambda title, total, unit: nullcontext(counted.append),
    )  # fmt: skip
    assert sum(counted) == ROWS
    assert 0 < (manifest.resumed_at_sequence or 0) <= COUNT
    assert_complete(kafka_connection, run, folder, plan_of(store, run))


class _Interrupted(Exception):
    pass


class _StopAfter:
    """A progress that ends the replay after a few transactions."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __enter__(self) -> Callable[[int], None]:
        return self.advance

    def __exit__(self, *args: object) -> None:
        return None

    def advance(self, count: int) -> None:
        self.left -= 1
        if not self.left:
            raise _Interrupted


def start_process(
    run: Run, data: Path, kafka: KafkaConnection, store: StoreConnection
) -> subprocess.Popen[str]:
    return start_module("replay", replay_options(run, data, speed=50, batch_rows=BATCH_ROWS), kafka, store)


def await_sequence(follower: Follower, wanted: int, process: subprocess.Popen[str]) -> None:
    """Return when a message of this sequence was seen."""
    while process.poll() is None:
        if any(record.headers and record.headers.sequence >= wanted for record in follower.poll(0.05)):
            return


@pytest.mark.parametrize("seed", [1, 2])
def test_a_replay_killed_at_random_moments_leaves_no_gap_and_no_repeat(
    kafka_connection: KafkaConnection, store_connection: StoreConnection, store: ObjectStore, stream: Stream,
    tmp_path: Path, seed: int,
) -> None:  # fmt: skip
    chance = random.Random(seed)
    data = write_recording(tmp_path, ROWS)
    fingerprint = ensure(store, PIPELINE.name, str(data), needs_history=False).fingerprint
    run = Run(stream, f"killed-{seed}")
    moments = sorted(chance.sample(range(1, COUNT - 10), 4))
    with closing(
        Follower(kafka_connection, stream.topic("browsing"), dict.fromkeys(range(4), 0))
    ) as follower:
        for moment in moments:
            process = start_process(run, data, kafka_connection, store_connection)
            await_sequence(follower, moment, process)
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(timeout=chance.random() * 0.03)
            process.kill()
            process.communicate()
    last = start_process(run, data, kafka_connection, store_connection)
    _, said = last.communicate(timeout=120)
    assert last.returncode == 0, said
    plan, manifest = plan_of(store, run), Manifest.from_json(store.get_json(run.manifest))
    assert plan.dataset == manifest.dataset == fingerprint
    assert manifest.start_ts == plan.start_ts
    assert (manifest.resumed_at_sequence or 0) > moments[-1]
    assert manifest.rows == {"browsing": ROWS, "transactions": 667}
    assert_complete(kafka_connection, run, data, plan)


def test_a_failure_is_one_sentence_and_an_exit_status(
    kafka_connection: KafkaConnection, store_connection: StoreConnection, stream: Stream, tmp_path: Path
) -> None:
    run = Run(stream, "r1")
    nowhere = KafkaConnection("127.0.0.1:1")
    for kafka, status in ((kafka_connection, 2), (nowhere, 4)):
        process = start_process(run, tmp_path / "nowhere", kafka, store_connection)
        _, said = process.communicate(timeout=60)
        assert process.returncode == status
        assert said.startswith("error: ")
        assert said.count("\n") == 1


def test_the_position_is_what_every_topic_holds(
    kafka_connection: KafkaConnection, stream: Stream, send: Send
) -> None:
    empty = Link(kafka_connection, stream, PIPELINE).look()
    assert (empty.next_sequence, empty.last, empty.flushed) == (0, None, True)
    manifest = send(Run(stream, "r1"))
    full = Link(kafka_connection, stream, PIPELINE).look()
    assert (full.next_sequence, full.flushed, full.largest_ts) == (COUNT + 1, True, manifest.flush_ts)
