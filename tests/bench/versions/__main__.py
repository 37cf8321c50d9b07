"""`python -m tests.bench.versions`: measure this version beside another one, and print ratios."""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from infra.ports import free_ports
from streamweir.cli import run
from streamweir.datagen import DEFAULT_SEED, generator, settings_of
from streamweir.errors import StreamweirError
from streamweir.progress import console_progress
from streamweir.settings import CHECKOUT
from tests.bench.clickstream_anomaly import EVENTS_PER_SECOND
from tests.bench.versions.checkout import checkout_of
from tests.bench.versions.lines import Subject, measured
from tests.bench.versions.ratios import BASE, THIS, Figure, Round, order, ratios, table
from tests.bench.versions.version import PORTS, Version

_UNPACED = {"speed": 0}
SUBJECTS = (
    Subject(
        "ecommerce_fraud",
        "browsing rows",
        5000,
        dag_batches=300,
        start=975,
        pace="--speed",
        rate=1,
        paced_s=240,
    ),
    Subject("card_fraud", "transactions", 284_807, _UNPACED, pace="--rate", rate=1000, paced_s=120),
    Subject("clickstream_anomaly", "events", 12 * 60 * 60, _UNPACED),
)
"""At SIZE 1: real files' size. `ecommerce_fraud` is run by its DAG as the demo runs it."""
_LEAST_PACED_S = 40
_NAMES = [subject.pipeline for subject in SUBJECTS]

app = typer.Typer(add_completion=False)


@app.command()
def main(
    base: Annotated[str, typer.Option(help="The other version: a commit, a branch or a tag.")] = "1a5fe60",
    n: Annotated[int, typer.Option(min=1, help="Rounds; each measures both versions.")] = 3,
    size: Annotated[
        float, typer.Option(min=0.005, max=1, help="Share of the full size; less is a trial.")
    ] = 1,
    pipeline: Annotated[list[str], typer.Option(help="Only these pipelines.")] = _NAMES,
) -> None:
    """Measure both, and print a table of ratios."""
    subjects = [_sized(subject, size) for subject in SUBJECTS if subject.pipeline in pipeline]
    checkouts = {THIS: CHECKOUT, BASE: checkout_of(CHECKOUT, base, _say)}
    # A stack is brought down by it as by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="streamweir-bench-"))
    try:
        datasets = {subject.pipeline: _dataset(subject, folder) for subject in subjects}
        rounds: list[Round] = []
        for number, pair in enumerate(order(n), 1):
            rounds.append({})
            for name in pair:
                ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
                version = Version(name, checkouts[name], folder / "var", ports)
                rounds[-1][name] = list(_measured(version, subjects, datasets, f"[{number}/{n}] {name}: "))
                shutil.rmtree(version.var)
        found = ratios(rounds)
    except StreamweirError:
        _say(f"logs and data are kept in {folder}")
        raise
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        _say("interrupted; all that was started has ended")
        raise typer.Exit(130) from None
    shutil.rmtree(folder)
    print(f"\nThis version beside {base}, rounds: {n}, size: {size:g}; a ratio is this version to base.\n")
    print(table(found))


def _measured(
    version: Version, subjects: Sequence[Subject], datasets: Mapping[str, Path], title: str
) -> Iterator[Figure]:
    """All lines of one version in one round, on a new stack."""
    _say(f"{title}starting its stack")
    with version.up():
        for subject in subjects:
            name = subject.pipeline
            _say(f"{title}a run of the DAG {name}")
            for figure in measured(version, subject, datasets[name]):
                _say(f"{title}{name}: {figure.line}: {figure.value:,.2f}")
                yield replace(figure, line=f"`{name}`: {figure.line}")
            _say(f"{title}{name}: model {version.model(name) or '-'}")


def _sized(subject: Subject, size: float) -> Subject:
    """A smaller one: a trial of the whole way, whose figures mean little."""
    paced_s = max(_LEAST_PACED_S, round(size * subject.paced_s)) if subject.pace else 0
    backlog = max(round(size * subject.backlog), subject.rate * paced_s, subject.dag_batches)
    return replace(subject, backlog=backlog, start=round(size * subject.start), paced_s=paced_s)


def _dataset(subject: Subject, folder: Path) -> Path:
    made = folder / subject.pipeline
    asked = {"batches": subject.backlog}
    if subject.pipeline == "clickstream_anomaly":
        asked["events_per_second"] = EVENTS_PER_SECOND
    generator(subject.pipeline)(
        made, seed=DEFAULT_SEED, progress=console_progress, **settings_of(subject.pipeline, asked)
    )
    return made


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    run(app)
