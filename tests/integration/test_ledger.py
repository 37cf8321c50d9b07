"""The ledger on a real Kafka and object store: a real replay, and a scorer made up of a few lines."""

import io
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamweir.arrow import schema_of
from streamweir.broker.records import read_topic
from streamweir.broker.topics import delete, provision
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import WRITER, Kind
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import generator
from streamweir.errors import RunFailed
from streamweir.ledger import reconcile
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Request
from streamweir.replay.replayer import replay
from streamweir.reporting import plot, publish

BATCHES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dataset")
    generator(PIPELINE.name)(made, seed=7, batches=BATCHES, history_batches=20)
    return made


@pytest.fixture
def run(kafka_connection: KafkaConnection, store: ObjectStore) -> Iterator[Run]:
    made = Run(Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}"), "ledger test")
    provision(kafka_connection, made.stream, PIPELINE)
    yield made
    delete(kafka_connection, made.stream)
    store.delete_folder(made.stream.root)
    store.delete_folder(made.bundle)


def test_a_replay_that_was_scored_in_full_adds_up(
    run: Run, folder: Path, kafka_connection: KafkaConnection, store: ObjectStore
) -> None:
    manifest = replay(run, Request("f" * 64, speed=0), kafka=kafka_connection, store=store, folder=folder)
    score_everything(run, kafka_connection, store)
    ledger = reconcile(run, kafka_connection, store)
    assert manifest.rows["transactions"] == ledger.totals["transactions"].worked > 50
    assert manifest.rows["browsing"] == ledger.totals["browsing"].worked == BATCHES * 200
    assert ledger.facts["success_payments"] == manifest.facts["success_payments"] > 50
    assert len(ledger.batches) == BATCHES
    assert ledger.unexplained == 0
    assert "latency" in plot(run, store)
    verdict = publish(run, store)
    assert [failure.sentence for failure in verdict.failures] == ["The results were not validated."]
    assert store.get_json(run.summary)["latency_s"]["max"] >= 1.5


def test_a_foreign_message_is_counted_apart_and_a_lost_row_fails_the_run(
    run: Run, folder: Path, kafka_connection: KafkaConnection, store: ObjectStore
) -> None:
    with closing(TransactionalWriter(kafka_connection, f"test.{run.stream}")) as writer:
        writer.begin()
        writer.send(run.stream.topic("transactions"), 2, b"not from a replay", [])
        writer.commit()
    replay(run, Request("f" * 64, speed=0), kafka=kafka_connection, store=store, folder=folder)
    score_everything(run, kafka_connection, store)
    assert reconcile(run, kafka_connection, store).foreign == 1
    key = run.stream.table_file("predictions", 0)
    frame = pq.read_table(io.BytesIO(store.get(key) or b""))
    put(store, key, frame.slice(0, frame.num_rows - 2))
    with pytest.raises(RunFailed, match=f"unexplained rows: 2, the first in batch {BATCHES - 1}"):
        reconcile(run, kafka_connection, store)
    assert store.get_json(run.ledger)["outcome"] == "failed"


def score_everything(run: Run, kafka: KafkaConnection, store: ObjectStore) -> None:
    """What a scorer leaves that takes every row: one micro-batch, its tables, messages and commit record."""
    rows: list[dict[str, object]] = []
    rejected: list[dict[str, object]] = []
    worked: list[dict[str, object]] = []
    last = 0
    for topic in PIPELINE.inputs:
        for record in read_topic(kafka, run.stream.topic(topic.name)):
            headers = record.headers
            if headers is None:
                place = {"topic": topic.name, "partition": record.partition, "offset": record.offset}
                rejected.append({**place, "row": -1, "rows": 1, "reason": "foreign", "raw": record.value})
            elif headers.kind is Kind.BATCH:
                worked.append(
                    {
                        "run": headers.run,
                        "batch_index": headers.batch,
                        "sequence": headers.sequence,
                        "topic": topic.name,
                        "rows": headers.rows,
                        "appended_at": record.appended_ms * 1000,
                    }
                )
            if topic == PIPELINE.leading.topic and headers is not None and headers.kind is Kind.BATCH:
                rows += [
                    {
                        "transaction_id": row["transaction_id"],
                        "session_id": row["session_id"],
                        "fraud_probability": 0.25,
                        "prediction": 0,
                        "batch_index": headers.batch,
                        "run": headers.run,
                        "sequence": headers.sequence,
                    }
                    for row in orjson.loads(record.value)
                ]
            last = max(last, headers.sequence if headers else 0)
    rows.sort(key=lambda row: row["batch_index"])
    publish_rows(run, kafka, {"predictions": rows, "rejected": rejected})
    put_table(run, store, "predictions", rows, ("run", pa.string()), ("sequence", pa.int64()))
    put_table(run, store, "rejected", rejected)
    put(store, run.stream.table_file(WORKED.name, 0), pa.Table.from_pylist(worked, schema_of(WORKED)))
    record = {
        "batch_id": 0,
        "committed_at": max(int(str(row["appended_at"])) for row in worked) + 1_500_000,
        "next_sequence": last + 1,
        "state_bytes": 1_000,
        "dropped_by_watermark": 0,
    }
    store.put_json(run.stream.commit(0), record)


def publish_rows(run: Run, kafka: KafkaConnection, tables: dict[str, list[dict[str, object]]]) -> None:
    with closing(TransactionalWriter(kafka, f"test.scorer.{run.stream}")) as writer:
        writer.begin()
        for name, rows in tables.items():
            for row in rows:
                value = orjson.dumps({key: value for key, value in row.items() if key != "raw"})
                headers = [("run", str(row.get("run") or "")), (WRITER, run.stream.writer)]
                sent = [(header, text.encode()) for header, text in headers]
                writer.send(run.stream.topic(name), 0, value, sent)
        writer.commit()


def put_table(run: Run, store: ObjectStore, name: str, rows: list[dict[str, object]], *more: tuple) -> None:
    schema = schema_of(PIPELINE.table(name))
    for field in more:
        schema = schema.append(pa.field(*field))
    put(store, run.stream.table_file(name, 0), pa.Table.from_pylist(rows, schema))


def put(store: ObjectStore, key: object, frame: pa.Table) -> None:
    buffer = io.BytesIO()
    pq.write_table(frame, buffer)
    store.put(key, buffer.getvalue())
