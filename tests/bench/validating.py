"""How much memory the checks of a `card_fraud` run of ten million rows take.

`python -m tests.bench.validating [ROWS]`. All steps of `validate` go in one process, as in the product: the
messages read, the tables worked out again, all suites, the docs. A folder stands in for broker and store, and
for the model a sum of two columns: the JVM that the product starts for it is a process of its own.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from streamweir.arrow import arrow_schema, schema_of
from streamweir.broker.records import Record
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.card_fraud import PIPELINE, SCORED, TRANSACTION_ID, TRANSACTIONS_TOPIC
from streamweir.contracts.card_fraud.dataset import FILE
from streamweir.contracts.messages import Headers, Kind, partition_of
from streamweir.contracts.models import ROW, SCORES, ModelKeys
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import DATASET_TASK, MODEL_TASK, Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import DEFAULT_SEED, generator
from streamweir.datasets.dataset import Dataset, DatasetFile, sha256_of
from streamweir.datasets.store import DESCRIPTION
from streamweir.models.card import Card
from streamweir.objectstore import ObjectStore
from streamweir.progress import console_progress
from streamweir.replay.card_fraud import recording, value
from streamweir.scorer.spec import Servers
from streamweir_quality.card_fraud import subjects
from streamweir_quality.messages import Message, read_messages, write_messages
from streamweir_quality.publishing import inspect
from tests.bench.comparing import peak_bytes
from tests.support.folder_store import FolderStore
from tests.support.made_up_pair import put_plan

ROWS = 10_000_000
ROWS_AGAIN = 200_000
"""How many rows the model scores a second time, as the DAG's param has it."""
_GENERATED = 50_000
"""So many rows are generated; the dataset is these again and again, each with a number of its own."""
_RUN = Run(Stream(PIPELINE.name, "ten-million"), "validated")
_VERSION, _THRESHOLD = "20260101T000000Z-0badcafe", 0.9
_SENT = "sent.parquet"
_ID = TRANSACTION_ID.name.encode()
_START_TS, _EACH_SECOND = 1_700_000_000, 1_000
# Nothing asks them.
_SERVERS = Servers(KafkaConnection(""), StoreConnection("", "", ""), SparkConnection("local[1]"))


def main(rows: int) -> None:
    """Make the run, check it, and print."""
    with tempfile.TemporaryDirectory(prefix="streamweir-validating-") as name:
        folder = Path(name)
        for part in ("store", "generated", "work"):
            (folder / part).mkdir()
        # Made in a process of its own: the peak of this one is that of the checks.
        with multiprocessing.get_context("fork").Pool(1) as pool:
            store = pool.apply(made_run, (folder, rows))
        began, cpu = time.perf_counter(), time.process_time()
        said = checked(store, folder)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = peak_bytes() / 2**20
    print(f"{said}\n{rows:,} rows: {seconds:,.0f} s, {cpu:,.0f} s of CPU time, peak {peak:,.0f} MiB")


def checked(store: FolderStore, folder: Path) -> str:
    """What the checks say."""
    with (
        mock.patch("streamweir_quality.replayed.read_topic", return_value=records(folder / _SENT)),
        mock.patch("streamweir_quality.model_again.score_again", lambda _, asked, *__: scores(asked)),
    ):
        return inspect(cast(ObjectStore, store), _SERVERS, _RUN, subjects, ROWS_AGAIN, folder / "work")


def made_run(folder: Path, rows: int) -> FolderStore:
    """A store with a finished run of so many rows; its messages are in a file of the folder."""
    store, own, each = FolderStore(folder / "store"), folder / "generated", min(rows, _GENERATED)
    generator(PIPELINE.name)(own, seed=DEFAULT_SEED, batches=each)
    texts = [value(batch.rows[TRANSACTIONS_TOPIC.name], _START_TS) for batch in recording(own).batches()]
    parts = range(0, rows, each)
    store.put_json(_RUN.task(DATASET_TASK), {"result": {"fingerprint": _put_dataset(store, own, len(parts))}})
    with (
        console_progress("making the messages", len(parts), "parts") as advance,
        pq.ParquetWriter(store.file(_RUN.table_file(SCORED.name)), schema_of(SCORED)) as table,
    ):

        def messages() -> Iterator[Message]:
            generated = pc.read_csv(own / FILE)
            for first in parts:
                table.write_table(_scored(generated, texts, first))
                for number, text in enumerate(texts, first):
                    # Only its number tells a row from the one that it repeats.
                    rest = text.partition(b",")[2]
                    yield _message(number, Kind.BATCH, 1, b'{"%s":%d,%s' % (_ID, number, rest))
                advance(1)
            yield _message(len(parts) * each, Kind.FLUSH, 0, b"{}")

        write_messages(folder / _SENT, messages())
    pq.write_table(schema_of(REJECTED).empty_table(), store.file(_RUN.table_file(REJECTED.name)))
    _put_records(store, len(parts) * each)
    return store


def records(sent: Path) -> Iterator[Record]:
    """The messages of the file, as Kafka gives them."""
    for one in read_messages(sent):
        yield Record("", one.partition, one.offset, 0, one.headers.encode(), one.value)


def scores(asked: pa.Table) -> pa.Table:
    """What the model gives the rows, as `SCORES`."""
    fraud = _fraud(asked)
    columns = {
        ROW: np.arange(asked.num_rows),
        "probability": np.column_stack([1 - fraud, fraud]).tolist(),
        "fraud_probability": fraud,
        "prediction": (fraud > 0.5).astype(int),
        "refusal": pa.nulls(asked.num_rows),
    }
    return pa.table(columns).cast(arrow_schema(SCORES))


def _fraud(rows: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
    shifted: np.ndarray[Any, np.dtype[np.float64]] = rows["V4"].to_numpy() - rows["V14"].to_numpy() - 6
    return 1 / (1 + np.exp(-shifted))


def _scored(generated: pa.Table, texts: Sequence[bytes], first: int) -> pa.Table:
    """The rows that the scorer makes of the generated ones, the first of which has this number."""
    fraud, numbers = _fraud(generated), np.arange(first, first + len(texts))
    columns = {
        **{name: generated[name] for name in ("Amount", "Class")},
        "transaction_id": numbers,
        "event_time": [datetime.fromisoformat(orjson.loads(text)["event_time"]) for text in texts],
        "fraud_prob": fraud,
        "prediction": (fraud > 0.5).astype(int),
        "is_alert": fraud >= _THRESHOLD,
        "model_version": [_VERSION] * len(texts),
        "scored_at": [datetime.now(UTC)] * len(texts),
        "batch_index": numbers,
    }
    schema = schema_of(SCORED)
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)


def _message(number: int, kind: Kind, rows: int, text: bytes) -> Message:
    headers = Headers(_RUN.id, number, number, _START_TS + number // _EACH_SECOND, kind, rows)
    partitions = TRANSACTIONS_TOPIC.partitions
    return Message(partition_of(number, partitions), number // partitions, headers, text)


def _put_dataset(store: FolderStore, folder: Path, times: int) -> str:
    """Put the rows of the generated file, so many times, into the store; gives the fingerprint."""
    header, _, rest = (folder / FILE).read_bytes().partition(b"\n")
    whole = folder / "whole.csv"
    with whole.open("wb") as file:
        file.writelines((header, b"\n", *repeat(rest, times)))
    lines = rest.count(b"\n") * times
    described = DatasetFile(FILE, sha256_of(whole), whole.stat().st_size, lines, history=True, live_too=True)
    dataset = Dataset(PIPELINE.name, (described,), "generated")
    whole.rename(store.file(dataset.root / FILE))
    store.put_json(dataset.root / DESCRIPTION, dataset.to_json())
    return dataset.fingerprint


def _put_records(store: FolderStore, rows: int) -> None:
    """What the other tasks say of the run."""
    put_plan(store, _RUN, rows=rows, dataset="", start_ts=_START_TS, batch_rows=1, late={})
    store.put_json(_RUN.parameters, {"lateness_s": PIPELINE.lateness_s, "threshold": _THRESHOLD})
    store.put_json(_RUN.ledger, {"totals": {"transactions": {"scored": rows}}, "next_sequence": rows + 1})
    store.put_json(_RUN.task(MODEL_TASK), {"result": {"version": _VERSION}})
    share = {"labelled": 0.0017, "predicted": 0.0017, "low": 0.0, "high": 0.1}
    card = Card(source="trained", version=_VERSION, threshold=_THRESHOLD, fraud_share=share)
    store.put_json(ModelKeys(PIPELINE.name).card(_VERSION), card.to_json())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
