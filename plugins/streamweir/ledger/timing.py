"""How long the scorer took: latency per message and rows per micro-batch, for the run's bundle."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from streamweir.contracts.streams import Run
from streamweir.ledger.committed import Commit

LATENCY_SCHEMA = pa.schema(
    [
        ("topic", pa.string()),
        ("batch_index", pa.int64()),
        ("sequence", pa.int64()),
        ("batch_id", pa.int64()),
        ("appended_at", pa.timestamp("us", tz="UTC")),
        ("committed_at", pa.timestamp("us", tz="UTC")),
        ("seconds", pa.float64()),
    ]
)
MICRO_BATCH_SCHEMA = pa.schema(
    [
        ("batch_id", pa.int64()),
        ("committed_at", pa.timestamp("us", tz="UTC")),
        ("next_sequence", pa.int64()),
        ("used", pa.int64()),
        ("scored", pa.int64()),
        ("rejected", pa.int64()),
    ]
)


def latencies(run: Run, commits: Sequence[Commit]) -> pa.Table:
    """For each message of the run with scored rows: seconds from its append to the commit of its output."""
    rows = [
        {
            "topic": topic,
            "batch_index": batch_index,
            "sequence": sequence,
            "batch_id": commit.batch_id,
            "appended_at": appended_at,
            "committed_at": commit.committed_at,
            "seconds": (commit.committed_at - appended_at) / 1e6,
        }
        for commit in commits
        for topic, of_run, batch_index, sequence, appended_at in commit.messages
        if of_run == run.id
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["sequence"]), LATENCY_SCHEMA)


def micro_batches(
    run: Run, commits: Sequence[Commit], scored: pa.Table | None, rejected: pa.Table
) -> pa.Table:
    """For each micro-batch that worked on rows of the run: when it was committed, and its rows by kind."""
    in_scored = Counter(scored["batch_id"].to_pylist() if scored is not None else [])
    in_rejected: Counter[int] = Counter()
    for batch_id, rows in zip(rejected["batch_id"].to_pylist(), rejected["rows"].to_pylist(), strict=True):
        in_rejected[batch_id] += rows
    lines = [_micro_batch(run, commit, in_scored, in_rejected) for commit in commits]
    worked = [line for line in lines if line["used"] or line["scored"] or line["rejected"]]
    return pa.Table.from_pylist(worked, MICRO_BATCH_SCHEMA)


def _micro_batch(
    run: Run, commit: Commit, scored: Mapping[int, int], rejected: Mapping[int, int]
) -> dict[str, int]:
    return {
        "batch_id": commit.batch_id,
        "committed_at": commit.committed_at,
        "next_sequence": commit.next_sequence,
        "used": sum(rows for of_run, _, _, rows in commit.tallies if of_run == run.id),
        "scored": scored.get(commit.batch_id, 0),
        "rejected": rejected.get(commit.batch_id, 0),
    }
