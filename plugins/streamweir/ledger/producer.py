"""The producer's own counts: what the replay wrote down as it sent."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamweir.contracts.messages import Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Pipeline
from streamweir.errors import RunFailed
from streamweir.ledger.counts import Sent
from streamweir.objectstore import ObjectStore
from streamweir.replay.manifest import Manifest
from streamweir.replay.plan import Plan
from streamweir.replay.produced import PLACE, parts


def read_plan(run: Run, store: ObjectStore) -> Plan:
    """What the replay was asked to send; raises RunFailed when it did not begin."""
    return Plan.from_json(_written(store.get_json(run.plan), run.plan))


def read_manifest(run: Run, store: ObjectStore) -> Manifest:
    """What the replay wrote after its flush; raises RunFailed when it did not get that far."""
    return Manifest.from_json(_written(store.get_json(run.manifest), run.manifest))


def read_sent(run: Run, pipeline: Pipeline, manifest: Manifest, store: ObjectStore) -> Sent:
    """The batches of a run as its replay counted them."""
    counted = _counted(run, store)
    batches = counted.filter(pc.field("kind") == Kind.BATCH.value).sort_by("batch_index")
    if not batches.num_rows:
        raise RunFailed(f"run {run.id!r} replayed no batch: its dataset is empty")
    rows = {topic.name: f"{topic.name}_rows" for topic in pipeline.inputs}
    facts = [name for name in batches.column_names if name not in (*PLACE, *rows.values())]
    return Sent(
        index=batches["batch_index"].to_numpy(),
        sequence=batches["sequence"].to_numpy(),
        ts=batches["ts"].to_numpy(),
        rows={topic: batches[name].to_numpy() for topic, name in rows.items()},
        facts={name: batches[name].to_numpy() for name in facts},
        flushes=counted.filter(pc.field("kind") == Kind.FLUSH.value).num_rows,
        manifest_batches=manifest.batches,
        manifest_rows=manifest.rows,
    )


def _counted(run: Run, store: ObjectStore) -> pa.Table:
    """The parts of the counts; of a run from before there were parts, the one file."""
    found = [part.replace_schema_metadata() for part in parts(run, store)]
    if not found:
        data = _written(store.get(run.produced_whole), run.produced)
        found = [pq.read_table(io.BytesIO(data))]
    return pa.concat_tables(found)


def _written(found: Any, key: ObjectKey) -> Any:
    if found is None:
        raise RunFailed(f"the replay has not ended: {key} is missing; clear the task `replay`, it resumes")
    return found
