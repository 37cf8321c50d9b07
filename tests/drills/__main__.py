"""`python -m tests.drills`: crash drills. Exit status 1 when one has failed."""

import random
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamweir.cli import run
from streamweir.errors import BadConfiguration
from tests.drills import age
from tests.drills.drills import Drill, chosen, drill, fault_free
from tests.drills.faults import FAULTS
from tests.drills.ground import drill_ground
from tests.drills.subjects import subject

_WIDE = 180
"""Columns of the table where no terminal says how many there are."""
_NAMES = (*FAULTS, age.FAULT)

app = typer.Typer(add_completion=False)


@app.command()
def main(
    fault: Annotated[str, typer.Option(help=f"One of {', '.join(_NAMES)}; all but age when left out.")] = "",
    n: Annotated[int, typer.Option(min=0, help="How many drills; 20, or 1 of a single fault, 3 of age.")] = 0,
    seed: Annotated[int, typer.Option(help="Decides the moments; drawn when left out.")] = -1,
    pipeline: Annotated[str, typer.Option(help="The pipeline's word.")] = "ecommerce_fraud",
) -> None:
    """Drill a pipeline and show what came of it."""
    if fault and fault not in _NAMES:
        raise BadConfiguration(f"no fault is called {fault!r}; there are: {', '.join(_NAMES)}")
    if fault == age.FAULT:
        _age(pipeline, n or 3)
        return
    console, began = _console(), time.monotonic()
    seed = random.randrange(10_000) if seed < 0 else seed
    names = chosen(fault, n or (1 if fault else 20))
    say = partial(_say, console, began)
    done: list[Drill] = []
    with drill_ground(subject(pipeline)) as ground:
        model = fault_free(ground, say)
        for number, name in enumerate(names, 1):
            told = partial(_say, console, began, title=f"[{number}/{len(names)}] {name}: ")
            done.append(drill(ground, model, name, f"drill-{seed}-{number}-{name}", told))
            told("passed" if done[-1].passed else f"FAILED: {done[-1].said[0]}")
    console.print(_table(done, model.seconds, seed))
    failed = sum(not item.passed for item in done)
    console.print(f"{len(done) - failed} of {len(done)} drills passed in {time.monotonic() - began:.0f} s")
    if failed:
        console.print(f"logs and data are kept in {ground.stack.settings.var}")
        raise typer.Exit(1)
    shutil.rmtree(ground.stack.settings.var)


def _age(pipeline: str, count: int) -> None:
    """Measure runs on an old stream beside the same on new ones, and show what came of it."""
    console, began = _console(), time.monotonic()
    say = partial(_say, console, began)
    with drill_ground(age.sized(subject(pipeline))) as ground:
        steps = age.grow_old(ground, fault_free(ground, say), count, say)
    table = Table(title=f"a stream of a million micro-batches beside a new one, medians of {count}")
    for name in ("step", "new", "old", "old / new"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for step in steps:
        table.add_row(
            step.name, f"{median(step.new):.2f} s", f"{median(step.old):.2f} s", f"{step.ratio:.2f}"
        )
    console.print(table)
    slow = [step.name for step in steps if step.ratio > age.AT_MOST]
    if slow:
        console.print(f"more than {age.AT_MOST} times as long: {', '.join(slow)}")
        console.print(f"logs and data are kept in {ground.stack.settings.var}")
        raise typer.Exit(1)
    shutil.rmtree(ground.stack.settings.var)


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


def _say(console: Console, began: float, text: str, title: str = "") -> None:
    console.print(f"{time.monotonic() - began:6.0f} s  {title}{text}", markup=False, soft_wrap=True)


def _table(done: Sequence[Drill], undisturbed_s: float, seed: int) -> Table:
    table = Table(
        title=f"drills with seed {seed}", caption=f"a run without a fault takes {undisturbed_s:.0f} s"
    )
    for name in ("fault", "moment", "seen"):
        table.add_column(name)
    for name in ("back after", "whole run", "rows"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for item in done:
        back = "-" if item.back_s is None else f"{item.back_s:.1f} s"
        verdict = "[green]passed" if item.passed else f"[red]FAILED: {escape('; '.join(item.said))}"
        run_s, rows = f"{item.seconds:.0f} s", f"{item.rows:,}"
        table.add_row(item.fault, escape(item.where), escape(item.seen), back, run_s, rows, verdict)
    return table


if __name__ == "__main__":
    run(app)
