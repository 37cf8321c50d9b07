"""A scorer that cannot begin, on real servers: what it says and its exit codes."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.launch import environment
from streamweir.scorer.lease import Lease, Renewal
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.scorer.status import read

DOOR = Path(__file__).parents[2] / "spark_apps" / "ecommerce_fraud.py"


@pytest.fixture
def servers(kafka: KafkaConnection, scorer_store_connection: StoreConnection) -> Servers:
    return Servers(kafka, scorer_store_connection, SparkConnection("local[2]"))


@pytest.fixture
def nowhere(store: ObjectStore) -> Iterator[Stream]:
    """A stream without topics."""
    stream = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    yield stream
    store.delete_folder(stream.root)


def test_a_second_scorer_is_refused_and_the_first_is_left_alone(
    store: ObjectStore, servers: Servers, nowhere: Stream
) -> None:
    lease = Lease(store, nowhere, "the first")
    lease.take()
    lost: list[object] = []
    with Renewal(lease, lost.append):
        code, said = door(servers, nowhere)
    assert (code, lost) == (5, [])
    assert "held by scorer the first" in said
    assert read(store, nowhere) is None
    lease.renew()


def test_a_stream_without_topics_is_a_bad_configuration(servers: Servers, nowhere: Stream) -> None:
    code, said = door(servers, nowhere)
    assert code == 2
    assert f"Kafka has no topic {nowhere.topic('browsing')}" in said


def test_a_broker_that_is_away_is_an_unreachable_dependency(servers: Servers, nowhere: Stream) -> None:
    code, said = door(replace(servers, kafka=KafkaConnection("127.0.0.1:9")), nowhere)
    assert code == 4
    assert "127.0.0.1:9" in said


def test_missing_settings_are_named(servers: Servers) -> None:
    code, said = run([sys.executable, str(DOOR), "--stream", "s"], servers)
    assert code == 2
    assert "error: ecommerce_fraud: the following arguments are required" in said


def door(servers: Servers, stream: Stream) -> tuple[int, str]:
    """Exit code and words of a scorer that never gets to its dataset and its model."""
    spec = ScorerSpec(stream, "test", "any", "any", "Australia/Melbourne", lateness_s=60, max_messages=16)
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
    return run([sys.executable, str(DOOR), *words], servers)


def run(argv: list[str], servers: Servers) -> tuple[int, str]:
    env = environment(servers, os.environ)
    made = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    return made.returncode, made.stderr
