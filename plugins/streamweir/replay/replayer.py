"""Sends a run: reads the dataset, keeps the schedule, commits batches, resumes where the topics end."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from streamweir.broker.records import await_readable
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Kind
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.progress import Progress, no_progress
from streamweir.replay.agreement import agree, refuse_other_run, stored_plan
from streamweir.replay.arriving import Arriving
from streamweir.replay.batches import Recording, Source, source_of
from streamweir.replay.deliveries import SpanStart, check_late
from streamweir.replay.parcels import Backlog, Job, Parcel, parcels
from streamweir.replay.plan import Plan, Request
from streamweir.replay.position import Position, find_flush, join
from streamweir.replay.produced import Counting, Manifest, Produced, on_the_clock
from streamweir.replay.stop import StopRequest, never
from streamweir.replay.transmission import Link, Transmission

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
        resumption = _resume_at(plan, run, pipeline, kafka, at)
        counting = Counting(pipeline, source.facts, plan.options)
        produced = Produced(run, store, counting, plan.first_sequence)
        job = _job(recording, plan, store, produced, resumption)
        # A recording that ends by itself is not asked to.
        stopped = StopRequest(store, run) if recording.seconds is None else never
        leading = pipeline.inputs[0].name
        with (
            closing(parcels(job, stopped)) as left,
            progress(f"replaying {run.id}", recording.rows, f"{leading} rows") as advance,
        ):
            advance(produced.rows[leading])

            def sent(parcel: Parcel) -> None:
                produced.add(parcel.counts, parcel.span)
                advance(parcel.rows)

            waiting = left.is_waiting if isinstance(left, Arriving) else never
            backlog = Backlog(_unsent(left, resumption.first, sent), waiting)
            transmission = Transmission(run, pipeline, backlog, link, at, sent)
            transmission.send_all(plan.pace, stopped)
    finally:
        link.drop()
    for name, offsets in transmission.offsets.items():
        await_readable(kafka, run.stream.topic(name), offsets)
    produced.record()
    manifest = _manifest(plan, recording, produced, transmission, resumption.first)
    store.put_json(run.manifest, manifest.to_json())
    return manifest


def _recording(source: Source, request: Request, folder: Path) -> Recording:
    rows, limit = request.batch_rows or source.BATCH_ROWS, request.batches
    for name, value, least in (("batch_rows", rows, 1), ("batches", limit, 1), ("speed", request.speed, 0)):
        if value is not None and not least <= value < math.inf:
            raise BadConfiguration(f"{name} is {value}; take a finite number, {least} or more")
    if request.rate is not None and not 0 < request.rate < math.inf:
        raise BadConfiguration(f"rate is {request.rate}; take more than 0 batches a second, or leave it out")
    recording = source.recording(
        folder,
        batch_rows=rows,
        limit=limit,
        unsorted_ok=request.unsorted_ok,
        options=request.options,
    )
    if recording.finding:
        _LOG.warning("%s; it is replayed in file order", recording.finding)
    check_late(request.late, recording.seconds)
    return recording


class Resumption(NamedTuple):
    """Where a run goes on. first: the first sequence that the topics do not hold. flush: that of its flush,
    when they hold that.
    """

    first: int
    flush: int | None = None


def _resume_at(plan: Plan, run: Run, pipeline: Pipeline, kafka: KafkaConnection, at: Position) -> Resumption:
    """Where the run goes on; a redrive, or runs after it, may lie behind its flush."""
    if at.next_sequence == plan.first_sequence:
        return Resumption(at.next_sequence)
    if at.last is not None and at.last.run == run.id and at.last.kind is not Kind.REDRIVE:
        return Resumption(at.next_sequence, at.last.sequence if at.flushed else None)
    start = plan.offsets[pipeline.leading.topic.name]
    flush = find_flush(kafka, run, pipeline, start) if at.next_sequence > plan.first_sequence else None
    if flush is not None:
        return Resumption(flush + 1, flush)
    raise BadConfiguration(
        f"run {run.id} was planned from sequence {plan.first_sequence} on, but stream {run.stream} is at "
        f"{at.next_sequence} without it: its topics were deleted, or another run went first. Start a new run"
    )


def _job(recording: Recording, plan: Plan, store: ObjectStore, produced: Produced, at: Resumption) -> Job:
    """What is left to count and to send. Delayed batches may come of any span: then all are read again."""
    begin = None if plan.late else produced.begin
    begin = begin or SpanStart(0, 0, plan.first_sequence)
    return Job(recording, plan, store, begin, produced.next_sequence, at.first, at.flush)


def _unsent(found: Iterator[Parcel], first: int, sent: Callable[[Parcel], None]) -> Iterator[Parcel]:
    """The parcels from a sequence on; those before it are there already."""
    for parcel in found:
        if parcel.sequence < first:
            sent(parcel)
        else:
            yield parcel


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
