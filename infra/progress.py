"""Showing what happens to each service: a live table in a terminal, plain lines otherwise."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

QUIET = ("waiting", "preparing")
"""States that last too short to be worth a line of their own."""


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
