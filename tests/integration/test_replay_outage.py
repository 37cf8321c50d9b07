"""A broker that dies in the middle of a replay and comes back: replay and plot go on by themselves."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from infra import environment
from infra.kafka import server
from infra.layout import Layout
from infra.plan import installed_tools
from infra.ports import free_ports
from infra.service import Service
from streamweir.broker.follow import Follower
from streamweir.broker.records import read_topic
from streamweir.broker.topics import provision
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.replay.produced import Manifest
from streamweir.settings import Settings
from tests.support.recordings import replay_options, start_module, write_recording

ROWS, BATCH_ROWS = 2_000, 10
COUNT = ROWS // BATCH_ROWS


class OwnBroker:
    """A broker that a test may kill."""

    def __init__(self, folder: Path) -> None:
        port, controller = free_ports(2)
        settings = Settings.load(var=folder, kafka_port=port, kafka_controller_port=controller)
        layout = Layout(folder)
        layout.make()
        self.service: Service = server.service(settings, layout, installed_tools())
        self.connection: KafkaConnection = environment.kafka_connection(settings)
        self.log = layout.log("kafka")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.service.prepare()
        with self.log.open("ab") as log:
            env = {**os.environ, **self.service.env}
            self.process = subprocess.Popen(self.service.argv, env=env, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @retry(retry=retry_if_result(bool), stop=stop_after_delay(90), wait=wait_fixed(0.3))
    def await_ready(self) -> str | None:
        return self.service.ready()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnBroker]:
    made = OwnBroker(tmp_path / "kafka")
    made.start()
    try:
        made.await_ready()
        yield made
    finally:
        made.kill()


def test_replay_and_plot_survive_a_killed_broker(
    broker: OwnBroker, store: ObjectStore, store_connection: StoreConnection, tmp_path: Path
) -> None:
    kafka, folder = broker.connection, write_recording(tmp_path / "data", ROWS)
    run = Run(Stream(PIPELINE.name, f"outage-{os.getpid()}"), tmp_path.name)
    provision(kafka, run.stream, PIPELINE)
    options = replay_options(run, folder, speed=40, batch_rows=BATCH_ROWS)
    sending = start_module("replay", options, kafka, store_connection)
    drawing = start_module("liveplot", {"stream": run.stream.id, "run": run.id}, kafka, store_connection)
    topic = run.stream.topic("transactions")
    with closing(Follower(kafka, topic, dict.fromkeys(range(4), 0))) as follower:
        while not any(record.headers and record.headers.sequence > COUNT // 3 for record in follower.poll(1)):
            assert sending.poll() is None
    broker.kill()
    broker.start()
    for process in (sending, drawing):
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
    sent = Manifest.from_json(store.get_json(run.manifest))
    assert sent.resumed_at_sequence is None
    for name, offsets in sent.offsets.items():
        found = [record.headers for record in read_topic(kafka, run.stream.topic(name), end=offsets)]
        assert sorted(headers.sequence for headers in found if headers) == list(range(COUNT + 1))
    assert sent.rows == {"browsing": ROWS, "transactions": 667}
    points = store.get_json(run.plots / "success_payments.json")["points"]
    assert sum(point["value"] for point in points) == sent.facts["success_payments"] == 167
