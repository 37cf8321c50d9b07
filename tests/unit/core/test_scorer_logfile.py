"""A scorer's log stays small, however long the scorer lives."""

import sys
from pathlib import Path

import pytest

from streamweir.scorer import driver
from streamweir.scorer.driver import Driver, rotate

SPEAKS_AFTER = """
import os, time
print("x" * 2000, flush=True)
while os.path.getsize("scorer.log"):
    time.sleep(0.001)
print("error: said after", flush=True)
"""


def test_a_log_that_is_too_large_is_copied_and_emptied_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "MOST_LOG_BYTES", 10)
    log, older = tmp_path / "scorer.log", tmp_path / "scorer.log.1"
    assert not rotate(log)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"ten bytes.")
        assert not rotate(log)
        for line in (b"!", b"and then more"):
            writer.write(line)
            assert rotate(log)
            assert (log.read_bytes(), older.read_bytes()[-1:]) == (b"", line[-1:])
        writer.write(b"new")
    assert (log.read_bytes(), older.read_bytes()) == (b"new", b"and then more")


def test_a_drivers_log_is_looked_at_while_it_runs_and_its_last_words_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "MOST_LOG_BYTES", 1_000)
    monkeypatch.setattr(driver, "_LOOK_AT_LOG_S", 0.01)
    log = tmp_path / "scorer.log"
    log.write_text("the driver before\n" * 40)
    running = Driver([sys.executable, "-c", SPEAKS_AFTER], {}, log)
    assert running.wait() == 0
    assert log.with_name("scorer.log.1").read_text().count("x") == 2_000
    assert running.last_words() == "said after"
