"""A scorer's driver, Spark's or a Python stage's, as a process: in a session of its own, ended whole."""

import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from streamweir.variables import HOLDER

ERROR_PREFIX = "error: "
"""A driver that gives up says why on a line that begins with this; the last one counts."""


_LOG = logging.getLogger(__name__)
_TAIL_BYTES = 64 * 1024
_SECONDS_TO_DIE = 10
_LOOK_AT_LOG_S = 60.0
MOST_LOG_BYTES = 20_000_000
"""As much as a service's log; beside it lies one that is as large and older."""


class Driver:
    """A running driver; its output goes to the end of `log`, which is kept from growing without end."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._ended = threading.Event()
        self._begins_at = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            # SIGTERM is ignored from here on: a JVM leaves it ignored, and only the Python driver, which
            # wants to end its micro-batch first, handles it.
            previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
            try:
                self._process = subprocess.Popen(
                    argv,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=log.parent,
                    start_new_session=True,
                )
            finally:
                signal.signal(signal.SIGTERM, previous)
        threading.Thread(target=self._rotate, name="log", daemon=True).start()

    @property
    def pid(self) -> int:
        """The id of the process and of its session."""
        return self._process.pid

    def stop(self) -> None:
        """Ask the driver to end after the micro-batch that it is at."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end, and end what was left behind; returns the exit code, negative for a signal."""
        try:
            return self._process.wait()
        finally:
            self._ended.set()
            self._sweep()

    def last_words(self) -> str:
        """Why the driver gave up, in its own words or, when it had none, the last line of its log."""
        with self._log.open("rb") as log:
            log.seek(max(self._begins_at, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        said = [line.removeprefix(ERROR_PREFIX) for line in lines if line.startswith(ERROR_PREFIX)]
        return (said or lines or ["it left nothing in its log"])[-1]

    def _rotate(self) -> None:
        while not self._ended.wait(_LOOK_AT_LOG_S):
            try:
                if rotate(self._log):
                    self._begins_at = 0
            except OSError as error:
                _LOG.warning("%s could not be made smaller: %s", self._log, error)

    def _sweep(self) -> None:
        # Python workers are in process groups of their own, but stay in the session.
        _end([process for process in psutil.process_iter() if _session_of(process) == self.pid])


def end_all_of(holder: str) -> None:
    """End every process of a driver whose keeper is gone."""
    _end([process for process in psutil.process_iter() if _holder_of(process) == holder])


def _end(left: Sequence[psutil.Process]) -> None:
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=_SECONDS_TO_DIE)


def _holder_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(HOLDER)
    except (psutil.Error, OSError):
        return None


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def rotate(log: Path) -> bool:
    """Copy a log that is too large to `<name>.1` and empty it; returns whether it was.

    A driver and its JVM write to the file themselves and go on when their keeper is killed, so nobody can
    stand between and the file cannot be renamed. It must be open for appending. What is written between copy
    and emptying is lost; nobody but a reader misses it.
    """
    if not log.exists() or log.stat().st_size <= MOST_LOG_BYTES:
        return False
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True
