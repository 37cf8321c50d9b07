"""A scorer on real servers: killed and started again, stopped by a signal, refused, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamweir.broker.records import read_topic
from streamweir.broker.topics import delete, provision
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.streams import Run, Stream
from streamweir.datagen import generator
from streamweir.datasets.dataset import Dataset
from streamweir.datasets.store import upload
from streamweir.ledger.committed import read_commits, read_table
from streamweir.models.registry import Registry
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Request
from streamweir.replay.replayer import replay
from streamweir.scorer.launch import Started, environment, start
from streamweir.scorer.lease import Lease, Renewal
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.scorer.status import State, Status, read
from tests.support.scoring import processes

MODEL = Path(__file__).parents[1] / "fixtures" / "spark35_model.zip"
DOOR = Path(__file__).parents[2] / "spark_apps" / "ecommerce_fraud.py"
BATCHES = 40
START_TS = 1_700_000_000
WITHIN_S = 240


@dataclass(frozen=True)
class World:
    """The servers, a dataset and a model."""

    servers: Servers
    store: ObjectStore
    dataset: Dataset
    folder: Path
    model: str

    def spec(self, stream: Stream) -> ScorerSpec:
        return ScorerSpec(
            stream,
            "test",
            self.dataset.fingerprint,
            self.model,
            "Australia/Melbourne",
            lateness_s=60,
            max_messages=16,
            options={"lookback_s": 600},
        )


@pytest.fixture(scope="module")
def world(
    store: ObjectStore,
    kafka_connection: KafkaConnection,
    scorer_store_connection: StoreConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> World:
    folder = tmp_path_factory.mktemp("dataset")
    generator(PIPELINE.name)(folder, seed=5, batches=BATCHES, history_batches=20)
    dataset = upload(store, PIPELINE.name, folder, "test")
    model = Registry(store, PIPELINE.name).register_external(MODEL).version
    servers = Servers(kafka_connection, scorer_store_connection, SparkConnection("local[2]"))
    return World(servers, store, dataset, folder, model)


@pytest.fixture
def make_stream(world: World) -> Iterator[Callable[[], Stream]]:
    """Makes streams that hold a whole replay, all the same."""
    made: list[Stream] = []

    def make() -> Stream:
        stream = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
        made.append(stream)
        provision(world.servers.kafka, stream, PIPELINE)
        request = Request(world.dataset.fingerprint, speed=0, start_ts=START_TS)
        run = Run(stream, "scorer test")
        replay(run, request, kafka=world.servers.kafka, store=world.store, folder=world.folder)
        return stream

    yield make
    for stream in made:
        for process in processes(stream):
            process.kill()
        delete(world.servers.kafka, stream)
        world.store.delete_folder(stream.root)


def test_a_killed_scorer_comes_back_and_leaves_the_same_results(
    world: World, make_stream: Callable[[], Stream], tmp_path: Path
) -> None:
    undisturbed, killed = make_stream(), make_stream()
    begin(world, undisturbed, tmp_path)
    wait_for(world, undisturbed, drained)
    stop_by_signal(world, undisturbed)

    begin(world, killed, tmp_path)
    wait_for(world, killed, lambda status: (status.batch_id or 0) >= 1)
    for process in processes(killed, "SparkSubmit"):
        process.kill()
    after = wait_for(world, killed, lambda status: status.restarts == 1 and drained(status))
    assert after.error is None
    stop_by_signal(world, killed)

    expected, found = results(world, undisturbed), results(world, killed)
    assert {name: len(rows) for name, rows in found.items()} == {
        name: len(rows) for name, rows in expected.items()
    }
    assert len(expected["predictions"]) == len(expected["topic"]) > 400
    assert found == expected


def test_a_second_scorer_is_refused_and_the_first_is_left_alone(world: World) -> None:
    stream = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    lease = Lease(world.store, stream, "the first")
    lease.take()
    lost: list[object] = []
    with Renewal(lease, lost.append):
        code, said = door(world, replace(world.spec(stream), model="any"))
    assert (code, lost) == (5, [])
    assert "held by scorer the first" in said
    assert read(world.store, stream) is None
    lease.renew()
    world.store.delete_folder(stream.root)


def test_a_stream_without_topics_is_a_bad_configuration(world: World) -> None:
    stream = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    code, said = door(world, world.spec(stream))
    assert code == 2
    assert f"Kafka has no topic {stream.topic('browsing')}" in said
    world.store.delete_folder(stream.root)


def test_a_broker_that_is_away_is_an_unreachable_dependency(world: World) -> None:
    stream = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    away = replace(world, servers=replace(world.servers, kafka=KafkaConnection("127.0.0.1:9")))
    code, said = door(away, world.spec(stream))
    assert code == 4
    assert "127.0.0.1:9" in said
    world.store.delete_folder(stream.root)


def test_missing_settings_are_named(world: World) -> None:
    made = subprocess.run(
        [sys.executable, str(DOOR), "--stream", "s"],
        capture_output=True,
        text=True,
        env=environment(world.servers),
        check=False,
    )
    assert made.returncode == 2
    assert "error: ecommerce_fraud: the following arguments are required" in made.stderr


def begin(world: World, stream: Stream, folder: Path) -> None:
    assert isinstance(start(world.spec(stream), world.servers, world.store, folder), Started)


def wait_for(world: World, stream: Stream, reached: Callable[[Status], bool]) -> Status:
    def look() -> Status | None:
        status = read(world.store, stream)
        assert status is not None
        assert status.state != State.FAILED, status.error
        return status if reached(status) else None

    tries = Retrying(
        retry=retry_if_result(lambda status: status is None),
        wait=wait_fixed(0.3),
        stop=stop_after_delay(WITHIN_S),
    )
    found: Status = tries(look)
    return found


def drained(status: Status) -> bool:
    return status.next_sequence == BATCHES + 1


def stop_by_signal(world: World, stream: Stream) -> None:
    # The keeper gets it twice: its guard passes it on.
    for process in processes(stream, "streamweir.scorer.keeper"):
        process.send_signal(signal.SIGTERM)
    status = wait_for(world, stream, lambda status: status.state == State.STOPPED)
    assert status.exit_code == 0
    gone, alive = psutil.wait_procs(processes(stream), timeout=60)
    assert (bool(gone), alive) == (True, [])


def door(world: World, spec: ScorerSpec) -> tuple[int, str]:
    arguments = {
        "stream": spec.stream.id,
        "scorer": spec.scorer,
        "holder": "second",
        "dataset": spec.dataset,
        "model": spec.model,
        "time-zone": spec.time_zone,
        "lateness-s": str(spec.lateness_s),
        "max-messages": str(spec.max_messages),
        "options": json.dumps(spec.options),
    }
    words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    made = subprocess.run(
        [sys.executable, str(DOOR), *words],
        capture_output=True,
        text=True,
        env=environment(world.servers, os.environ),
        check=False,
    )
    return made.returncode, made.stderr


def results(world: World, stream: Stream) -> dict[str, list[Any]]:
    commits = read_commits(stream, world.store, 0)
    found: dict[str, list[Any]] = {}
    for table in PIPELINE.tables:
        rows = read_table(stream, table.name, commits, world.store)
        kept = [] if rows is None else rows.drop_columns(["batch_id"]).to_pylist()
        found[table.name] = sorted(repr(_comparable(row)) for row in kept)
    messages = read_topic(world.servers.kafka, stream.topic("predictions"))
    found["topic"] = sorted(repr(_comparable(orjson.loads(message.value))) for message in messages)
    return found


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("scored_at", "offset")}
