"""Sends a run: reads the dataset, keeps the schedule, commits batches, resumes where the topics end."""

import importlib
import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from streamweir.broker.records import await_readable
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.streams import Run
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.progress import Advance, Progress, no_progress
from streamweir.replay.agreement import agree, refuse_other_run, stored_plan
from streamweir.replay.apart import MANY, Job, parcels_apart
from streamweir.replay.backlog import Backlog, Parcel, prepared
from streamweir.replay.batches import Recording
from streamweir.replay.chain import join
from streamweir.replay.deliveries import check_late, deliveries, messages
from streamweir.replay.link import Link
from streamweir.replay.manifest import Manifest, on_the_clock
from streamweir.replay.plan import Plan, Request
from streamweir.replay.position import Position, holds_flush
from streamweir.replay.produced import Produced
from streamweir.replay.transmission import Transmission

_LOG = logging.getLogger(__name__)


def replay(
    run: Run,
    request: Request,
    *,
    kafka: KafkaConnection,
    store: ObjectStore,
    folder: Path,
    progress: Progress = no_progress,
) -> Manifest:
    """Send the run's batches and its flush, each exactly once, however often this is called for the run.

    folder: where the dataset's files lie. The topics must exist. The same run id goes on after the last
    sequence that the topics hold; a run that is complete is not sent again. Raises DatasetUnusable before the
    first message; BadConfiguration for parameters that do not fit the run, the stream or the dataset;
    DependencyUnreachable when Kafka stays away.
    """
    pipeline, source = pipeline_of(run.stream.pipeline), source_of(run.stream.pipeline)
    planned = stored_plan(store, run, request, source.BATCH_ROWS)
    if planned is not None and (done := store.get_json(run.manifest)) is not None:
        return Manifest.from_json(done)
    recording = _recording(source, request, folder)
    link = Link(kafka, run.stream, pipeline)
    refuse_other_run(run, link.look())
    try:
        at = link.open()
        plan = agree(store, run, request, source.BATCH_ROWS, pipeline, at, recording.seconds)
        join(store, run, plan, at)
        resumed = _resume_at(plan, run, pipeline, kafka, at)
        produced = Produced(pipeline, source.facts, plan.options)
        with progress(f"replaying {run.id}", recording.rows, f"{pipeline.inputs[0].name} rows") as advance:
            parcels = _parcels(Job(recording, plan, resumed), produced, advance)
            transmission = Transmission(run, pipeline, Backlog(parcels), link, at, advance)
            transmission.send_all(plan.pace)
    finally:
        link.drop()
    for name, offsets in transmission.offsets.items():
        await_readable(kafka, run.stream.topic(name), offsets)
    manifest = _manifest(plan, recording, produced, transmission, resumed)
    store.put(run.produced, produced.to_parquet())
    store.put_json(run.manifest, manifest.to_json())
    return manifest


def source_of(pipeline: str) -> ModuleType:
    """The pipeline's replay module.

    It has BATCH_ROWS, `recording(folder, *, batch_rows, limit, unsorted_ok) -> Recording`,
    `value(rows, ts) -> bytes`, which makes a message's value, and `facts`, as `produced.Facts`.
    """
    return importlib.import_module(f"streamweir.replay.{pipeline}")


def _recording(source: ModuleType, request: Request, folder: Path) -> Recording:
    rows, limit = request.batch_rows or source.BATCH_ROWS, request.batches
    for name, value, least in (("batch_rows", rows, 1), ("batches", limit, 1), ("speed", request.speed, 0)):
        if value is not None and not least <= value < math.inf:
            raise BadConfiguration(f"{name} is {value}; take a finite number, {least} or more")
    if request.rate is not None and not 0 < request.rate < math.inf:
        raise BadConfiguration(f"rate is {request.rate}; take more than 0 batches a second, or leave it out")
    recording: Recording = source.recording(
        folder, batch_rows=rows, limit=limit, unsorted_ok=request.unsorted_ok
    )
    if recording.finding:
        _LOG.warning("%s; it is replayed in file order", recording.finding)
    check_late(request.late, recording.seconds)
    return recording


def _resume_at(plan: Plan, run: Run, pipeline: Pipeline, kafka: KafkaConnection, at: Position) -> int:
    """The sequence of the first delivery that the topics do not hold."""
    if at.next_sequence == plan.first_sequence or (at.last is not None and at.last.run == run.id):
        return at.next_sequence
    start = plan.offsets[pipeline.leading.topic.name]
    if at.next_sequence > plan.first_sequence and holds_flush(kafka, run, pipeline, start):
        return at.next_sequence
    raise BadConfiguration(
        f"run {run.id} was planned from sequence {plan.first_sequence} on, but stream {run.stream} is at "
        f"{at.next_sequence} without it: its topics were deleted, or another run went first. Start a new run"
    )


def counted_parcels(job: Job, produced: Produced, advance: Advance) -> Iterator[Parcel]:
    """Count all deliveries, and pack those that are still to be sent; advance: told of the other rows."""
    pipeline, value = pipeline_of(job.plan.pipeline), source_of(job.plan.pipeline).value
    leading = pipeline.inputs[0].name
    for delivery in deliveries(job.recording.batches(), job.plan, pipeline, value):
        produced.add(delivery)
        rows = len(delivery.rows[leading])
        if delivery.sequence >= job.resumed:
            yield Parcel(delivery.sequence, delivery.due, rows, messages(delivery, job.plan.run))
        else:
            advance(rows)


def _parcels(job: Job, produced: Produced, advance: Advance) -> Iterator[Parcel]:
    """The same, made ready while the earlier ones are sent."""
    if len(job.recording.seconds) >= MANY:
        return parcels_apart(job, produced, advance)
    return prepared(counted_parcels(job, produced, advance))


def _manifest(
    plan: Plan, recording: Recording, produced: Produced, transmission: Transmission, resumed: int
) -> Manifest:
    flush_sequence, flush_ts = produced.flush
    return Manifest(
        run=plan.run,
        pipeline=plan.pipeline,
        stream=plan.stream,
        dataset=plan.dataset,
        start_ts=plan.start_ts,
        interval_s=plan.interval_s,
        batches=produced.batches,
        first_sequence=plan.first_sequence,
        flush_sequence=flush_sequence,
        flush_ts=flush_ts,
        last_ts=produced.last_ts,
        rows=produced.rows,
        facts=produced.facts,
        started_at=plan.planned_at,
        ended_at=datetime.now(UTC).isoformat(),
        seconds=round(transmission.seconds, 3),
        rows_per_second=round(transmission.rows / max(transmission.seconds, 1e-3), 1),
        resumed_at_sequence=resumed if resumed > plan.first_sequence else None,
        offsets=transmission.offsets,
        off_schedule_ms=round(transmission.off_schedule_s * 1000, 1) if plan.pace else None,
        labels=on_the_clock(recording.labels, plan.start_ts),
    )
