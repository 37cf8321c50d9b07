"""Two runs on one stream, sixty days of the virtual clock apart, through a real scorer."""

import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.datasets.store import upload
from streamweir.duck import sorting
from streamweir.ledger.producer import read_plan
from streamweir.replay.plan import Request
from streamweir.replay.replayer import replay
from streamweir_quality.carried import leave
from streamweir_quality.ecommerce_fraud import subjects
from streamweir_quality.inputs import gather
from streamweir_quality.recompute import left_tables, recompute_subjects
from streamweir_quality.runner import validate
from tests.support.scoring import Scoring

BATCHES = 40
START_TS = 1_700_000_000
APART_S = 60 * 86_400


def test_runs_sixty_days_apart_have_each_their_own_windows(
    scoring: Scoring, make_run: Callable[[], Run], tmp_path: Path
) -> None:
    first = make_run()
    second = Run(first.stream, "sixty days later")
    folders = {first: scoring.folder, second: with_new_ids(scoring.folder, tmp_path / "second")}
    for number, (run, folder) in enumerate(folders.items()):
        request = Request("f" * 64, speed=0, start_ts=START_TS + number * APART_S)
        replay(run, request, kafka=scoring.servers.kafka, store=scoring.store, folder=folder)
    # One micro-batch holds the first run, its flush and the second run.
    scoring.begin(first.stream)
    scoring.await_sequence(first.stream, 2 * BATCHES + 1)
    scoring.stop(first.stream)

    sold = {run: checked(scoring, run, folder, tmp_path / run.id) for run, folder in folders.items()}
    for run, start in zip(folders, (START_TS, START_TS + APART_S), strict=True):
        starts = sold[run].window_start.astype("int64") // 10**6
        assert len(starts) in (2, 3)
        assert start - 30 < starts.min() <= starts.max() < start + BATCHES
    assert sold[second].quantity_so_far.min() > sold[first].quantity_so_far.max() > 0


def with_new_ids(folder: Path, target: Path) -> Path:
    """The dataset with other transactions, so that they are no duplicates."""
    target.mkdir()
    for path in folder.glob("*.csv"):
        (target / path.name).write_bytes(path.read_bytes())
    with (target / "new_transactions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (target / "new_transactions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"transaction_id": f"{row['transaction_id']}-again"} for row in rows)
    return target


def checked(scoring: Scoring, run: Run, folder: Path, work: Path) -> pd.DataFrame:
    """What the run sold, window by window, once ledger, suites and the batch computation have agreed."""
    assert scoring.reconcile(run).totals["transactions"].worked > 50
    dataset = upload(scoring.store, PIPELINE.name, folder, "test")
    scoring.store.put_json(run.task("ensure_dataset"), {"result": dataset.to_json()})
    scoring.store.put_json(run.task("ensure_model"), {"result": {"version": scoring.model}})
    scoring.store.put_json(run.parameters, {"lateness_s": 60, "lookback_s": 600})
    inputs = gather(scoring.store, scoring.servers.kafka, run, work)
    with sorting(work) as sql:
        again = list(recompute_subjects(inputs, sql))
        leave(scoring.store, run, inputs.replayed.left, left_tables(inputs, sql), work)
    outcomes = [outcome for suite in validate([*subjects(inputs), *again]) for outcome in suite.outcomes]
    assert len(outcomes) > 60
    assert [outcome for outcome in outcomes if outcome.fatal] == []
    # The second run begins where the first left off, and reads none of its messages.
    first = read_plan(run, scoring.store).first_sequence
    sent = [message.headers for topic in PIPELINE.inputs for message in inputs.replayed.of(topic)]
    assert inputs.replayed.carried.next_sequence == min(headers.sequence for headers in sent) == first
    return inputs.frame("sold_quantity").sort_values("window_start")
