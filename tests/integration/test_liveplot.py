"""The plotting consumer on real servers: beside a replay, after it, and again."""

import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from streamweir.connections import KafkaConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import DependencyUnreachable
from streamweir.liveplot.live import Drawn, draw_live
from streamweir.objectstore import ObjectStore
from streamweir.replay.ecommerce_fraud import batches, facts
from streamweir.replay.plan import Plan, Request
from streamweir.replay.replayer import replay
from tests.support.recordings import write_recording

ROWS, BATCH_ROWS = 3_000, 10
REQUEST = Request("fingerprint", speed=0, batch_rows=BATCH_ROWS)
PNG = b"\x89PNG"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("recording"), ROWS)


def expected(run: Run, store: ObjectStore, folder: Path) -> list[dict[str, int]]:
    start = Plan.from_json(store.get_json(run.plan)).start_ts
    return [
        {"batch": batch.index, "ts": start + batch.index, "value": facts(batch.rows, {})["success_payments"]}
        for batch in batches(folder, batch_rows=BATCH_ROWS)
    ]


def test_the_last_frame_shows_exactly_what_was_sent_beside_an_unpaced_replay(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, folder: Path, tmp_path: Path
) -> None:
    run, drawn = Run(stream, "r1"), list[Drawn | None]()

    def draw() -> None:
        drawn.append(draw_live(run, kafka=kafka_connection, store=store, page=tmp_path / "live"))

    drawing = threading.Thread(target=draw)
    drawing.start()
    replay(run, REQUEST, kafka=kafka_connection, store=store, folder=folder)
    drawing.join(60)
    points = expected(run, store, folder)
    total = sum(point["value"] for point in points)
    assert total > 0
    assert (drawn[0].batches, drawn[0].total) == (ROWS // BATCH_ROWS, total)
    kept = store.get_json(run.plots / "success_payments.json")
    assert (kept["run"], kept["name"], kept["points"]) == ("r1", "success_payments", points)
    last = store.get(run.plot("success_payments")) or b""
    assert last.startswith(PNG)
    assert store.get(run.plots / "live" / "success_payments.png") == last
    assert (tmp_path / "live" / "success_payments.png").read_bytes() == last


def test_frames_come_while_a_paced_replay_runs(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, folder: Path
) -> None:
    run, drawn = Run(stream, "r1"), list[Drawn | None]()
    drawing = threading.Thread(
        target=lambda: drawn.append(draw_live(run, kafka=kafka_connection, store=store))
    )
    drawing.start()
    sent = replay(run, replace(REQUEST, speed=50), kafka=kafka_connection, store=store, folder=folder)
    drawing.join(60)
    assert drawn[0].frames >= sent.seconds / 2


def test_of_a_used_stream_only_the_run_is_drawn_and_drawing_again_gives_the_same(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, folder: Path
) -> None:
    first, second = Run(stream, "r1"), Run(stream, "r2")
    for run in (first, second):
        replay(run, REQUEST, kafka=kafka_connection, store=store, folder=folder)
    for run in (first, second, first):
        drawn = draw_live(run, kafka=kafka_connection, store=store)
        assert drawn.batches == ROWS // BATCH_ROWS
        assert store.get_json(run.plots / "success_payments.json")["points"] == expected(run, store, folder)


def test_a_run_that_stands_still_is_given_up_with_a_clear_error(
    kafka_connection: KafkaConnection, store: ObjectStore, stream: Stream, folder: Path
) -> None:
    run = Run(stream, "r1")
    replay(run, REQUEST, kafka=kafka_connection, store=store, folder=folder)
    stopped = Run(stream, "stopped")
    plan = Plan.from_json(store.get_json(run.plan))
    store.put_json(stopped.plan, asdict(replace(plan, run="stopped")))
    with pytest.raises(DependencyUnreachable, match="no message of run stopped came for 1 s after 0"):
        draw_live(stopped, kafka=kafka_connection, store=store, timeout_s=1)


def test_a_replay_that_was_given_up_ends_the_plot_with_what_was_seen(
    kafka_connection: KafkaConnection,
    store: ObjectStore,
    stream: Stream,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamweir.liveplot.live.QUIET_S", 0.2)
    run = Run(stream, "r1")
    assert draw_live(run, kafka=kafka_connection, store=store, abandoned=lambda: True) is None
    replay(run, REQUEST, kafka=kafka_connection, store=store, folder=folder)
    longer = replace(Plan.from_json(store.get_json(run.plan)), first_sequence=-1)
    store.put_json(run.plan, longer.to_json())
    drawn = draw_live(run, kafka=kafka_connection, store=store, abandoned=lambda: True)
    assert drawn is not None
    assert drawn.batches == ROWS // BATCH_ROWS
