"""What a waiting task makes of a scorer's status."""

from datetime import UTC, datetime, timedelta

import pytest

from streamweir.scorer.status import State, Status, timestamp
from streamweir_airflow.waiting import Outcome, Seen, Verdict, started, stopped, until_drained

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FLUSH = 40


def status(
    state: State = State.RUNNING,
    *,
    age_s: float = 1,
    stalled_s: float = 1,
    next_sequence: int = 0,
    **more: object,
) -> Status:
    updated, moved = (timestamp(NOW - timedelta(seconds=seconds)) for seconds in (age_s, stalled_s))
    return Status(
        stream="p.s",
        scorer="a",
        holder="a-1",
        state=state,
        started_at=moved,
        updated_at=updated,
        progressed_at=moved,
        next_sequence=next_sequence,
        **more,  # type: ignore[arg-type]
    )


def outcome(verdict: Verdict | None) -> Outcome | None:
    return verdict.outcome if verdict else None


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (status(State.STARTING), None),
        (status(State.RESTARTING), None),
        (status(State.RUNNING), Outcome.READY),
        (status(State.RUNNING, age_s=30), Outcome.LOST),
        (status(State.STARTING, age_s=600), Outcome.LOST),
        (status(State.STOPPED), Outcome.LOST),
        (status(State.FAILED, error="no such model", exit_code=3), Outcome.FAILED),
        (None, Outcome.LOST),
    ],
)
def test_a_scorer_has_started_when_it_runs_and_says_so(seen: Status | None, expected: Outcome | None) -> None:
    assert outcome(started(Seen(seen, stop_requested=False), NOW, -1)) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (status(next_sequence=FLUSH), None),
        (status(next_sequence=FLUSH + 1), Outcome.READY),
        (status(State.STOPPED, next_sequence=FLUSH + 1), Outcome.READY),
        (status(State.FAILED, next_sequence=FLUSH + 1, error="later"), Outcome.READY),
        (status(State.RESTARTING, next_sequence=3), None),
        (status(State.STOPPED, next_sequence=3), Outcome.LOST),
        (status(age_s=30, next_sequence=3), Outcome.LOST),
        (status(stalled_s=600, next_sequence=3), Outcome.GIVEN_UP),
        (status(State.FAILED, next_sequence=3, error="out of memory"), Outcome.FAILED),
        (None, Outcome.LOST),
    ],
)
def test_a_run_is_drained_when_the_flush_is_worked_on(seen: Status | None, expected: Outcome | None) -> None:
    assert outcome(until_drained(Seen(seen, stop_requested=False), NOW, FLUSH)) == expected


def test_a_scorer_that_was_stopped_on_request_is_not_started_again() -> None:
    verdict = until_drained(Seen(status(State.STOPPED, next_sequence=3), stop_requested=True), NOW, FLUSH)
    assert verdict is not None
    assert verdict.outcome == Outcome.FAILED
    assert "on request" in verdict.sentence
    assert "3 of 40" in verdict.sentence


def test_the_drivers_last_error_is_in_the_verdict() -> None:
    failed = status(State.FAILED, error="the disk is full", exit_code=1)
    verdict = until_drained(Seen(failed, stop_requested=False), NOW, FLUSH)
    assert verdict is not None
    assert "the disk is full" in verdict.sentence


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, Outcome.READY),
        (status(State.STOPPED), Outcome.READY),
        (status(State.FAILED), Outcome.READY),
        (status(age_s=60), Outcome.READY),
        (status(), None),
        (status(State.STOPPING), None),
        (status(State.STARTING), None),
    ],
)
def test_a_stream_is_at_rest_when_no_scorer_works_on_it(
    seen: Status | None, expected: Outcome | None
) -> None:
    assert outcome(stopped(Seen(seen, stop_requested=True), NOW, -1)) == expected
