"""What a report is made of: the parts of a run's bundle, each of which a failed run may lack."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from streamweir.arrow import from_parquet
from streamweir.commits import READERS
from streamweir.contracts.formats import stored_format
from streamweir.contracts.pipelines import pipeline as find_pipeline
from streamweir.contracts.runs import COMPARISON_FORMAT, DRAINED_TASK, MODEL_TASK, Run
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Pipeline, Role
from streamweir.errors import ModelUnusable
from streamweir.ledger.values import FORMAT
from streamweir.models.registry import Registry
from streamweir.objectstore import ObjectStore

WORKED_AS = tuple(sorted({role.worked_as for role in Role}))
"""What the ledger may call rows that were worked on."""


@dataclass(frozen=True)
class Bundle:
    """The parts of a run's bundle; None or empty where the run did not get that far.

    tasks: the task records by start. tables: the result tables by name (`Stage.named`). card: the model's
    card as JSON. latency, micro_batches: by the stages' names. comparison: with the run that was named, if
    one was. images: PNG bytes by plot name.
    """

    run: Run
    pipeline: Pipeline
    parameters: Mapping[str, Any] | None = None
    tasks: tuple[Mapping[str, Any], ...] = ()
    manifest: Mapping[str, Any] | None = None
    ledger: Mapping[str, Any] | None = None
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    quality: list[dict[str, Any]] | None = None
    card: Mapping[str, Any] | None = None
    latency: Mapping[str, pa.Table] = field(default_factory=dict)
    micro_batches: Mapping[str, pa.Table] = field(default_factory=dict)
    memory: Mapping[str, Any] | None = None
    comparison: Mapping[str, Any] | None = None
    images: Mapping[str, bytes] = field(default_factory=dict)

    def result_of(self, task: str) -> Mapping[str, Any]:
        """What a task reported; empty when it did not run or failed."""
        return _result_of(self.tasks, task)

    @property
    def model(self) -> Mapping[str, Any]:
        """The run's model as `ensure_model` reported it, the rule that decides among it; and what gave its
        scores, empty where nobody knows."""
        found = self.result_of(MODEL_TASK)
        return {**found, "scoring": self.result_of(DRAINED_TASK).get("scoring", "")} if found else found


def load_bundle(run: Run, store: ObjectStore) -> Bundle:
    """Read a run's bundle and its model's card; what is missing is left out."""
    pipeline = find_pipeline(run.stream.pipeline)
    stages = [stage.name for stage in pipeline.stages]
    names = [stage.named(table.name) for stage in pipeline.stages for table in stage.tables]
    names += [table.name for table in pipeline.told]
    with ThreadPoolExecutor(READERS) as pool:
        keys = (run.parameters, run.manifest, run.ledger, run.memory, run.comparison)
        documents = pool.map(store.get_json, keys)
        quality = pool.submit(store.get_json, run.quality_results)
        frames = pool.map(lambda key: _frame(store, key), [run.table_file(name) for name in names])
        latency = pool.map(lambda stage: _frame(store, run.of_stage(stage).latency), stages)
        micro_batches = pool.map(lambda stage: _frame(store, run.of_stage(stage).micro_batches), stages)
        tasks = _tasks(run, store)
        parameters, manifest, ledger, memory, comparison = documents
        if ledger is not None:
            stored_format(ledger, FORMAT, str(run.ledger), "reconcile the run again")
        if comparison is not None:
            stored_format(comparison, COMPARISON_FORMAT, str(run.comparison), "clear `publish_report`")
        return Bundle(
            run=run,
            pipeline=pipeline,
            parameters=parameters,
            tasks=tasks,
            manifest=manifest,
            ledger=ledger,
            tables=_there(names, frames),
            quality=quality.result(),
            card=_card(run, tasks, store),
            latency=_there(stages, latency),
            micro_batches=_there(stages, micro_batches),
            memory=memory,
            comparison=comparison,
            images=_images(run, store),
        )


def _there(names: Iterable[str], frames: Iterable[pa.Table | None]) -> dict[str, pa.Table]:
    return {name: frame for name, frame in zip(names, frames, strict=True) if frame is not None}


def _frame(store: ObjectStore, key: ObjectKey) -> pa.Table | None:
    data = store.get(key)
    return None if data is None else from_parquet(data)


def _tasks(run: Run, store: ObjectStore) -> tuple[Mapping[str, Any], ...]:
    records = [store.get_json(key) for key in store.list(run.tasks)]
    return tuple(sorted(records, key=lambda record: record["started_at"]))


def _images(run: Run, store: ObjectStore) -> dict[str, bytes]:
    names = [key.key.removeprefix(f"{run.plots.key}/") for key in store.list(run.plots)]
    pictures = [name.removesuffix(".png") for name in names if name.endswith(".png") and "/" not in name]
    return {name: store.get(run.plot(name)) or b"" for name in pictures}


def _card(run: Run, tasks: tuple[Mapping[str, Any], ...], store: ObjectStore) -> dict[str, Any] | None:
    version = _result_of(tasks, MODEL_TASK).get("version")
    if version is None:
        return None
    try:
        return Registry(store, run.stream.pipeline).card(version).to_json()
    except ModelUnusable:
        # The report of a run whose model was removed since is still worth having.
        return None


def _result_of(tasks: Iterable[Mapping[str, Any]], task: str) -> Mapping[str, Any]:
    return next((record.get("result") or {} for record in tasks if record["task"] == task), {})
