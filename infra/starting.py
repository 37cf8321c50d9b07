"""Starting services side by side, each after those that it needs, until all are ready.

What happens to each is shown: a live table in a terminal, plain lines otherwise.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra.layout import Layout
from infra.service import Service
from infra.supervisor.control import Supervisor
from streamweir.errors import StackError

QUIET = ("waiting", "preparing")
"""States that last too short to be worth a line of their own."""
_POLL_S = 0.2
_TAIL_LINES = 25


class Board:
    """One line per service with its current state and how long it took; safe to call from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, tuple[str, float | None]] = {}
        self._started = time.monotonic()
        self._guard = threading.Lock()
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._table)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def say(self, service: str, state: str, *, final: bool = False) -> None:
        """A service's new state; `final` stops its clock."""
        seconds = time.monotonic() - self._started
        with self._guard:
            known = self._lines.get(service)
            if known is not None and known[0] == state:
                return
            self._lines[service] = (state, seconds if final else None)
        if not self._console.is_terminal and (final or state not in QUIET):
            after = f" ({seconds:.1f} s)" if final else ""
            self._console.print(f"{service}: {state}{after}", highlight=False, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        now = time.monotonic() - self._started
        with self._guard:
            for service, (state, seconds) in self._lines.items():
                style = "green" if seconds is not None else "yellow"
                table.add_row(
                    service, f"[{style}]{state}", f"{seconds if seconds is not None else now:5.1f} s"
                )
        return table


class Starter:
    """Starts services of one supervisor and waits for each at most `timeout_s`."""

    def __init__(self, supervisor: Supervisor, layout: Layout, timeout_s: float, board: Board) -> None:
        self._supervisor = supervisor
        self._layout = layout
        self._timeout_s = timeout_s
        self._board = board
        self._interrupted = threading.Event()

    def start(self, services: Sequence[Service], running: set[str]) -> None:
        """Start those that do not run, wait for all; raises the first StackError, with the end of the log."""
        ready: dict[str, Future[None]] = {}
        with self._board, ThreadPoolExecutor(max_workers=len(services)) as pool:
            for service in services:
                needed = [ready[name] for name in service.needs]
                ready[service.name] = pool.submit(self._start, service, needed, service.name in running)
            try:
                wait(ready.values())
            except KeyboardInterrupt:
                self._interrupted.set()
                raise
        failures = [future.exception() for future in ready.values()]
        first = next((failure for failure in failures if failure is not None), None)
        if first is not None:
            raise first

    def _start(self, service: Service, needed: Sequence[Future[None]], running: bool) -> None:
        self._board.say(service.name, "waiting")
        for other in needed:
            other.result()
        try:
            if not running:
                self._board.say(service.name, "preparing")
                service.prepare()
                self._supervisor.start_service(service.name)
            self._board.say(service.name, "starting")
            self._await_ready(service)
            service.provision()
        except StackError:
            self._board.say(service.name, "failed", final=True)
            raise
        self._board.say(service.name, "ready", final=True)

    def _await_ready(self, service: Service) -> None:
        attempts = Retrying(
            retry=retry_if_result(lambda missing: missing is not None),
            stop=stop_after_delay(self._timeout_s),
            wait=wait_fixed(_POLL_S),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        missing = attempts(self._missing, service)
        if missing is not None:
            raise self._failure(service, f"was not ready within {self._timeout_s:.0f} s: {missing}")

    def _missing(self, service: Service) -> str | None:
        if self._interrupted.is_set():
            raise StackError("interrupted: run `make up` to go on, or `make down`")
        if self._supervisor.state(service.name).state == "FATAL":
            raise self._failure(service, "ended again and again")
        return service.ready()

    def _failure(self, service: Service, what: str) -> StackError:
        log = self._layout.log(service.name)
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
        tail = "\n".join(f"  | {line}" for line in lines)
        return StackError(f"{service.name} {what}\n{tail}\nsee {log}, then run `make up` again")
