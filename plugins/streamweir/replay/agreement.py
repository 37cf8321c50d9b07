"""Agreeing on a run's plan: made once, kept when the run is resumed, refused when it would have to change."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from streamweir.contracts.messages import LATEST_TS
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore, to_json
from streamweir.replay.plan import Plan, Request
from streamweir.replay.position import Position, run_before


def stored_plan(store: ObjectStore, run: Run, request: Request, batch_rows: int) -> Plan | None:
    """The run's plan, or None when it has none yet.

    Raises BadConfiguration when the request differs from it; batch_rows: the pipeline's default.
    """
    found = store.get_json(run.plan)
    if found is None:
        return None
    plan = Plan.from_json(found)
    if differences := list(_differences(plan, request, batch_rows)):
        raise BadConfiguration(
            f"run {run.id} was planned with other parameters: {'; '.join(differences)}. "
            "Take the planned ones to resume it, or start a new run"
        )
    return plan


def agree(
    store: ObjectStore,
    run: Run,
    request: Request,
    batch_rows: int,
    pipeline: Pipeline,
    at: Position,
    seconds: Sequence[float] | None,
) -> Plan:
    """The run's plan: the stored one, else a new one at the stream's position.

    seconds: of the batches, as `Recording` has them. Raises BadConfiguration when the request differs from
    the stored plan, when another run is under way on the stream, when START_TS is less than 1 s after what
    the stream holds, or when the run would leave the calendar.
    """
    plan = stored_plan(store, run, request, batch_rows)
    if plan is not None:
        return plan
    refuse_other_run(run, at)
    if at.last is not None and at.last.run == run.id:
        raise BadConfiguration(
            f"stream {run.stream} holds messages of run {run.id}, but its plan {run.plan} is gone: "
            "start a new run"
        )
    now = datetime.now(UTC)
    plan = Plan(
        run=run.id,
        pipeline=pipeline.name,
        stream=run.stream.id,
        dataset=request.dataset,
        start_ts=_start_ts(request.start_ts, at, int(now.timestamp())),
        interval_s=pipeline.interval_s,
        speed=request.speed,
        batches=request.batches,
        batch_rows=request.batch_rows or batch_rows,
        first_sequence=at.next_sequence,
        late=dict(request.late),
        offsets=at.offsets,
        planned_at=now.isoformat(),
        rate=request.rate,
        lateness_s=pipeline.lateness_s if request.lateness_s is None else request.lateness_s,
        options=dict(request.options),
        before=run_before(store, run.stream, at),
    )
    _check_calendar(plan, pipeline, seconds)
    if store.put_if_absent(run.plan, to_json(plan.to_json())) is None:
        # The same run was started twice; both go by what the faster one planned, and one of them gets fenced.
        return agree(store, run, request, batch_rows, pipeline, at, seconds)
    return plan


def refuse_other_run(run: Run, at: Position) -> None:
    """Raise BadConfiguration when another run is under way on the stream, before it is disturbed."""
    if at.last is not None and not at.flushed and at.last.run != run.id:
        raise BadConfiguration(
            f"run {at.last.run} on stream {run.stream} has not sent its flush: wait for it, or run it again "
            "under its own run id so that it is resumed"
        )


def _start_ts(asked: int | None, at: Position, now: int) -> int:
    earliest = None if at.largest_ts is None else at.largest_ts + 1
    if asked is None:
        return now if earliest is None else max(now, earliest)
    if earliest is not None and asked < earliest:
        raise BadConfiguration(
            f"start_ts {asked} is too early: the stream holds records up to {earliest - 1}; "
            f"take {earliest} or later, or leave it out"
        )
    return asked


def _check_calendar(plan: Plan, pipeline: Pipeline, seconds: Sequence[float] | None) -> None:
    """A message with a ts that no timestamp can hold would be foreign to the scorer, and its stream lost."""
    # An endless run begins at second 0; it is not known how far it gets.
    ends = (0, 0) if seconds is None else (seconds[0], seconds[-1])
    first, last = (plan.start_ts + math.floor(second) for second in ends)
    flush = last + pipeline.flush_after(plan.lateness_s)
    if first < 0 or flush > LATEST_TS:
        raise BadConfiguration(
            f"start_ts {plan.start_ts} would let the run last from {first} to {flush} Unix seconds, outside "
            "the years 1970 to 9999: give seconds, not milliseconds"
        )


def _differences(plan: Plan, request: Request, batch_rows: int) -> Iterator[str]:
    asked = {
        "dataset": request.dataset,
        "speed": request.speed,
        "rate": request.rate,
        "lateness_s": plan.lateness_s if request.lateness_s is None else request.lateness_s,
        "batches": request.batches,
        "batch_rows": request.batch_rows or batch_rows,
        "late": dict(request.late),
        "options": dict(request.options),
        "start_ts": plan.start_ts if request.start_ts is None else request.start_ts,
    }
    for name, value in asked.items():
        planned = getattr(plan, name)
        if value != planned:
            yield f"{name} {value} instead of {planned}"
