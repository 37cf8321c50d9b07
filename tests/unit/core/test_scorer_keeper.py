"""The keeper, with small Python programs in place of Spark drivers."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import psutil
import pytest
from tenacity import wait_none

from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer import keeper as module
from streamweir.scorer import status as statuses
from streamweir.scorer import stop
from streamweir.scorer.driver import Driver
from streamweir.scorer.keeper import Keeper
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import State, Status, timestamp
from tests.support.memory_store import MemoryStore

SPEC = ScorerSpec(Stream("ecommerce_fraud", "s"), "run-1", "d" * 64, "m1", "UTC", 600, 60)
SAYS = "print('a line'); print('error: {}'); raise SystemExit({})"
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
WAITS = """
import signal, sys, threading
asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())
print("listening", flush=True)
asked.wait()
"""


class Trial:
    """A keeper whose driver runs one program after another, the last one again and again."""

    def __init__(self, folder: Path, store: ObjectStore, programs: list[str], spec: ScorerSpec) -> None:
        self.programs = programs
        self.log = folder / "scorer.log"
        self.started: list[Driver] = []
        self.store = store
        self.before: Callable[[int], None] = lambda number: None
        self._now = 0.0
        self.keeper = Keeper(spec, "holder", self._start, store, clock=lambda: self._now)

    def _start(self) -> Driver:
        number = len(self.started)
        self.before(number)
        program = self.programs[min(number, len(self.programs) - 1)]
        self.started.append(Driver([sys.executable, "-c", program], {}, self.log))
        return self.started[-1]

    def passes(self, seconds: float) -> None:
        self._now += seconds

    def moves_on(self, batch_id: int) -> None:
        found = statuses.read(self.store, SPEC.stream)
        assert found is not None
        statuses.write(self.store, SPEC.stream, statuses.touched(found, batch_id=batch_id))

    @property
    def status(self) -> Status:
        found = statuses.read(self.store, SPEC.stream)
        assert found is not None
        return found


@pytest.fixture
def store() -> ObjectStore:
    made = cast(ObjectStore, MemoryStore())
    now = timestamp()
    status = Status(str(SPEC.stream), "run-1", "holder", State.RUNNING, now, now, now)
    statuses.write(made, SPEC.stream, status)
    return made


@pytest.fixture
def trial(tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trial]:
    monkeypatch.setattr(module, "_WAIT", wait_none())
    monkeypatch.setattr(module, "_SAY_AGAIN_S", 0.05)
    return lambda *programs, **spec: Trial(tmp_path, store, list(programs), replace(SPEC, **spec))


def test_a_driver_that_was_stopped_is_not_started_again(trial: Callable[..., Trial]) -> None:
    case = trial("print('stopped')")
    assert (case.keeper.run(), len(case.started), case.status.state) == (0, 1, State.RUNNING)


@pytest.mark.parametrize("code", [2, 3, 5])
def test_an_end_that_would_repeat_itself_is_final(trial: Callable[..., Trial], code: int) -> None:
    case = trial(SAYS.format("the model lacks x", code))
    assert case.keeper.run() == code
    assert len(case.started) == 1
    assert (case.status.state, case.status.exit_code, case.status.error) == (
        State.FAILED,
        code,
        "the model lacks x",
    )


def test_a_killed_driver_is_started_again_and_may_end_well(trial: Callable[..., Trial]) -> None:
    case = trial(KILLED, "print('stopped')")
    seen: list[str] = []
    case.before = lambda number: seen.append(f"{case.status.state}: {case.status.error}")
    assert case.keeper.run() == 0
    assert seen == ["running: None", "restarting: the driver was killed by SIGKILL"]
    assert case.status.restarts == 1


def test_a_driver_that_fails_without_any_progress_is_given_up(trial: Callable[..., Trial]) -> None:
    case = trial(SAYS.format("a fault", 1))
    assert case.keeper.run() == 1
    assert len(case.started) == 3
    assert (case.status.state, case.status.error, case.status.restarts) == (State.FAILED, "a fault", 2)


def test_an_outage_is_borne_for_minutes(trial: Callable[..., Trial]) -> None:
    case = trial(SAYS.format("Kafka is away", 4))
    case.before = lambda number: case.passes(40)
    assert case.keeper.run() == 4
    assert len(case.started) == 9
    assert (case.status.state, case.status.error) == (State.FAILED, "Kafka is away")


def test_on_a_named_stream_an_outage_is_borne_for_as_long_as_it_lasts(trial: Callable[..., Trial]) -> None:
    case = trial(*[SAYS.format("Kafka is away", 4)] * 30, "print('stopped')", outage_s=None)
    case.before = lambda number: case.passes(400)
    assert case.keeper.run() == 0
    assert len(case.started) == 31


def test_a_stop_is_heard_while_no_driver_comes_up(trial: Callable[..., Trial]) -> None:
    case = trial(SAYS.format("Kafka is away", 4), outage_s=None)
    case.before = lambda number: stop.request(case.store, SPEC.stream, "a test") if number == 2 else None
    assert case.keeper.run() == 0
    assert (len(case.started), case.status.state) == (3, State.STOPPED)


def test_outages_hours_apart_do_not_add_up(trial: Callable[..., Trial]) -> None:
    case = trial(*[SAYS.format("Kafka is away", 4)] * 5, "print('stopped')")
    case.before = lambda number: case.passes(3600)
    assert case.keeper.run() == 0
    assert len(case.started) == 6


def test_failures_with_progress_between_them_do_not_add_up(trial: Callable[..., Trial]) -> None:
    case = trial(*[SAYS.format("a fault", 1)] * 12, "print('stopped')")
    case.before = lambda number: case.moves_on(number)
    assert case.keeper.run() == 0
    assert len(case.started) == 13


def test_the_status_of_another_scorer_is_left_alone(trial: Callable[..., Trial]) -> None:
    case = trial(SAYS.format("held by another", 5))
    other = statuses.touched(case.status, holder="another")
    statuses.write(case.store, SPEC.stream, other)
    assert case.keeper.run() == 5
    assert case.status == other


def test_a_stop_reaches_a_driver_that_did_not_listen_at_first(trial: Callable[..., Trial]) -> None:
    case = trial(WAITS)
    case.before = lambda number: case.keeper.end()
    assert case.keeper.run() == 0
    assert "listening" in case.log.read_text()


def test_a_stop_between_two_tries_ends_the_keeper(trial: Callable[..., Trial]) -> None:
    case = trial(KILLED)
    case.before = lambda number: case.keeper.end() if number == 1 else None
    assert case.keeper.run() == 0
    assert len(case.started) == 2
    assert (case.status.state, case.status.error) == (State.STOPPED, "the driver was killed by SIGKILL")


def test_a_driver_that_cannot_be_started_is_told_in_the_status(trial: Callable[..., Trial]) -> None:
    case = trial(KILLED)

    def full(number: int) -> None:
        raise OSError("no space left on device")

    case.before = full
    assert case.keeper.run() == 1
    assert (case.status.state, case.status.exit_code) == (State.FAILED, 1)
    assert case.status.error == "the driver cannot be started: no space left on device"


def test_nothing_of_a_driver_outlives_it(trial: Callable[..., Trial]) -> None:
    leaves = "import os, subprocess, sys; " + (
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], process_group=0); "
        "print(child.pid, flush=True); os._exit(0)"
    )
    case = trial(leaves)
    assert case.keeper.run() == 0
    left = int(case.log.read_text().split()[-1])
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


def test_the_last_words_are_those_of_the_last_driver(tmp_path: Path) -> None:
    log = tmp_path / "scorer.log"
    for program in (SAYS.format("the first", 1), "print('nothing special')"):
        driver = Driver([sys.executable, "-c", program], {}, log)
        driver.wait()
    assert driver.last_words() == "nothing special"
    assert "error: the first" in log.read_text()


def test_a_driver_ignores_the_signal_until_it_wants_to_hear_it(tmp_path: Path) -> None:
    driver = Driver(
        [sys.executable, "-c", "import sys; sys.stdin.read(); print('survived')"], {}, tmp_path / "log"
    )
    driver.stop()
    assert driver.wait() == 0
    assert (tmp_path / "log").read_text() == "survived\n"
