"""A real scorer on a Kafka with SASL and TLS and a store with https, whose authority only STREAMWEIR_CA_FILE
knows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Request
from streamweir.replay.replayer import replay
from streamweir.scorer.spec import Servers
from tests.servers_elsewhere.conftest import Elsewhere
from tests.support.scoring import Scoring

BATCHES = 6


@pytest.fixture
def scoring(
    elsewhere: Elsewhere,
    https_store: StoreConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scoring:
    """Its surroundings: all clients are told of the authority by one setting, which comes with the store."""
    security = dict(elsewhere.kafka.security)
    if https_store.ca_file == security["ssl_cafile"]:
        del security["ssl_cafile"]
    for name, value in {
        **KafkaConnection(elsewhere.kafka.bootstrap, security).to_env(),
        **https_store.to_env(),
    }.items():
        monkeypatch.setenv(name, value)
    store = StoreConnection.from_env()
    (tmp_path / "dataset").mkdir()
    generator(PIPELINE.name)(tmp_path / "dataset", seed=5, batches=BATCHES, history_batches=20)
    servers = Servers(KafkaConnection.from_env(), store, SparkConnection("local[2]"))
    return Scoring.of(servers, ObjectStore(store), tmp_path / "dataset", tmp_path / "work")


@pytest.fixture
def run(scoring: Scoring, give: Callable[[str], None]) -> Iterator[Run]:
    give(PIPELINE.name)
    made = Run(Stream(PIPELINE.name, "elsewhere"), "a test's run")
    scoring.make(made.stream)
    yield made
    scoring.remove(made.stream)


def test_a_scorer_trusts_the_authority_that_the_setting_names(scoring: Scoring, run: Run) -> None:
    plan = Request(scoring.fingerprint, speed=0)
    manifest = replay(run, plan, kafka=scoring.servers.kafka, store=scoring.store, folder=scoring.folder)
    scoring.begin(run.stream)
    scoring.await_sequence(run.stream, manifest.flush_sequence)
    scoring.stop(run.stream)
    ledger = scoring.reconcile(run)
    assert ledger.unexplained == 0
    assert ledger.totals["transactions"].worked > 50
