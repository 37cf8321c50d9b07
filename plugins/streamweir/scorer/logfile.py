"""The size of a log that a process writes by itself."""

import os
import shutil
from pathlib import Path

MOST_BYTES = 20_000_000
"""As much as a service's log; beside it lies one that is as large and older."""


def rotate(log: Path) -> bool:
    """Copy a log that is too large to `<name>.1` and empty it; returns whether it was.

    A driver and its JVM write to the file themselves and go on when their keeper is killed, so nobody can
    stand between and the file cannot be renamed. It must be open for appending. What is written between copy
    and emptying is lost; nobody but a reader misses it.
    """
    if not log.exists() or log.stat().st_size <= MOST_BYTES:
        return False
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True
