"""Become a service: `python launch.py FILE`, where the file holds its argv and environment.

So neither the supervisor's configuration nor any process list shows a secret. Little is imported: this runs
at every start of every service.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_MARKS = ("STREAMWEIR_STACK", "SUPERVISOR_PROCESS_NAME")
"""What the processes of one service share, also the children that it leaves when it is killed."""
_SECONDS_TO_DIE = 5


def main(path: Path) -> None:
    """Replace this process by the one that the file describes."""
    end_left_behind()
    described = json.loads(path.read_text())
    argv = described["argv"]
    # What the supervisor says of the process (SUPERVISOR_PROCESS_NAME) is kept: memory is counted by it.
    env = {key: value for key, value in os.environ.items() if key.startswith("SUPERVISOR_")}
    os.execvpe(argv[0], argv, {**env, **described["env"]})  # noqa: S606


def end_left_behind() -> None:
    """End what a killed predecessor has left: it would wait for ever, or do the same work at the same time.

    Airflow's executor for one: its workers do not notice that their scheduler is gone.
    """
    left = list(_left_behind())
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=_SECONDS_TO_DIE)


def _left_behind() -> Iterator[psutil.Process]:
    mine = [os.environ.get(name) for name in _MARKS]
    for process in psutil.process_iter():
        try:
            env = process.environ()
        except (psutil.Error, OSError):
            continue
        if process.pid != os.getpid() and None not in mine and [env.get(name) for name in _MARKS] == mine:
            yield process


if __name__ == "__main__":
    main(Path(sys.argv[1]))
