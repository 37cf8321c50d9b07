"""What a waiting task makes of a scorer's status."""

import pytest

from streamweir.scorer.health import Health, Watch
from streamweir.scorer.status import State, Status, timestamp
from streamweir_airflow.waiting import Outcome, Seen, Waited, started, stopped, until_drained

FLUSH = 40


def status(
    state: State = State.RUNNING,
    *,
    next_sequence: int = 0,
    **more: object,
) -> Status:
    now = timestamp()
    return Status(
        stream="p.s",
        scorer="a",
        holder="a-1",
        state=state,
        started_at=now,
        updated_at=now,
        progressed_at=now,
        next_sequence=next_sequence,
        **more,  # type: ignore[arg-type]
    )


def seen(found: Status | None, health: Health | None = None, *, stop_requested: bool = False) -> Seen:
    """What a look showed; a first look takes what runs for well."""
    return Seen(found, health or (Watch().health(found) if found else None), stop_requested)


def outcome(verdict: Waited | None) -> Outcome | None:
    return verdict.outcome if verdict else None


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (seen(status(State.STARTING)), None),
        (seen(status(State.RESTARTING)), None),
        (seen(status(State.RUNNING)), Outcome.READY),
        (seen(status(), Health.STALE), Outcome.LOST),
        (seen(status(State.STARTING), Health.STALE), Outcome.LOST),
        (seen(status(State.STOPPED)), Outcome.LOST),
        (seen(status(State.FAILED, error="no such model", exit_code=3)), Outcome.FAILED),
        (seen(None), Outcome.LOST),
    ],
)
def test_a_scorer_has_started_when_it_runs_and_says_so(look: Seen, expected: Outcome | None) -> None:
    assert outcome(started(look, -1)) == expected


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (seen(status(next_sequence=FLUSH)), None),
        (seen(status(next_sequence=FLUSH + 1)), Outcome.READY),
        (seen(status(State.STOPPED, next_sequence=FLUSH + 1)), Outcome.READY),
        (seen(status(State.FAILED, next_sequence=FLUSH + 1, error="later")), Outcome.READY),
        (seen(status(State.RESTARTING, next_sequence=3)), None),
        (seen(status(State.STOPPED, next_sequence=3)), Outcome.LOST),
        (seen(status(next_sequence=3), Health.STALE), Outcome.LOST),
        (seen(status(next_sequence=3), Health.STUCK), Outcome.GIVEN_UP),
        (seen(status(State.FAILED, next_sequence=3, error="out of memory")), Outcome.FAILED),
        (seen(None), Outcome.LOST),
    ],
)
def test_a_run_is_drained_when_the_flush_is_worked_on(look: Seen, expected: Outcome | None) -> None:
    assert outcome(until_drained(look, FLUSH)) == expected


def test_a_scorer_that_was_stopped_on_request_is_not_started_again() -> None:
    verdict = until_drained(seen(status(State.STOPPED, next_sequence=3), stop_requested=True), FLUSH)
    assert verdict is not None
    assert verdict.outcome == Outcome.FAILED
    assert "on request" in verdict.sentence
    assert "3 of 40" in verdict.sentence


def test_the_drivers_last_error_is_in_the_verdict() -> None:
    failed = status(State.FAILED, error="the disk is full", exit_code=1)
    verdict = until_drained(seen(failed), FLUSH)
    assert verdict is not None
    assert "the disk is full" in verdict.sentence


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (seen(None), Outcome.READY),
        (seen(status(State.STOPPED)), Outcome.READY),
        (seen(status(State.FAILED)), Outcome.READY),
        (seen(status(), Health.STALE), Outcome.READY),
        (seen(status()), None),
        (seen(status(State.STOPPING)), None),
        (seen(status(State.STARTING)), None),
    ],
)
def test_a_stream_is_at_rest_when_no_scorer_works_on_it(look: Seen, expected: Outcome | None) -> None:
    assert outcome(stopped(look, -1)) == expected
