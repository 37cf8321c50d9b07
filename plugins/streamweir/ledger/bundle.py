"""Writing the ledger and the run's tables into the run bundle."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.arrow import check_columns, schema_of
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Pipeline
from streamweir.duck import put_rows, quoted, sorting
from streamweir.ledger.committed import scan
from streamweir.ledger.results import Frames
from streamweir.ledger.values import Batches, Ledger
from streamweir.objectstore import ObjectStore

BATCHES_AT_ONCE = 2**18


def write_tables(run: Run, pipeline: Pipeline, frames: Frames, store: ObjectStore, folder: Path) -> None:
    """Write each result table whole, as its contract declares it; raises RunFailed when one differs."""
    for table in pipeline.tables:
        frame = frames[table.name]
        check_columns(frame.schema.names, table)
        query = f"from frame order by {quoted(table.key)}"
        with sorting(folder) as sql:
            sql.register("frame", scan(frame, table.names))
            put_rows(store, run.table_file(table.name), sql.sql(query), schema_of(table), folder)


def write_ledger(run: Run, ledger: Ledger, store: ObjectStore) -> None:
    """Write the ledger, as JSON and as a table."""
    batches = ledger.batches
    schema = _flat(batches, slice(0)).schema
    with tempfile.TemporaryDirectory(prefix="streamweir-ledger-") as folder:
        file = Path(folder) / "ledger.parquet"
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for at in range(0, len(batches), BATCHES_AT_ONCE):
                writer.write_table(_flat(batches, slice(at, at + BATCHES_AT_ONCE)))
        store.upload(run.ledger_table, file)
    store.put_json(run.ledger, ledger.to_dict())


def _flat(batches: Batches, at: slice) -> pa.Table:
    """A row per batch and topic, the topics of a batch together."""
    columns = {topic: lines.to_dict() for topic, lines in batches.topics.items()}
    counts = dict.fromkeys(name for found in columns.values() for name in found)
    places = {"batch_index": batches.index[at], "sequence": batches.sequence[at], "ts": batches.ts[at]}
    rows = len(places["ts"])
    none = pa.nulls(rows, pa.int64())
    frames = [
        pa.table(
            {
                **places,
                "topic": pa.repeat(topic, rows),
                **{name: found[name][at] if name in found else none for name in counts},
            }
        )
        for topic, found in columns.items()
    ]
    return pa.concat_tables(frames).take(np.arange(len(frames) * rows).reshape(len(frames), -1).T.ravel())
