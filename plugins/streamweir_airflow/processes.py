"""Child processes of a task: training and quality checks live in other rooms and are run, not imported.

A child gets its connections by environment, never by argv; its lines are the task's log; its exit code says
which of Streamweir's errors it was.
"""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from streamweir.errors import error_of

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

_PREFIX = "error: "
_SECONDS_TO_END = 3
"""Airflow itself kills a task 5 s after it has asked it to end."""


class Child:
    """A child process in its own process group, so that ending it ends its children too."""

    def __init__(self, what: str, log: "Logger") -> None:
        self._what = what
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Run to the end; raises the error that the exit code stands for."""
        self._log.info("running %s: %s", self._what, " ".join(argv))
        with subprocess.Popen(
            argv,
            env=dict(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            self._process = process
            try:
                sentence = self._log_lines(process.stdout or ())
            except BaseException:
                # Also a time-out of Airflow's: `Popen` would wait for the child, however long it takes.
                self.end()
                raise
        if process.returncode:
            raise error_of(process.returncode, sentence, self._what)

    def end(self) -> None:
        """Ask the child's process group to end, and make it end."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _log_lines(self, lines: Iterable[str]) -> str:
        sentence = ""
        for line in lines:
            text = line.rstrip()
            self._log.info(text)
            if text.startswith(_PREFIX):
                sentence = text.removeprefix(_PREFIX)
        return sentence
