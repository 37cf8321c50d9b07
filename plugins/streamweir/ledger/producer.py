"""The producer's own counts: what the replay wrote down as it sent."""

import io
from typing import Any

import pyarrow.parquet as pq

from streamweir.contracts.messages import Kind
from streamweir.contracts.streams import ObjectKey, Run
from streamweir.contracts.tables import Pipeline
from streamweir.errors import RunFailed
from streamweir.ledger.counts import Sent, SentBatch
from streamweir.objectstore import ObjectStore
from streamweir.replay.manifest import Manifest
from streamweir.replay.plan import Plan

_PLACE = ("batch_index", "sequence", "ts", "kind")


def read_plan(run: Run, store: ObjectStore) -> Plan:
    """What the replay was asked to send; raises RunFailed when it did not begin."""
    return Plan.from_json(_written(store.get_json(run.plan), run.plan))


def read_manifest(run: Run, store: ObjectStore) -> Manifest:
    """What the replay wrote after its flush; raises RunFailed when it did not get that far."""
    return Manifest.from_json(_written(store.get_json(run.manifest), run.manifest))


def read_sent(run: Run, pipeline: Pipeline, manifest: Manifest, store: ObjectStore) -> Sent:
    """The batches of a run as its replay counted them."""
    rows = pq.read_table(io.BytesIO(_written(store.get(run.produced), run.produced))).to_pylist()
    counted = {f"{topic.name}_rows": topic.name for topic in pipeline.inputs}
    batches = [_batch(row, counted) for row in rows if row["kind"] == Kind.BATCH]
    if not batches:
        raise RunFailed(f"run {run.id!r} replayed no batch: its dataset is empty")
    return Sent(
        batches=tuple(sorted(batches, key=lambda batch: batch.index)),
        flushes=sum(row["kind"] == Kind.FLUSH for row in rows),
        manifest_batches=manifest.batches,
        manifest_rows=manifest.rows,
    )


def _written(found: Any, key: ObjectKey) -> Any:
    if found is None:
        raise RunFailed(f"the replay has not ended: {key} is missing; clear the task `replay`, it resumes")
    return found


def _batch(row: dict[str, Any], counted: dict[str, str]) -> SentBatch:
    return SentBatch(
        index=row["batch_index"],
        sequence=row["sequence"],
        ts=row["ts"],
        rows={topic: row[column] for column, topic in counted.items()},
        facts={name: value for name, value in row.items() if name not in counted and name not in _PLACE},
    )
