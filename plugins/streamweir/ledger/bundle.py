"""Writing the ledger and the run's tables into the run bundle."""

import io
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.contracts.streams import ObjectKey, Run
from streamweir.contracts.tables import Pipeline
from streamweir.ledger.arrow import conform
from streamweir.ledger.values import Ledger
from streamweir.objectstore import ObjectStore


def write_tables(run: Run, pipeline: Pipeline, frames: Mapping[str, pa.Table], store: ObjectStore) -> None:
    """Write each result table whole, as its contract declares it; raises RunFailed when one differs."""
    for table in pipeline.tables:
        put_parquet(store, run.table_file(table.name), conform(frames[table.name], table))


def write_ledger(run: Run, ledger: Ledger, store: ObjectStore) -> None:
    """Write the ledger, as JSON and as a table."""
    put_parquet(store, run.ledger_table, _flat(ledger))
    store.put_json(run.ledger, ledger.to_dict())


def put_parquet(store: ObjectStore, key: ObjectKey, frame: pa.Table) -> None:
    """Write a frame as one parquet object."""
    buffer = io.BytesIO()
    pq.write_table(frame, buffer, compression="zstd")
    store.put(key, buffer.getvalue())


def _flat(ledger: Ledger) -> pa.Table:
    """A row per batch and topic, the topics of a batch together."""
    batches, topics = ledger.batches, ledger.batches.topics
    counts = dict.fromkeys(name for lines in topics.values() for name in lines.columns())
    schema = pa.schema(
        [
            ("batch_index", pa.int64()),
            ("sequence", pa.int64()),
            ("ts", pa.int64()),
            ("topic", pa.string()),
            *((name, pa.int64()) for name in counts),
        ]
    )
    places = [batches.index, batches.sequence, batches.ts]
    frames = []
    for topic, lines in topics.items():
        columns = lines.columns()
        found = [
            pa.array(columns[name]) if name in columns else pa.nulls(len(batches), pa.int64())
            for name in counts
        ]
        frames.append(
            pa.Table.from_arrays(
                [*map(pa.array, places), pa.repeat(topic, len(batches)), *found], schema=schema
            )
        )
    order = np.arange(len(frames) * len(batches)).reshape(len(frames), -1).T.ravel()
    return pa.concat_tables(frames).take(order) if len(frames) > 1 else frames[0]
