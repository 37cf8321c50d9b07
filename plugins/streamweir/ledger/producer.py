"""The producer's own counts: what the replay wrote down as it sent."""

import io
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamweir.contracts.messages import Kind
from streamweir.contracts.streams import ObjectKey, Run
from streamweir.contracts.tables import Pipeline
from streamweir.errors import RunFailed
from streamweir.ledger.counts import Sent
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
    data = io.BytesIO(_written(store.get(run.produced), run.produced))
    counted = pq.read_table(data, read_dictionary=["kind"])
    batches = counted.filter(pc.field("kind") == Kind.BATCH.value).sort_by("batch_index")
    if not batches.num_rows:
        raise RunFailed(f"run {run.id!r} replayed no batch: its dataset is empty")
    rows = {topic.name: f"{topic.name}_rows" for topic in pipeline.inputs}
    facts = [name for name in batches.column_names if name not in (*_PLACE, *rows.values())]
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


def _written(found: Any, key: ObjectKey) -> Any:
    if found is None:
        raise RunFailed(f"the replay has not ended: {key} is missing; clear the task `replay`, it resumes")
    return found
