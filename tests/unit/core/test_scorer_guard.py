"""The guard, with small programs in place of keepers."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streamweir.scorer.driver import Driver, end_all_of
from streamweir.variables import HOLDER

KILLED_AT_FIRST = """
import os, signal
def work(again):
    print("again" if again else "first", flush=True)
    if not again:
        os.kill(os.getpid(), signal.SIGKILL)
    return 7
"""
WAITS = """
from streamweir.scorer.guard import listen
from streamweir.scorer.stop import Signalled
def work(again):
    asked = Signalled()
    listen(asked.set)
    print("again" if again else "first", flush=True)
    asked.wait()
    return 0
"""
HARD_OF_HEARING = """
from streamweir.scorer.guard import listen
from streamweir.scorer.stop import Signalled
def work(again):
    heard, asked = [], Signalled()
    listen(lambda: asked.set() if heard else heard.append("nothing"))
    print("first", flush=True)
    asked.wait()
    return 0
"""
DEAF = """
import os, signal
from streamweir.scorer import guard
def work(again):
    guard.listen(lambda: os.kill(os.getpid(), signal.SIGKILL))
    print("again" if again else "first", flush=True)
    signal.pause()
"""
RUN = """
import sys
from streamweir.scorer import guard
sys.exit(guard.guarded(work))
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Guards; whatever a failed test leaves of them is ended."""
    made: list[subprocess.Popen[str]] = []
    yield made
    for process in made:
        for one in (*_children(process), process):
            one.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def begin(started: list[subprocess.Popen[str]], program: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", program + RUN], stdout=subprocess.PIPE, text=True)
    started.append(process)
    return process


def test_a_keeper_that_is_killed_is_started_again(started: list[subprocess.Popen[str]]) -> None:
    guard = begin(started, KILLED_AT_FIRST)
    assert guard.communicate()[0].split() == ["first", "again"]
    assert guard.returncode == 7


def test_a_keeper_that_was_asked_to_end_is_not_started_again(started: list[subprocess.Popen[str]]) -> None:
    guard = begin(started, WAITS)
    assert guard.stdout is not None
    assert guard.stdout.readline() == "first\n"
    guard.terminate()
    assert guard.communicate()[0] == ""
    assert guard.returncode == 0


def test_a_keeper_is_asked_until_it_hears(started: list[subprocess.Popen[str]]) -> None:
    guard = begin(started, HARD_OF_HEARING)
    assert guard.stdout is not None
    assert guard.stdout.readline() == "first\n"
    guard.terminate()
    assert guard.wait(30) == 0


def test_a_guard_that_was_asked_to_end_leaves_a_killed_keeper_alone(
    started: list[subprocess.Popen[str]],
) -> None:
    guard = begin(started, DEAF)
    assert guard.stdout is not None
    assert guard.stdout.readline() == "first\n"
    guard.terminate()
    assert guard.communicate()[0] == ""
    assert guard.returncode == 128 + signal.SIGKILL


def test_a_keeper_outlives_its_guard(started: list[subprocess.Popen[str]]) -> None:
    guard = begin(started, WAITS)
    assert guard.stdout is not None
    assert guard.stdout.readline() == "first\n"
    (keeper,) = _children(guard)
    guard.kill()
    guard.wait()
    assert keeper.is_running()
    keeper.terminate()
    assert guard.stdout.read() == ""


def test_a_driver_without_a_keeper_is_found_by_its_holder(tmp_path: Path) -> None:
    sleeps = [sys.executable, "-c", "import signal; signal.pause()"]
    mine = Driver(sleeps, {HOLDER: "mine"}, tmp_path / "mine.log")
    other = Driver(sleeps, {HOLDER: "other"}, tmp_path / "other.log")
    end_all_of("mine")
    assert [psutil.pid_exists(driver.pid) for driver in (mine, other)] == [False, True]
    end_all_of("other")
    for driver in (mine, other):
        driver.wait()


def _children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []
