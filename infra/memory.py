"""The stack's memory: now by service, and its peak while something runs."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from infra import processes

LIMIT_BYTES = 6 * 1024**3
"""What the whole stack may take at its peak."""

_EVERY_S = 2.0


@dataclass(frozen=True)
class Peak:
    """The largest sum seen, in bytes of proportional set size, and its parts by service."""

    peak_bytes: int
    by_service: dict[str, int]
    limit_bytes: int = LIMIT_BYTES


def measure(var: Path) -> dict[str, int]:
    """Proportional set size in bytes of the stack's processes, by service."""
    total: Counter[str] = Counter()
    for item in processes.find(var):
        total[item.service] += processes.pss(item.process)
    return dict(total)


@dataclass
class MemoryWatch:
    """Samples a stack's memory in a thread: `with MemoryWatch(var) as watch: ...`, then `watch.peak`."""

    var: Path
    every_s: float = _EVERY_S
    peak: Peak = field(default=Peak(0, {}), init=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    def start(self) -> Self:
        """Begin to sample."""
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> Peak:
        """End, after a last sample; returns the peak."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._look()
        return self.peak

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _sample(self) -> None:
        while not self._ended.wait(self.every_s):
            self._look()

    def _look(self) -> None:
        parts = measure(self.var)
        if sum(parts.values()) > self.peak.peak_bytes:
            self.peak = Peak(sum(parts.values()), parts)
