"""The two runs of a comparison: finding them by name, refusing two that did not replay the same messages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.runs import DATASET_TASK, Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.errors import BadConfiguration
from streamweir.models.registry import Registry
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Plan, parse_late
from streamweir.replay.produced import Manifest

_SHOWN = 12
"""Of a fingerprint: enough to name it."""


@dataclass(frozen=True)
class Side:
    """What is known of a run beside its tables.

    parameters: by their lower-case names. dataset: as the task that ensured it reported it; empty for a run
    that no DAG started. version: of its model; None for a run without one.
    """

    run: Run
    plan: Plan
    manifest: Manifest
    parameters: Mapping[str, Any]
    dataset: Mapping[str, Any]
    version: str | None

    @property
    def files(self) -> Mapping[str, str]:
        """The checksums of the files that were replayed, or read beside, by their names."""
        return {
            file["name"]: file["sha256"]
            for file in self.dataset.get("files", ())
            if not file["history"] or file["live_too"]
        }

    def taught(self, store: ObjectStore) -> int:
        """How many of its rows, the first that were sent, its model was made from."""
        if self.version is None:
            return 0
        card = Registry(store, self.run.stream.pipeline).card(self.version)
        return card.taught_by(self.dataset.get("history_fingerprint"))


def run_named(pipeline: str, text: str) -> Run:
    """The run `<run id>` on its own stream, or `<stream>/<run id>`; raises BadConfiguration for neither."""
    stream, _, run = text.rpartition("/")
    if not run:
        raise BadConfiguration(f"{text[:80]!r} names no run: give its id, or <stream>/<run id>")
    return Run(Stream(pipeline_of(pipeline).name, stream or stream_id_of(run)), run)


def side_of(store: ObjectStore, run: Run) -> Side:
    """A finished run; raises BadConfiguration for one that is unknown or not finished."""
    plan, manifest = _planned(store, run), store.get_json(run.manifest)
    if manifest is None or not store.exists(run.ledger):
        raise BadConfiguration(
            f"run {run.id} is not finished: {run.ledger} is not there; wait for its task `reconcile`"
        )
    dataset = store.get_json(run.task(DATASET_TASK)) or {}
    return Side(
        run=run,
        plan=plan,
        manifest=Manifest.from_json(manifest),
        parameters=store.get_json(run.parameters) or {},
        dataset=dataset.get("result") or {},
        version=(store.get_json(run.model) or {}).get("version"),
    )


def alike(store: ObjectStore, baseline: Run, candidate: Run) -> tuple[Side, Side]:
    """Two finished runs that sent the same messages.

    Raises BadConfiguration for one that is unknown or not finished, and, with all that differs, for two that
    did not.
    """
    sides = side_of(store, baseline), side_of(store, candidate)
    if said := "; ".join(_other_messages(*sides)):
        raise BadConfiguration(
            f"runs {baseline.id} and {candidate.id} cannot be compared, as they did not replay the same "
            f"messages: {said}"
        )
    return sides


def name_of(run: Run) -> str:
    """The name by which `run_named` finds the run."""
    return run.id if run.stream.id == stream_id_of(run.id) else f"{run.stream.id}/{run.id}"


def refuse_unlike(store: ObjectStore, pipeline: str, asked: Mapping[str, Any], compare_with: str) -> None:
    """Raise BadConfiguration when a run with these params cannot be compared with the one that is named.

    What is only known later, as which dataset a generator makes, is checked when the two are compared.
    """
    other = side_of(store, run_named(pipeline, compare_with))
    late = parse_late(asked.get("late") or "")
    wanted = {"start_ts": (asked["start_ts"], other.plan.start_ts), "late": (late, dict(other.plan.late))}
    said = [
        f"{name} is {theirs} there and {ours} here"
        for name, (ours, theirs) in wanted.items()
        if ours != theirs
    ]
    if said:
        raise BadConfiguration(
            f"compare_with: run {other.run.id} replayed other messages: {'; '.join(said)}. Give this run the "
            "same params"
        )


def _planned(store: ObjectStore, run: Run) -> Plan:
    plan = store.get_json(run.plan)
    if plan is not None:
        return Plan.from_json(plan)
    for name in pipeline_names():
        if store.exists(Run(Stream(name, run.stream.id), run.id).plan):
            raise BadConfiguration(
                f"run {run.id} is one of {name}, not of {run.stream.pipeline}: runs of different pipelines "
                "cannot be compared"
            )
    raise BadConfiguration(
        f"there is no run {run.id} on stream {run.stream}: see `streamweir runs list`, and name a run that "
        "is not on its own stream as <stream>/<run id>"
    )


def _other_messages(baseline: Side, candidate: Side) -> Iterator[str]:
    both = baseline.plan, candidate.plan
    if baseline.plan.dataset != candidate.plan.dataset:
        yield from _other_files(baseline, candidate)
    for name in ("start_ts", "batch_rows", "late"):
        first, second = (getattr(plan, name) for plan in both)
        if first != second:
            yield f"{name} is {first} in the first and {second} in the second"
    if baseline.manifest.rows != candidate.manifest.rows:
        first, second = (_counts(side.manifest.rows) for side in (baseline, candidate))
        yield f"the first sent {first}, the second {second}"


def _other_files(baseline: Side, candidate: Side) -> Iterator[str]:
    """What differs of the files that a run reads: what models are trained on is no part of the messages."""
    first, second = baseline.files, candidate.files
    if not first or not second:
        shown = (side.plan.dataset[:_SHOWN] for side in (baseline, candidate))
        yield "the dataset is {} in the first and {} in the second".format(*shown)
    other = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
    if first and second and other:
        yield f"of the datasets other files: {', '.join(other)}"


def _counts(rows: Mapping[str, int]) -> str:
    return " and ".join(f"{count:,} rows of {topic}" for topic, count in rows.items())
