"""Health by what changes from look to look: no two hosts' clocks are compared."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer import health as module
from streamweir.scorer import status as statuses
from streamweir.scorer.health import Health, Watch, find
from streamweir.scorer.status import State, Status, timestamp
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "s")
ELSEWHERE = datetime(2031, 1, 1, tzinfo=UTC)
"""The clock of the scorer's host is wrong by years."""


def status(state: State = State.RUNNING, *, updated: float = 0, progressed: float = 0) -> Status:
    at = [timestamp(ELSEWHERE + timedelta(seconds=seconds)) for seconds in (0, updated, progressed)]
    return Status(str(STREAM), "run-1", "run-1-abc", state, *at)


class Clock:
    """Moves only between two looks; what happens then is `happens`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.happens: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.happens()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "_clock", lambda: made.now)
    monkeypatch.setattr(module, "_pause", made.pause)
    return made


@pytest.mark.parametrize(
    ("state", "unchanged_s", "expected"),
    [
        (State.RUNNING, 6, Health.HEALTHY),
        (State.RUNNING, 30, Health.STALE),
        (State.STOPPING, 6, Health.HEALTHY),
        (State.STARTING, 60, Health.STARTING),
        (State.STARTING, 600, Health.STALE),
        (State.RESTARTING, 60, Health.STARTING),
        (State.RESTARTING, 600, Health.STALE),
        (State.STOPPED, 600, Health.ENDED),
        (State.FAILED, 600, Health.FAILED),
    ],
)
def test_a_status_that_nobody_rewrites_is_stale(
    clock: Clock, state: State, unchanged_s: float, expected: Health
) -> None:
    watch = Watch()
    watch.health(status(state))
    clock.now = unchanged_s
    assert watch.health(status(state)) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(130, Health.HEALTHY), (300, Health.STUCK)])
def test_a_scorer_that_rewrites_its_status_without_progress_is_stuck(
    clock: Clock, seconds: int, expected: Health
) -> None:
    watch = Watch()
    for second in range(0, seconds + 1, 5):
        clock.now = second
        found = watch.health(status(updated=second))
    assert found is expected


def test_progress_is_told_from_look_to_look(clock: Clock) -> None:
    watch = Watch()
    for second in range(0, 1000, 5):
        clock.now = second
        assert watch.health(status(updated=second, progressed=second)) is Health.HEALTHY


@pytest.fixture
def store() -> ObjectStore:
    return cast(ObjectStore, MemoryStore())


def test_a_scorer_is_found_alive_once_its_status_changes(store: ObjectStore, clock: Clock) -> None:
    statuses.write(store, STREAM, status())
    clock.happens = lambda: statuses.write(store, STREAM, status(updated=5))
    found = find(store, STREAM)
    assert (found.alive, found.status, clock.now) == (True, status(updated=5), 1)


@pytest.mark.parametrize(("state", "after_s"), [(State.RUNNING, 20), (State.STARTING, 120)])
def test_a_scorer_of_which_no_sign_comes_is_not_found_alive_however_late_its_clock_is(
    store: ObjectStore, clock: Clock, state: State, after_s: float
) -> None:
    statuses.write(store, STREAM, status(state))
    assert not find(store, STREAM).alive
    assert after_s < clock.now <= after_s + 2


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED])
def test_a_scorer_that_has_ended_is_not_waited_for(store: ObjectStore, clock: Clock, state: State) -> None:
    statuses.write(store, STREAM, replace(status(), state=state))
    clock.happens = lambda: pytest.fail("waited")
    assert not find(store, STREAM).alive


def test_a_stream_without_a_status_has_no_scorer(store: ObjectStore) -> None:
    found = find(store, STREAM)
    assert (found.status, found.etag, found.alive) == (None, None, False)
