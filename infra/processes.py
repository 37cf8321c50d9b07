"""The processes of a stack, found by the variable that each carries in its environment; their memory."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from streamweir.variables import STACK, STAGE

_SERVICE = "SUPERVISOR_PROCESS_NAME"
SUPERVISOR = "supervisor"
DETACHED = "spark"
"""What was started by a task and is no scorer: training and validation, while they run."""
_SCORER = "scorer "
"""Before the name of the stream, or of its stage, that a scorer works on."""
LIMIT_BYTES = 6 * 1024**3
"""What the whole stack may take at its peak."""
_EVERY_S = 2.0


@dataclass(frozen=True)
class StackProcess:
    """A process and the service that it belongs to."""

    process: psutil.Process
    service: str

    @property
    def detached(self) -> bool:
        """Whether it was started by a task and lives on its own."""
        return self.service == DETACHED or self.service.startswith(_SCORER)


def find(var: Path) -> list[StackProcess]:
    """All processes of the stack, but not the calling one and those that called it.

    A process whose environment says nothing belongs to the service of its nearest ancestor that does:
    PostgreSQL's children write their title over the environment that they were given.
    """
    everything = {process.pid: process for process in psutil.process_iter()}
    parents = {pid: _parent(process) for pid, process in everything.items()}
    services = {pid: _service(process, var) for pid, process in everything.items()}
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for pid, process in everything.items():
        service = _nearest(pid, services, parents)
        if service is not None and pid not in mine:
            found.append(StackProcess(process, service))
    return found


def topmost(processes: Iterable[StackProcess]) -> list[psutil.Process]:
    """Those whose parent is not among them: asked to end, they end their children themselves."""
    by_pid = {item.process.pid: item.process for item in processes}
    return [process for process in by_pid.values() if _parent(process) not in by_pid]


def ask_to_end(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Send SIGTERM and wait; returns those that are still there."""
    asked = list(processes)
    for process in asked:
        _signal(process, psutil.Process.terminate)
    return psutil.wait_procs(asked, timeout=seconds)[1]


def kill(processes: Iterable[psutil.Process]) -> None:
    """Send SIGKILL and wait until they are gone."""
    asked = list(processes)
    for process in asked:
        _signal(process, psutil.Process.kill)
    psutil.wait_procs(asked, timeout=10)


def pss(process: psutil.Process) -> int:
    """Proportional set size in bytes: memory that is shared counts once in the sum over all processes."""
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        # It ended between being found and being measured.
        return 0
    return 0


def _service(process: psutil.Process, var: Path) -> str | None:
    """The service of a process that carries this stack's variable, or None."""
    try:
        env = process.environ()
        if env.get(STACK) != str(var):
            return None
        return env.get(_SERVICE) or (SUPERVISOR if _is_supervisor(process) else _detached(env))
    except (psutil.Error, OSError):
        return None


def _detached(env: Mapping[str, str]) -> str:
    return f"{_SCORER}{env[STAGE]}" if env.get(STAGE) else DETACHED


def _is_supervisor(process: psutil.Process) -> bool:
    return "supervisor.supervisord" in process.cmdline()


def _nearest(
    pid: int | None, services: Mapping[int, str | None], parents: Mapping[int, int | None]
) -> str | None:
    """The service of a process or, when it has none, of its nearest ancestor that has one."""
    # At most as many steps as there are processes: a pid may be used anew while they are listed.
    for _ in parents:
        if pid is None or pid not in services:
            return None
        if services[pid] is not None:
            return services[pid]
        pid = parents[pid]
    return None


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _signal(process: psutil.Process, send: Callable[[psutil.Process], None]) -> None:
    try:
        send(process)
    except psutil.NoSuchProcess:
        return


@dataclass(frozen=True)
class Peak:
    """The largest sum seen, in bytes of proportional set size, and its parts by service."""

    peak_bytes: int
    by_service: dict[str, int]
    limit_bytes: int = LIMIT_BYTES


def measure(var: Path) -> dict[str, int]:
    """Proportional set size in bytes of the stack's processes, by service."""
    total: Counter[str] = Counter()
    for item in find(var):
        total[item.service] += pss(item.process)
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
