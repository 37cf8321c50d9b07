"""Two made-up runs of any pipeline, with what a comparison reads: plan, manifest, ledger, params, tables."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.arrow import parquet, schema_of
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.runs import DATASET_TASK, Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.contracts.tables import Column, Table, Type
from streamweir.ledger.timing import LATENCY_SCHEMA, MICRO_BATCH_SCHEMA
from streamweir.replay.plan import Plan
from streamweir.replay.produced import Manifest
from tests.support.memory_store import MemoryStore

START_TS = 1_767_225_600
BEGAN = datetime.fromtimestamp(START_TS, UTC)
ROWS = 12

Row = dict[str, Any]


def made_up_run(store: MemoryStore, pipeline: str, run_id: str, rows: int = ROWS, **plan: Any) -> Run:
    """A finished run whose tables have so many rows each, the same for every run of the pipeline.

    plan: what its plan says beside the made-up values.
    """
    run = Run(Stream(pipeline, stream_id_of(run_id)), run_id)
    declared = pipeline_of(pipeline)
    said = {"dataset": "d" * 64, "start_ts": START_TS, "batch_rows": 1, "late": {}, **plan}
    put_plan(store, run, **said)
    store.put_json(run.ledger, {"outcome": "success"})
    store.put_json(run.parameters, {"speed": 10, "start_ts": None, "threshold": None})
    put_dataset(store, run, said["dataset"])
    for table in declared.tables:
        put_table(store, run, table, [row_of(table, number, run_id) for number in range(rows)])
    latency = {"seconds": [0.5, 1.5], "batch_index": [0, 1]}
    store.put(run.latency, parquet(_filled(latency, LATENCY_SCHEMA)))
    batches = {
        "committed_at": [BEGAN, BEGAN + timedelta(seconds=2)],
        **{name: [10, 20] for name in ("used", "scored", "rejected", "state_bytes")},
    }
    store.put(run.micro_batches, parquet(_filled(batches, MICRO_BATCH_SCHEMA)))
    return run


def put_plan(store: MemoryStore, run: Run, *, rows: int = ROWS, **said: Any) -> None:
    """Write what the run was to send, and did send."""
    named = {"run": run.id, "pipeline": run.stream.pipeline, "stream": run.stream.id}
    common = {**named, "interval_s": 1, "first_sequence": 0, "offsets": {}}
    plan = Plan(**common, speed=10, batches=None, planned_at=BEGAN.isoformat(), **said)
    store.put_json(run.plan, plan.to_json())
    sent = {topic.name: rows for topic in pipeline_of(run.stream.pipeline).inputs}
    times = {"started_at": BEGAN.isoformat(), "ended_at": BEGAN.isoformat(), "seconds": 1.0}
    manifest = Manifest(
        **common,
        **times,
        dataset=said["dataset"],
        start_ts=said["start_ts"],
        batches=rows,
        flush_sequence=rows,
        flush_ts=START_TS + 1_000,
        last_ts=START_TS + rows,
        rows=sent,
        facts={},
        rows_per_second=1.0,
        resumed_at_sequence=None,
    )
    store.put_json(run.manifest, manifest.to_json())


def put_dataset(store: MemoryStore, run: Run, fingerprint: str, **files: str) -> None:
    """Write what the task says of a dataset. files: checksums by name; `history` is one that only trains."""
    named = {"live": "l" * 64, "history": "h" * 64, **files}
    described = [
        {"name": name, "sha256": sha256, "history": name == "history", "live_too": False}
        for name, sha256 in named.items()
    ]
    said = {"fingerprint": fingerprint, "history_fingerprint": named["history"], "files": described}
    record = {"task": DATASET_TASK, "started_at": BEGAN.isoformat(), "result": said}
    store.put_json(run.task(DATASET_TASK), record)


def put_table(store: MemoryStore, run: Run, table: Table, rows: list[Row]) -> None:
    """Write a table of the bundle."""
    store.put(run.table_file(table.name), parquet(pa.Table.from_pylist(rows, schema_of(table))))


def rows_in(store: MemoryStore, run: Run, table: Table) -> list[Row]:
    """The rows of a table of the bundle."""
    reader = pa.BufferReader(store.get(run.table_file(table.name)) or b"")
    found: list[Row] = pq.read_table(reader).to_pylist()
    return found


def row_of(table: Table, number: int, run_id: str) -> Row:
    """A row: what is the run's own differs from run to run, everything else does not."""
    return {column.name: _value(column, number, run_id) for column in table.columns}


def _value(column: Column, number: int, run_id: str) -> Any:
    own = sum(run_id.encode()) if column.own else 0
    values: Mapping[Type, Any] = {
        Type.STRING: f"{column.name} {number}{run_id if column.own else ''}",
        Type.INT: number + own,
        Type.DOUBLE: (number + 0.5) / 100,
        Type.BOOL: number % 3 == 0,
        Type.TIMESTAMP: BEGAN + timedelta(seconds=number + own),
        Type.DATE: (BEGAN + timedelta(days=number)).date(),
        Type.DOUBLES: [number / 100, 1 - number / 100],
        Type.BINARY: b"\xff" + str(number).encode(),
    }
    # Of two classes: the labels and the decisions are called so.
    return number % 2 if column.name in ("Class", "prediction") else values[column.type]


def _filled(values: Mapping[str, list[Any]], schema: pa.Schema) -> pa.Table:
    count = len(next(iter(values.values())))
    return pa.table({field.name: values.get(field.name, [None] * count) for field in schema}, schema)
