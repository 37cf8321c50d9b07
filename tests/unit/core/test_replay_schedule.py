"""Pacing on a clock that the test owns."""

import pytest

from streamweir.replay import transmission
from streamweir.replay.transmission import Schedule


class Clock:
    """A monotonic clock whose sleeps take a little longer than asked, as real ones do."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds + 0.004


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(transmission, "time", made)
    return made


def test_oversleeping_and_slow_batches_do_not_add_up(clock: Clock) -> None:
    paced = Schedule(pace=1, first_due=0)
    off = []
    for second in range(600):
        paced.wait(second)
        off.append(clock.now - 1000 - second)
        clock.now += 0.3
    assert min(off) >= 0
    assert max(off) < 0.005


def test_a_batch_that_was_held_up_is_caught_up_without_waiting(clock: Clock) -> None:
    paced = Schedule(pace=2, first_due=0)
    clock.now += 2.2
    for second in range(5):
        paced.wait(second)
    assert clock.slept == []
    paced.wait(5)
    assert clock.slept == [pytest.approx(0.3)]


def test_a_resumed_run_starts_with_its_next_batch_at_once(clock: Clock) -> None:
    paced = Schedule(pace=10, first_due=500)
    paced.wait(500)
    assert clock.slept == []
    assert paced.wait_s(510) == pytest.approx(1)


def test_speed_zero_waits_for_nothing(clock: Clock) -> None:
    paced = Schedule(pace=0, first_due=0)
    paced.wait(10_000)
    assert clock.slept == []
