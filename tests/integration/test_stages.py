"""Stages in plain Python on real servers: two of a stream, each with a life of its own under its keeper."""

import signal
import threading
from pathlib import Path

import pytest

from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.ledger import reconcile
from streamweir.ledger.values import Ledger
from streamweir.objectstore import ObjectStore
from streamweir.replay import stop as replay_stop
from streamweir.replay.plan import Request
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay
from streamweir.scorer import stop
from streamweir.scorer.launch import Attached, Started, start
from streamweir.scorer.spec import Servers
from streamweir.scorer.status import State, drained
from tests.support.ticking import STEP, await_, processes, spec, status

STAGES = ("sum", "count")


def summed(store: ObjectStore, stream: Stream) -> int:
    found: int = store.get_json(store.list(stream.commits)[-1])["state"]["sum"]
    return found


def expected(manifest: Manifest) -> int:
    return sum((manifest.start_ts + k * STEP) * (k % 5) for k in range(manifest.batches))


def assert_accounted_for(ledger: Ledger, manifest: Manifest) -> None:
    rows = sum(k % 5 for k in range(manifest.batches))
    told = {name: line.to_dict() for name, line in ledger.totals.items()}
    same = {"produced": rows, "in_kafka": rows, "redriven": 0, "malformed": 0, "unexplained": 0}
    others = dict.fromkeys(("late", "unscorable", "duplicate"), 0)
    assert told == {"sum.ticks": {**same, **others, "used": rows}, "count.ticks": {**same, "stored": rows}}
    assert ledger.ok
    assert len(ledger.batches) == manifest.batches > 0


def test_two_stages_of_a_stream_live_apart_and_work_once(
    kafka: KafkaConnection,
    store: ObjectStore,
    scorer_store_connection: StoreConnection,
    ticking: Stream,
    tmp_path: Path,
) -> None:
    servers = Servers(kafka, scorer_store_connection, SparkConnection())
    one, other = ticking.of_stage("sum"), ticking.of_stage("count")

    def begin(stage: Stream) -> Started | Attached:
        return start(spec(stage), servers, store, tmp_path)

    for stage in (one, other):
        assert isinstance(begin(stage), Started)
        assert isinstance(begin(stage), Attached)
    run, sent = Run(ticking, "r1"), list[Manifest]()
    request = Request("recipe", speed=40, options={"step": STEP})

    def send() -> None:
        sent.append(replay(run, request, kafka=kafka, store=store, folder=tmp_path))

    sending = threading.Thread(target=send)
    sending.start()
    try:
        await_(store, one, lambda found: found.next_sequence > 40)
        [killed], [kept] = processes(store, one), processes(store, other)
        killed.send_signal(signal.SIGKILL)
        restarted = await_(store, one, lambda found: found.restarts == 1 and found.state == State.RUNNING)
        await_(store, one, lambda found: found.next_sequence > restarted.next_sequence + 40)
    finally:
        replay_stop.request(store, run)
        sending.join()
    [manifest] = sent
    for stage in (one, other):
        found = await_(store, stage, lambda found: drained(found, manifest))
        assert found.max_ts == manifest.flush_ts
        assert summed(store, stage) == expected(manifest) > 0
        assert [int(key.key[-15:-5]) for key in store.list(stage.commits)] == list(range(found.batch_id + 1))
    assert status(store, other).restarts == 0
    assert kept.is_running()
    assert_accounted_for(reconcile(run, kafka, store), manifest)
    # What the one had left is put together; it goes on from its newest step.
    assert store.list(one.segments)
    assert store.list(other.segments)
    stop.request(store, one, "the test wants to know")
    ended = await_(store, one, lambda found: found.state == State.STOPPED)
    assert ended.exit_code == 0
    assert status(store, other).state == State.RUNNING
    # Started again, it stands where it was.
    assert isinstance(begin(one), Started)
    again = await_(store, one, lambda found: found.state == State.RUNNING)
    assert (again.batch_id, again.next_sequence) == (ended.batch_id, ended.next_sequence)
    assert store.get_json(ticking.lease) is None


def test_a_stage_that_is_none_is_named(ticking: Stream) -> None:
    with pytest.raises(BadConfiguration, match=r"ticks has no stage 'sun'; there are: sum, count"):
        pipeline("ticks").of_stage("sun")
