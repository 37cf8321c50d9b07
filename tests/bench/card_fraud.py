"""What `card_fraud` promises under Speed and Training: `python -m tests.bench.card_fraud` measures it alone.

Catching up with as many transactions as the real file has; latency of the alerts at 1,000 a second; PR-AUC on
the last 20 % beside scikit-learn's best of the same three families, with its bootstrap interval.
"""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import typer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from streamweir.cli import run as run_program
from streamweir.contracts.card_fraud import IS_ALERT, PIPELINE, SCORED
from streamweir.contracts.card_fraud.dataset import CLASS, FILE, NUMBER_NAMES, TIME
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.runs import Run
from streamweir.datagen import DEFAULT_SEED, generator, settings_of
from streamweir.datasets.dataset import Dataset
from streamweir.ledger.committed import read_commits, read_entries, read_table
from streamweir.ledger.timing import latencies
from streamweir.models.registry import Registry
from streamweir.progress import console_progress
from streamweir.scorer import status
from tests.bench.servers import Bench, await_status, bench_stack, steady_rate

BENCH: dict[str, Any] = {
    "pipeline": PIPELINE,
    "options": {
        "console_alerts": True,
        "retention_s": RETENTION_S,
        "threshold": None,
        "fraud_label": None,
        "scoring": None,
    },
    "time_zone": "UTC",
}
TRANSACTIONS = 284_807
RATE, LIVE_S = 1_000, 60
_RESAMPLES = 1_000

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Cards:
    """replay, scorer: transactions a second. p50_s, p95_s: from a transaction's append to its alert's commit.

    alerts: how many were timed. ours: PR-AUC on the last 20 %. theirs, low, high: scikit-learn's best there,
    and the middle 95 % of its resamples.
    """

    transactions: int
    replay: float
    scorer: float
    alerts: int
    p50_s: float
    p95_s: float
    ours: float
    theirs: float
    low: float
    high: float


@app.command()
def main(
    transactions: Annotated[int, typer.Option(help="How many transactions to catch up with.")] = TRANSACTIONS,
) -> None:
    """Measure and print."""
    with bench_stack(**BENCH) as bench:
        print(table(measured(bench, transactions)))


def measured(bench: Bench, transactions: int = TRANSACTIONS) -> Cards:
    """All figures, on one stack."""
    with tempfile.TemporaryDirectory(prefix="streamweir-bench-cards-") as name:
        folder = Path(name)
        asked = settings_of(PIPELINE.name, {"batches": transactions})
        generator(PIPELINE.name)(folder, seed=DEFAULT_SEED, progress=console_progress, **asked)
        dataset = bench.dataset(folder)
        model = bench.train(dataset)
        ours = Registry(bench.store, PIPELINE.name).card(model).metrics["pr_auc"]
        theirs, low, high = judged_by_sklearn(folder)
        replay, scorer = _catching_up(bench, dataset, model)
        waited = _live(bench, dataset, model)
    p50, p95 = np.percentile(waited, (50, 95))
    return Cards(transactions, replay, scorer, len(waited), float(p50), float(p95), ours, theirs, low, high)


def table(cards: Cards) -> str:
    """The figures as a table of Markdown."""
    rows = (
        (f"replay, unpaced, {cards.transactions:,} transactions", f"{cards.replay:,.0f} transactions/s", ""),
        ("scorer catching up, steady state", f"{cards.scorer:,.0f} transactions/s", "at least 20,000"),
        (f"latency at {RATE:,} a second, append to alert: p50", f"{cards.p50_s:.2f} s", ""),
        (f"the same: p95 of {cards.alerts} alerts", f"{cards.p95_s:.2f} s", "at most 1.5 s"),
        (
            "PR-AUC on the last 20 %",
            f"{cards.ours:.4f}",
            f"at least {cards.low:.4f}: scikit-learn's best has {cards.theirs:.4f} "
            f"(95 % interval {cards.low:.4f} to {cards.high:.4f})",
        ),
    )
    lines = [
        f"| {' | '.join(row)} |" for row in (("`card_fraud`", "measured", "promised"), ("---",) * 3, *rows)
    ]
    return "\n".join(lines) + "\n"


def judged_by_sklearn(folder: Path) -> tuple[float, float, float]:
    """PR-AUC of scikit-learn's best by the second part, on the last part, and its bootstrap interval."""
    file = pc.read_csv(folder / FILE).sort_by(TIME.name)
    inputs = np.column_stack([file[name].to_numpy() for name in NUMBER_NAMES if name != TIME.name])
    labels = file[CLASS.name].to_numpy()
    first, second = int(len(labels) * 0.6), int(len(labels) * 0.8)
    families = (
        make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500)),
        RandomForestClassifier(100, class_weight="balanced_subsample", n_jobs=-1, random_state=0),
        HistGradientBoostingClassifier(class_weight="balanced", random_state=0),
    )
    fitted = [family.fit(inputs[:first], labels[:first]) for family in families]
    chosen = slice(first, second)
    best = max(
        fitted,
        key=lambda one: average_precision_score(labels[chosen], one.predict_proba(inputs[chosen])[:, 1]),
    )
    held, scores = labels[second:], best.predict_proba(inputs[second:])[:, 1]
    draw = np.random.default_rng(0)
    drawn = (draw.integers(len(held), size=len(held)) for _ in range(_RESAMPLES))
    areas = [average_precision_score(held[some], scores[some]) for some in drawn if held[some].any()]
    low, high = np.percentile(areas, (2.5, 97.5))
    return float(average_precision_score(held, scores)), float(low), float(high)


def _catching_up(bench: Bench, dataset: Dataset, model: str) -> tuple[float, float]:
    """Send everything first, then let the scorer catch up."""
    run = bench.run("bench-cards-backlog")
    sent = bench.send(run, dataset, speed=0)
    bench.start_scorer(run, dataset, model, PIPELINE.max_messages)
    await_status(bench.store, run.stream, lambda found: status.drained(found, sent))
    bench.stop_scorer(run)
    return sent.rows_per_second, _scorer_rate(bench, run)


def _scorer_rate(bench: Bench, run: Run) -> float:
    entries = read_entries(run.stream, bench.store)
    commits = read_commits(run.stream, bench.store, entries).found
    scored = read_table(run.stream, SCORED.name, entries, bench.store)
    assert scored is not None, "the scorer scored nothing"
    return steady_rate(commits, Counter(scored["batch_id"].to_pylist()))


def _live(bench: Bench, dataset: Dataset, model: str) -> list[float]:
    """Seconds from each alert's transaction to its commit, at a fixed rate."""
    run = bench.run("bench-cards-live")
    bench.start_scorer(run, dataset, model, PIPELINE.max_messages)
    await_status(bench.store, run.stream, lambda found: found.state == status.State.RUNNING)
    sent = bench.send(run, dataset, rate=RATE, batches=RATE * LIVE_S)
    await_status(bench.store, run.stream, lambda found: status.drained(found, sent))
    bench.stop_scorer(run)
    return alert_latencies(bench, run)


def alert_latencies(bench: Bench, run: Run) -> list[float]:
    """By then the alert was readable in Kafka: the commit record is a micro-batch's last object."""
    entries = read_entries(run.stream, bench.store)
    commits = read_commits(run.stream, bench.store, entries).found
    worked, scored = (
        read_table(run.stream, name, entries, bench.store) for name in (WORKED.name, SCORED.name)
    )
    assert worked is not None, "the scorer worked on nothing"
    assert scored is not None, "the scorer scored nothing"
    alerts = scored.filter(scored[IS_ALERT.name])["batch_index"]
    with duckdb.connect() as sql:
        waited = latencies(sql, PIPELINE, commits, worked).to_arrow_table()
    found: list[float] = waited.filter(pa.compute.is_in(waited["batch_index"], alerts))["seconds"].to_pylist()
    return found


if __name__ == "__main__":
    run_program(app)
