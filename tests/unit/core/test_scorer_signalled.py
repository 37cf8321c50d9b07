"""An event that is set by signals, in a process that gets many of them."""

import signal
import subprocess
import sys
import threading

import pytest

from streamweir.scorer.stop import Signalled

WAITS = """
import signal
from streamweir.scorer.stop import Signalled
event = Signalled()
signal.signal(signal.SIGUSR1, lambda *_: event.set())
signal.signal(signal.SIGTERM, lambda *_: ends.set())
ends = Signalled()
print("listening", flush=True)
while not ends.wait(0.0001):
    event = Signalled()
    event.wait(0.0001)
print("ended", flush=True)
"""


def test_no_signal_finds_it_locked() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        for _ in range(20_000):
            process.send_signal(signal.SIGUSR1)
        process.terminate()
        assert process.stdout.readline() == "ended\n"
    assert process.returncode == 0


def test_all_who_wait_hear_of_it() -> None:
    event, heard = Signalled(), []
    threads = [threading.Thread(target=lambda: heard.append(event.wait())) for _ in range(3)]
    for thread in threads:
        thread.start()
    event.set()
    for thread in threads:
        thread.join(10)
    assert heard == [True, True, True]


@pytest.mark.parametrize("was_set", [True, False])
def test_waiting_ends_after_its_time(was_set: bool) -> None:
    event = Signalled()
    if was_set:
        event.set()
    assert (event.wait(0.01), event.is_set()) == (was_set, was_set)
