"""Writing the ledger and the run's tables into the run bundle."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.contracts.streams import ObjectKey, Run
from streamweir.contracts.tables import Pipeline
from streamweir.ledger.arrow import cast, check_columns, schema_of
from streamweir.ledger.results import Frames
from streamweir.ledger.values import Ledger
from streamweir.objectstore import ObjectStore

MEMORY = "384MB"
"""What sorting a table may take."""
ROWS_AT_ONCE = 100_000


def write_tables(run: Run, pipeline: Pipeline, frames: Frames, store: ObjectStore, folder: Path) -> None:
    """Write each result table whole, as its contract declares it; raises RunFailed when one differs."""
    for table in pipeline.tables:
        frame = frames[table.name]
        check_columns(frame.schema.names, table)
        query = f"select {_names(table.names)} from frame order by {_names(table.key)}"  # noqa: S608
        with sorting(folder) as sql:
            sql.register("frame", frame)
            put_rows(store, run.table_file(table.name), sql.sql(query), schema_of(table), folder)


@contextmanager
def sorting(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sorts what is larger than its memory, with the help of a folder."""
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(folder / "sorting")}) as sql:
        sql.execute("set TimeZone = 'UTC'")
        yield sql


def put_rows(
    store: ObjectStore, key: ObjectKey, rows: duckdb.DuckDBPyRelation, schema: pa.Schema, folder: Path
) -> None:
    """Write rows as one parquet object, some of them at a time; raises RunFailed where one fits no type."""
    file = folder / "rows.parquet"
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in rows.to_arrow_reader(ROWS_AT_ONCE):
            writer.write_table(cast(pa.table(batch), schema, key))
    store.upload(key, file)


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


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
