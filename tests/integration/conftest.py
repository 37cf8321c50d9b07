"""Streams on the test stack."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from streamweir.broker.topics import delete, provision
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.pipelines import pipeline, stages_of
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.scorer import launch, stop
from streamweir.scorer.spec import Servers
from tests.support.scoring import Scoring
from tests.support.ticking import processes
from tests.support.tiny import declared

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def stream(kafka: KafkaConnection, store: ObjectStore) -> Iterator[Stream]:
    """A stream with its topics, of which nothing is left afterwards."""
    made = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    provision(kafka, made, PIPELINE)
    yield made
    delete(kafka, made)
    store.delete_folder(made.root)


@pytest.fixture
def ticking(
    request: pytest.FixtureRequest,
    kafka: KafkaConnection,
    store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stream]:
    """A stream of `ticks` with the stages that the module's STAGES names, of which nothing is left
    afterwards. The pipeline is known here and in the processes of its stages."""
    monkeypatch.setattr(launch, "_INHERITED", (*launch._INHERITED, "PYTHONPATH"))
    path = [str(_ROOT / "tests" / "support" / "tiny" / "site"), str(_ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    with declared():
        whole = pipeline("ticks")
        stages = tuple(stage for stage in whole.stages if stage.name in request.module.STAGES)
        monkeypatch.setattr("streamweir.contracts.ticks.PIPELINE", replace(whole, stages=stages))
        made = Stream("ticks", f"test-{uuid.uuid4().hex[:12]}")
        provision(kafka, made, pipeline("ticks"))
        yield made
        for stage in stages_of(made):
            stop.request(store, stage, "the test is over")
            psutil.wait_procs(processes(store, stage), timeout=60)
        delete(kafka, made)
        store.delete_folder(made.root)


@pytest.fixture(scope="module")
def scoring(
    request: pytest.FixtureRequest,
    store: ObjectStore,
    kafka: KafkaConnection,
    scorer_store_connection: StoreConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Scoring:
    """A scorer's surroundings, with a dataset of as many batches as the module's BATCHES says."""
    folder = tmp_path_factory.mktemp("dataset")
    generator(PIPELINE.name)(folder, seed=5, batches=request.module.BATCHES, history_batches=20)
    servers = Servers(kafka, scorer_store_connection, SparkConnection("local[2]"))
    return Scoring.of(servers, store, folder, tmp_path_factory.mktemp("work"))


@pytest.fixture
def make_run(scoring: Scoring) -> Iterator[Callable[[], Run]]:
    """Makes runs, each on a stream of its own, of which nothing is left afterwards."""
    made: list[Run] = []

    def make() -> Run:
        run = Run(Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}"), "a test's run")
        scoring.make(run.stream)
        made.append(run)
        return run

    yield make
    for run in made:
        scoring.remove(run.stream)


@pytest.fixture
def environment(
    kafka: KafkaConnection, store_connection: StoreConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers in the environment, where programs look for them."""
    for name, value in {**kafka.to_env(), **store_connection.to_env()}.items():
        monkeypatch.setenv(name, value)
