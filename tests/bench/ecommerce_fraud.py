"""What `ecommerce_fraud` promises under Speed, measured on real servers in one run."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamweir.broker.records import read_topic
from streamweir.commits import Commit
from streamweir.contracts.ecommerce_fraud import BROWSING_TOPIC, PIPELINE
from streamweir.contracts.ecommerce_fraud.dataset import ROWS_PER_BATCH
from streamweir.contracts.messages import Kind
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.runs import Run
from streamweir.datasets.dataset import Dataset
from streamweir.ledger.committed import read_commits, read_entries, read_table
from streamweir.ledger.timing import latencies
from streamweir.objectstore import ObjectStore
from streamweir.replay.produced import Manifest
from streamweir.scorer import status
from tests.bench.servers import Bench, await_status, steady_rate

MAX_MESSAGES = PIPELINE.max_messages


@dataclass(frozen=True)
class CatchingUp:
    """Browsing rows a second, in steady state: the unpaced replay, the scorer, the decode-only stream."""

    replay: float
    scorer: float
    decode_only: float


@dataclass(frozen=True)
class RealTime:
    """At SPEED=1. handed_late_ms: the most that a batch was handed to Kafka's client after it was due.
    off_schedule_ms: the most that a batch's append was off its schedule, by Kafka's times. p50_s, p95_s:
    seconds from the append of a transactions message to its predictions being readable.
    """

    batches: int
    handed_late_ms: float
    off_schedule_ms: float
    p50_s: float
    p95_s: float


def catching_up(bench: Bench, dataset: Dataset, model: str) -> CatchingUp:
    """Send everything first, then let both catch up; the decode-only stream before and after the scorer."""
    run = bench.run("bench-backlog")
    sent = bench.send(run, dataset, speed=0)
    before = _decode_only(bench, run, "before")
    bench.start_scorer(run, dataset, model, MAX_MESSAGES)
    await_status(bench.store, run.stream, lambda found: status.drained(found, sent))
    bench.stop_scorer(run)
    after = _decode_only(bench, run, "after")
    return CatchingUp(sent.rows_per_second, _scorer_rate(bench.store, run), (before + after) / 2)


def real_time(bench: Bench, dataset: Dataset, model: str, batches: int) -> RealTime:
    """Send at SPEED=1 to a scorer that waits for it."""
    run = bench.run("bench-real-time")
    bench.start_scorer(run, dataset, model, MAX_MESSAGES)
    await_status(bench.store, run.stream, lambda found: found.state == status.State.RUNNING)
    sent = bench.send(run, dataset, speed=1, batches=batches)
    await_status(bench.store, run.stream, lambda found: status.drained(found, sent))
    bench.stop_scorer(run)
    p50, p95 = np.percentile(_latencies(bench.store, run), (50, 95))
    assert sent.off_schedule_ms is not None, "a paced replay knows how late it was"
    return RealTime(batches, sent.off_schedule_ms, _off_schedule_ms(bench, run, sent), float(p50), float(p95))


def _decode_only(bench: Bench, run: Run, name: str) -> float:
    checkpoint = bench.store.uri(run.stream.root / f"decode-only-{name}")
    app = str(Path(__file__).with_name("decode_only"))
    printed = bench.submit(app, [run.stream.id, str(MAX_MESSAGES), checkpoint])
    told = [json.loads(line) for line in printed.splitlines() if line.startswith('{"messages"')][1:-1]
    return median(_browsing_rows(line["messages"]) / line["seconds"] for line in told)


def _browsing_rows(messages: int) -> float:
    return messages / len(PIPELINE.inputs) * ROWS_PER_BATCH


def _worked(store: ObjectStore, run: Run) -> tuple[Sequence[Commit], pa.Table]:
    entries = read_entries(run.stream, store)
    commits = read_commits(run.stream, store, entries).found
    worked = read_table(run.stream, WORKED.name, entries, store)
    assert worked is not None, "the scorer worked on nothing"
    return commits, worked


def _scorer_rate(store: ObjectStore, run: Run) -> float:
    commits, worked = _worked(store, run)
    rows: Counter[int] = Counter()
    for line in worked.filter(pc.field("topic") == BROWSING_TOPIC.name).to_pylist():
        rows[line["batch_id"]] += line["rows"]
    return steady_rate(commits, rows)


def _latencies(store: ObjectStore, run: Run) -> list[float]:
    with duckdb.connect() as sql:
        found: list[float] = latencies(sql, PIPELINE, *_worked(store, run)).fetchnumpy()["seconds"].tolist()
    return found


def _off_schedule_ms(bench: Bench, run: Run, sent: Manifest) -> float:
    topic, interval_ms = run.stream.topic(PIPELINE.leading.topic.name), sent.interval_s * 1000
    starts = [
        record.appended_ms - record.headers.batch * interval_ms
        for record in read_topic(bench.kafka, topic)
        if record.headers and record.headers.kind == Kind.BATCH
    ]
    return float(max(abs(start - median(starts)) for start in starts))
