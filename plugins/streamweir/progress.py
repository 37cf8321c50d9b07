"""Progress of long work: a bar with counts and rate in a terminal, plain lines otherwise."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

Advance = Callable[[int], None]
"""Called with how many units were done since the last call."""

Progress = Callable[[str, int | None, str], AbstractContextManager[Advance]]
"""`with progress("replaying", 60_000, "rows") as advance: advance(200)`; the total is None when unknown."""

LINE_EVERY_S = 5.0
"""Seconds between two plain lines."""


@contextmanager
def console_progress(
    title: str, total: int | None, unit: str, stream: TextIO | None = None
) -> Iterator[Advance]:
    """Show progress on standard error (or `stream`), in the way that suits it."""
    target = stream or sys.stderr
    told = (
        _bar(title, total, unit, target) if target.isatty() else _lines(title, total, unit, _printer(target))
    )
    with told as advance:
        yield advance


def told_to(say: Callable[[str], object]) -> Progress:
    """Progress as plain lines, each given to `say`: a task's log, for one."""
    return lambda title, total, unit: _lines(title, total, unit, say)


@contextmanager
def no_progress(title: str, total: int | None, unit: str) -> Iterator[Advance]:
    """Show nothing."""
    yield lambda count: None


@contextmanager
def _bar(title: str, total: int | None, unit: str, stream: TextIO) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}  {{task.fields[rate]}}"),
        TimeElapsedColumn(),
    )
    started = time.monotonic()
    with Bars(*columns, console=Console(file=stream)) as bars:
        task = bars.add_task(title, total=total, rate="")
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bars.update(task, advance=count, rate=f"{done / _since(started):,.0f}/s")

        yield advance


@contextmanager
def _lines(title: str, total: int | None, unit: str, say: Callable[[str], object]) -> Iterator[Advance]:
    started = last = time.monotonic()
    done = 0

    def line() -> None:
        of = "" if total is None else f" of {total:,}"
        say(f"{title}: {done:,}{of} {unit}, {done / _since(started):,.0f}/s")

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            line()

    yield advance
    line()


def _printer(stream: TextIO) -> Callable[[str], object]:
    return partial(print, file=stream, flush=True)


def _since(started: float) -> float:
    return max(time.monotonic() - started, 1e-3)
