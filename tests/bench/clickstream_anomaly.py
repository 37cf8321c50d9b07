"""What `clickstream_anomaly` promises under Speed; `python -m tests.bench.clickstream_anomaly` is this alone.

Catching up with a busy site: everything is sent first. What the scorer remembers is looked at after each
micro-batch: it must not grow with what it has seen.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from streamweir.cli import run as run_program
from streamweir.commits import Commit
from streamweir.contracts.clickstream_anomaly import LATENESS_S, PIPELINE, THRESHOLDS, WINDOW_S
from streamweir.contracts.rejected import WORKED
from streamweir.datagen import DEFAULT_SEED, generator, settings_of
from streamweir.ledger.committed import read_commits, read_entries, read_table
from streamweir.progress import console_progress
from streamweir.scorer import status
from tests.bench.servers import Bench, await_status, bench_stack, steady_rate

BENCH: dict[str, Any] = {
    "pipeline": PIPELINE,
    "options": {"event_types": None, **THRESHOLDS},
    "time_zone": "UTC",
}
SECONDS, EVENTS_PER_SECOND = 12 * 60 * 60, 50
REACH_S = 2 * LATENESS_S + WINDOW_S
"""An event's id is remembered for so long on the virtual clock."""

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Clicks:
    """replay, scorer: events a second. early_bytes, late_bytes: what the scorer remembered for each event
    within reach, in the first and in the second half of its micro-batches."""

    events: int
    replay: float
    scorer: float
    early_bytes: float
    late_bytes: float


@app.command()
def main(
    seconds: Annotated[int, typer.Option(help="How long the site is watched.")] = SECONDS,
    events_per_second: Annotated[float, typer.Option(help="On an average day.")] = EVENTS_PER_SECOND,
) -> None:
    """Measure and print."""
    with bench_stack(**BENCH) as bench:
        print(table(measured(bench, seconds, events_per_second)))


def measured(bench: Bench, seconds: int = SECONDS, events_per_second: float = EVENTS_PER_SECOND) -> Clicks:
    """All figures, on one stack."""
    with tempfile.TemporaryDirectory(prefix="streamweir-bench-clicks-") as name:
        asked = settings_of(PIPELINE.name, {"batches": seconds, "events_per_second": events_per_second})
        generator(PIPELINE.name)(Path(name), seed=DEFAULT_SEED, progress=console_progress, **asked)
        dataset = bench.dataset(Path(name))
    run = bench.run("bench-clicks")
    sent = bench.send(run, dataset, speed=0)
    bench.start_scorer(run, dataset, "", PIPELINE.max_messages)
    await_status(bench.store, run.stream, lambda found: status.drained(found, sent))
    bench.stop_scorer(run)
    entries = read_entries(run.stream, bench.store)
    commits = read_commits(run.stream, bench.store, entries).found
    worked = read_table(run.stream, WORKED.name, entries, bench.store)
    assert worked is not None, "the scorer worked on nothing"
    remembered = _bytes_per_event(worked, commits)
    half = len(remembered) // 2
    return Clicks(
        events=sent.rows[PIPELINE.leading.topic.name],
        replay=sent.rows_per_second,
        scorer=_rate(worked, commits),
        early_bytes=median(remembered[:half]),
        late_bytes=median(remembered[half:]),
    )


def table(clicks: Clicks) -> str:
    """The figures as a table of Markdown."""
    rows = (
        (f"replay, unpaced, {clicks.events:,} events", f"{clicks.replay:,.0f} events/s", ""),
        ("scorer catching up, steady state", f"{clicks.scorer:,.0f} events/s", "at least 50,000"),
        (
            f"remembered for each event of the last {REACH_S // 60} minutes, first half of the run",
            f"{clicks.early_bytes:.0f} bytes",
            "",
        ),
        ("the same, second half", f"{clicks.late_bytes:.0f} bytes", "does not grow with the run"),
    )
    head = (("`clickstream_anomaly`", "measured", "promised"), ("---",) * 3)
    return "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows)) + "\n"


def _bytes_per_event(worked: pa.Table, commits: Sequence[Commit]) -> list[float]:
    """After each micro-batch; what lies within reach depends on how busy the site is just then."""
    events = np.zeros(commits[-1].next_sequence)
    # A message holds the events of a second.
    events[worked["sequence"].to_numpy()] = worked["rows"].to_numpy()
    within = (
        events[max(0, commit.next_sequence - REACH_S) : commit.next_sequence].sum() for commit in commits
    )
    return [commit.state_bytes / count for commit, count in zip(commits, within, strict=True)]


def _rate(worked: pa.Table, commits: Sequence[Commit]) -> float:
    rows: Counter[int] = Counter()
    for batch_id, count in zip(worked["batch_id"].to_pylist(), worked["rows"].to_pylist(), strict=True):
        rows[batch_id] += count
    return steady_rate(commits, rows)


if __name__ == "__main__":
    run_program(app)
