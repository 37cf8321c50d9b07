"""A scorer whose executors are elsewhere."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from streamweir.connections import SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Request
from streamweir.replay.replayer import replay
from streamweir.scorer.spec import Servers
from streamweir.scorer.status import read
from streamweir.settings import CHECKOUT
from tests.cluster.conftest import Cluster
from tests.drills.compare import Outcome, differences, outcome
from tests.drills.subjects import subject
from tests.servers_elsewhere.conftest import Elsewhere
from tests.support.scoring import Scoring

BATCHES = 60
AT_ONCE = 12
"""Messages in a micro-batch: there are ten micro-batches."""


@pytest.fixture
def scoring(
    elsewhere: Elsewhere, https_store: StoreConnection, give: Callable[[str], None], tmp_path: Path
) -> Scoring:
    give(PIPELINE.name)
    (tmp_path / "dataset").mkdir()
    generator(PIPELINE.name)(tmp_path / "dataset", seed=5, batches=BATCHES, history_batches=20)
    servers = Servers(elsewhere.kafka, https_store, SparkConnection("local[2]"))
    return Scoring.of(servers, ObjectStore(https_store), tmp_path / "dataset", tmp_path / "work")


def test_the_tables_are_those_of_a_local_scorer_also_when_a_worker_is_killed(
    scoring: Scoring, cluster: Cluster
) -> None:
    expected = scored(scoring, "local", lambda: None, set())
    assert expected.rows["table predictions"].total() > 100
    seen: list[psutil.Process] = []

    def kill_a_worker() -> None:
        seen.extend(cluster.processes())
        strangers = [process for process in seen if knows_the_clone(process)]
        assert strangers == []
        for process in [cluster.workers[0], *cluster.workers[0].children(recursive=True)]:
            process.kill()

    there = replace(scoring, servers=replace(scoring.servers, spark=cluster.connection))
    said: set[str] = set()
    found = scored(there, "cluster", kill_a_worker, said)
    assert "waiting for 2 of 2 executors" in said
    assert len([process for process in seen if process not in cluster.processes()]) >= 2
    assert differences(expected, found) == []


def scored(scoring: Scoring, name: str, in_the_middle: Callable[[], None], doing: set[str]) -> Outcome:
    """What comes out of the dataset, when this is done in the middle; doing: what the status said of it."""
    run = Run(Stream(PIPELINE.name, name), "a test's run")
    scoring.make(run.stream)
    plan = Request(scoring.fingerprint, start_ts=1_700_000_000, speed=0)
    kafka, store = scoring.servers.kafka, scoring.store
    sent = replay(run, plan, kafka=kafka, store=store, folder=scoring.folder)
    scoring.begin(run.stream, max_messages=AT_ONCE)
    scoring.await_sequence(run.stream, sent.flush_sequence // 3, lambda status: doing.add(status.doing))
    in_the_middle()
    scoring.await_sequence(run.stream, sent.flush_sequence)
    status = read(store, run.stream)
    assert status is not None
    assert status.restarts == 0
    scoring.stop(run.stream)
    scoring.reconcile(run)
    found = outcome(run, subject(PIPELINE.name), kafka, store)
    scoring.remove(run.stream)
    return found


def knows_the_clone(process: psutil.Process) -> bool:
    """Whether a process has anything open in this clone, or was told of it."""
    try:
        opened = [file.path for file in process.open_files()] + [part.path for part in process.memory_maps()]
        told = [*process.cmdline(), *process.environ().values(), process.cwd()]
    except psutil.NoSuchProcess:
        # It has ended, as helpers of Spark's scripts do.
        return False
    return any(str(CHECKOUT) + os.sep in word for word in (*opened, *told))
