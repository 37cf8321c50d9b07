"""A driver that dies by kill -9 between the CSV files and the commit record, on real servers."""

import csv
import io
import json
import os
import uuid
from pathlib import Path

import pytest

from streamweir.broker.topics import provision
from streamweir.commits import Commit
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.merchant_patterns import (
    CHUNKS_TOPIC,
    DETECTIONS,
    FILE_ROWS,
    PIPELINE,
    detections_folder,
)
from streamweir.contracts.merchant_patterns.dataset import IMPORTANCE, TRANSACTIONS
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datasets.store import upload
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Request
from streamweir.replay.replayer import replay
from streamweir.scorer import launch
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.scorer.status import read as status
from tests.support.scoring import Scoring
from tests.unit.core.merchants import chunk_of, payment

_ROOT = Path(__file__).parents[2]
CHILDREN = (15, 15, 30, 60, 5, 5)
"""New ones in each chunk. Two chunks at a time: 30 wait, then 90 more fill two files, then 10 more come."""
PAYMENTS = 3
CHUNK_ROWS = max(CHILDREN) * PAYMENTS
OPTIONS = {"child_min_transactions": PAYMENTS, "child_mean_below": 10, "flush_after_s": None}


@pytest.fixture
def scoring(
    store: ObjectStore, kafka: KafkaConnection, scorer_store_connection: StoreConnection, tmp_path: Path
) -> Scoring:
    """A dataset of six chunks; what fills a chunk up is dear."""
    folder, rows = tmp_path / "dataset", list[bytes]()
    folder.mkdir()
    for chunk, count in enumerate(CHILDREN):
        cheap = [payment(f"C{chunk}-{n:02}", "M1", "1") for n in range(count) for _ in range(PAYMENTS)]
        rows += [*cheap, *[payment("C", "M1", "100")] * (CHUNK_ROWS - len(cheap))]
    (folder / TRANSACTIONS).write_bytes(chunk_of(rows))
    (folder / IMPORTANCE).write_text("Source,Target,Weight\n'C','M1',1\n")
    servers = Servers(kafka, scorer_store_connection, SparkConnection("local[2]"))
    dataset = upload(store, PIPELINE.name, folder, "test")
    return Scoring(servers, store, dataset.fingerprint, folder, "", tmp_path / "work")


def scored(scoring: Scoring, name: str) -> Run:
    """A run that was sent as a whole, and then worked on."""
    run = Run(Stream(PIPELINE.name, f"{name}-{uuid.uuid4().hex[:8]}"), "r")
    provision(scoring.servers.kafka, run.stream, PIPELINE)
    request = Request(str(scoring.fingerprint), speed=0, batch_rows=CHUNK_ROWS)
    sent = replay(run, request, kafka=scoring.servers.kafka, store=scoring.store, folder=scoring.folder)
    assert sent.batches == len(CHILDREN)
    spec = ScorerSpec(run.stream, "test", scoring.fingerprint, "", "Asia/Kolkata", 60, 2, OPTIONS)
    launch.start(spec, scoring.servers, scoring.store, scoring.work)
    scoring.await_sequence(run.stream, sent.flush_sequence)
    scoring.stop(run.stream)
    ledger = scoring.reconcile(run)
    assert ledger.totals[CHUNKS_TOPIC.name].unexplained == 0
    return run


def files(store: ObjectStore, stream: Stream) -> dict[str, bytes]:
    return {
        key.key.rpartition("/")[2]: store.get(key) or b"" for key in store.list(detections_folder(stream))
    }


def without_times(data: bytes) -> bytes:
    """The file without the two columns of wall time, which no two runs share."""
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    own = [at for at, name in enumerate(DETECTIONS.names) if name not in ("YStartTime", "detectionTime")]
    return "\n".join(",".join(row[at] for at in own) for row in rows).encode()


def test_files_are_the_same_after_a_kill_between_them_and_their_commit_record(
    scoring: Scoring, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = scored(scoring, "undisturbed")
    told = tmp_path / "died"
    monkeypatch.setattr(launch, "_INHERITED", (*launch._INHERITED, "PYTHONPATH"))
    monkeypatch.setenv("STREAMWEIR_TEST_DIES", str(told))
    path = [str(_ROOT / "tests" / "support" / "dying"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    killed = scored(scoring, "killed")
    assert (found := status(store, killed.stream)) is not None
    assert found.restarts == 1
    died = json.loads(told.read_text())
    waiting, created = Commit.from_json(died["before"]).remainder, died["created"]
    # What was in flight lies in two files: some waited, and the first file begins with them.
    assert waiting.lines
    assert next(iter(created)) == f"{DETECTIONS.name}_{waiting.first:08d}.csv"
    assert len(created) > 1
    expected, there = files(store, undisturbed.stream), files(store, killed.stream)
    assert {name: without_times(data) for name, data in there.items()} == {
        name: without_times(data) for name, data in expected.items()
    }
    # Their times too are those from before the kill.
    assert {name: there[name].decode() for name in created} == created
    counts = [data.count(b"\n") - 1 for data in there.values()]
    assert counts == [FILE_ROWS] * 2 + [sum(CHILDREN) - 2 * FILE_ROWS]
    for run in (undisturbed, killed):
        scoring.remove(run.stream)
