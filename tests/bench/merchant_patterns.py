"""What `merchant_patterns` promises under Speed; `python -m tests.bench.merchant_patterns` is this alone.

Catching up: all chunks are announced first, and what one costs is set side by side for both halves of the
run. Live: a chunk of 10,000 rows a second, from the append of its announcement to its commit.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer

from streamweir.cli import run as run_program
from streamweir.commits import Commit
from streamweir.contracts.merchant_patterns import CHUNK_ROWS, DEFAULTS, PIPELINE, TIME_ZONE
from streamweir.contracts.rejected import WORKED
from streamweir.datagen import DEFAULT_SEED, generator, settings_of
from streamweir.ledger.committed import read_commits, read_entries, read_table
from streamweir.progress import console_progress
from streamweir.replay.produced import Manifest
from streamweir.scorer import status
from tests.bench.servers import Bench, await_status, bench_stack

BENCH: dict[str, Any] = {
    "pipeline": PIPELINE,
    "options": {**DEFAULTS, "preset": None, "flush_after_s": None},
    "time_zone": TIME_ZONE,
}
CHUNKS, LIVE_CHUNKS = 160, 60
AT_ONCE = 10
"""Messages of a micro-batch: small enough that both halves of the run have several."""

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Chunks:
    """rate: rows a second, catching up. first_ms, second_ms: what a chunk costs in either half of that run.
    p95_s: seconds from append to commit, live."""

    chunks: int
    rate: float
    first_ms: float
    second_ms: float
    p95_s: float


@app.command()
def main(
    chunks: Annotated[int, typer.Option(help="Chunks of the backlog.")] = CHUNKS,
    live: Annotated[int, typer.Option(help="Chunks at one a second.")] = LIVE_CHUNKS,
) -> None:
    """Measure and print."""
    with bench_stack(**BENCH) as bench:
        print(table(measured(bench, chunks, live)))


def measured(bench: Bench, chunks: int = CHUNKS, live: int = LIVE_CHUNKS) -> Chunks:
    """All figures, on one stack."""
    with tempfile.TemporaryDirectory(prefix="streamweir-bench-chunks-") as name:
        generator(PIPELINE.name)(
            Path(name),
            seed=DEFAULT_SEED,
            progress=console_progress,
            **settings_of(PIPELINE.name, {"batches": chunks}),
        )
        dataset = bench.dataset(Path(name))
    backlog = bench.run("bench-chunks")
    sent = bench.send(backlog, dataset, speed=0)
    bench.start_scorer(backlog, dataset, "", AT_ONCE)
    commits = _drained(bench, backlog, sent)
    costs = [
        (commit.committed_at - before.committed_at) / 1e3 / (commit.next_sequence - before.next_sequence)
        # The first micro-batch starts the workers, and the last one is not full.
        for before, commit in pairwise(commits[:-1])
    ]
    half = len(costs) // 2
    paced = bench.run("bench-chunks-live")
    bench.start_scorer(paced, dataset, "", PIPELINE.max_messages)
    await_status(bench.store, paced.stream, lambda found: found.state == status.State.RUNNING)
    sent = bench.send(paced, dataset, speed=1, batches=live)
    return Chunks(
        chunks=chunks,
        rate=CHUNK_ROWS * 1e3 / median(costs),
        first_ms=median(costs[:half]),
        second_ms=median(costs[half:]),
        p95_s=_latency(bench, paced, _drained(bench, paced, sent)),
    )


def table(found: Chunks) -> str:
    """The figures as a table of Markdown."""
    rows = (
        (
            f"detector catching up, {found.chunks:,} chunks, steady state",
            f"{found.rate:,.0f} rows/s",
            "at least 100,000",
        ),
        ("a chunk of 10,000 rows, first half of the run", f"{found.first_ms:.0f} ms", ""),
        ("the same, second half", f"{found.second_ms:.0f} ms", "at most 1.2 times as much"),
        ("announced to committed at 10,000 rows/s, p95", f"{found.p95_s:.2f} s", "at most 1 s"),
    )
    head = (("`merchant_patterns`", "measured", "promised"), ("---",) * 3)
    return "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows)) + "\n"


def _drained(bench: Bench, run: Any, sent: Manifest) -> Sequence[Commit]:
    """The commits of a run, once its scorer has worked on everything and is stopped."""
    await_status(bench.store, run.stream, lambda found: status.drained(found, sent))
    bench.stop_scorer(run)
    return read_commits(run.stream, bench.store, read_entries(run.stream, bench.store)).found


def _latency(bench: Bench, run: Any, commits: Sequence[Commit]) -> float:
    worked = read_table(run.stream, WORKED.name, read_entries(run.stream, bench.store), bench.store)
    assert worked is not None, "the detector worked on nothing"
    committed = {commit.batch_id: commit.committed_at for commit in commits}
    appended = worked["appended_at"].cast("int64").to_pylist()
    waited = [
        (committed[batch_id] - at) / 1e6
        for batch_id, at in zip(worked["batch_id"].to_pylist(), appended, strict=True)
    ]
    return float(np.quantile(waited, 0.95))


if __name__ == "__main__":
    run_program(app)
