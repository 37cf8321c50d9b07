"""The CPU time of a process and of all below it, also of those that have ended."""

import threading
import time
from types import TracebackType
from typing import Self

import numpy as np
import psutil

_EVERY_S = 0.2


class CpuWatch:
    """Samples a process tree in a thread: `with CpuWatch(pid) as watch: ...`, then `watch.at(moment)`."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._times, self._seconds = [time.time()], [0.0]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="cpu", daemon=True)

    def at(self, moment: float) -> float:
        """CPU seconds used until a moment (Unix seconds), between two samples evenly."""
        return float(np.interp(moment, self._times, self._seconds))

    def between(self, begin: float, end: float) -> float:
        """CPU seconds used between two moments (Unix seconds)."""
        return self.at(end) - self.at(begin)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_EVERY_S):
            used = _tree_seconds(self._root)
            self._times.append(time.time())
            # What a process that has just been killed used is nowhere any more.
            self._seconds.append(max(used, self._seconds[-1]))


def _tree_seconds(root: psutil.Process) -> float:
    try:
        return sum(map(_seconds, (root, *root.children(recursive=True))))
    except psutil.NoSuchProcess:
        return 0.0


def _seconds(process: psutil.Process) -> float:
    """Its own, and that of its children that have ended."""
    try:
        return sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:
        return 0.0
