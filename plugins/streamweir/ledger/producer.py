"""The producer's own counts: what the replay wrote down as it sent."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamweir.arrow import from_parquet
from streamweir.contracts.messages import Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Pipeline
from streamweir.errors import RunFailed
from streamweir.ledger.counts import Ints, Sent
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Plan
from streamweir.replay.produced import Manifest, parts


def read_plan(run: Run, store: ObjectStore) -> Plan:
    """What the replay was asked to send; raises RunFailed when it did not begin."""
    return Plan.from_json(_written(store.get_json(run.plan), run.plan))


def read_manifest(run: Run, store: ObjectStore) -> Manifest:
    """What the replay wrote after its flush; raises RunFailed when it did not get that far."""
    return Manifest.from_json(_written(store.get_json(run.manifest), run.manifest))


def read_sent(run: Run, pipeline: Pipeline, manifest: Manifest, store: ObjectStore) -> Sent:
    """The batches of a run as its replay counted them."""
    columns, flushes = _batches(_parts(run, store))
    if not len(columns["batch_index"]):
        raise RunFailed(f"run {run.id!r} replayed no batch: its dataset is empty")
    rows = {topic.name: columns.pop(f"{topic.name}_rows") for topic in pipeline.inputs}
    return Sent(
        index=columns.pop("batch_index"),
        sequence=columns.pop("sequence"),
        ts=columns.pop("ts"),
        rows=rows,
        facts=columns,
        flushes=flushes,
        manifest_batches=manifest.batches,
        manifest_rows=manifest.rows,
    )


def _batches(parts: Iterable[pa.Table]) -> tuple[dict[str, Ints], int]:
    """The counts of all batches in columns, by index, and how many flushes there are.

    Each part gives its numbers before the next is read: there may be ten million batches.
    """
    flushes = 0
    found: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
    for part in parts:
        batches = part.filter(pc.field("kind") == Kind.BATCH.value)
        flushes += part.num_rows - batches.num_rows
        for name in batches.column_names:
            if name != "kind":
                found[name].frombytes(batches[name].to_numpy().tobytes())
    # They come in the order in which they were sent, and some were sent late.
    order = np.asarray(found["batch_index"]).argsort(kind="stable")
    return {name: np.asarray(found.pop(name))[order] for name in list(found)}, flushes


def _parts(run: Run, store: ObjectStore) -> Iterator[pa.Table]:
    """The parts of the counts, in order; of a run from before there were parts, the one file."""
    found = False
    for part in parts(run, store):
        found = True
        yield part
    if not found:
        yield from_parquet(_written(store.get(run.produced_whole), run.produced))


def _written(found: Any, key: ObjectKey) -> Any:
    if found is None:
        raise RunFailed(f"the replay has not ended: {key} is missing; clear the task `replay`, it resumes")
    return found
