"""How long the scorer took: latency per message and rows per micro-batch, for the run's bundle."""

from collections import Counter
from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset

from streamweir.commits import Commit
from streamweir.contracts.rejected import REJECTED, WORKED
from streamweir.contracts.tables import Pipeline, Role
from streamweir.ledger.committed import scan
from streamweir.ledger.results import Frames

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
        ("state_bytes", pa.int64()),
    ]
)


def latencies(
    sql: duckdb.DuckDBPyConnection,
    pipeline: Pipeline,
    commits: Sequence[Commit],
    worked: pa.RecordBatchReader | pa.Table,
) -> duckdb.DuckDBPyRelation:
    """For each message of the leading input that was worked on: seconds from its append to its commit.

    worked: rows of `WORKED` with their `batch_id`.
    """
    ends = {
        "batch_id": pa.array([commit.batch_id for commit in commits], pa.int64()),
        "ended": pa.array([commit.committed_at for commit in commits], pa.int64()),
    }
    sql.register("commits", pa.table(ends))
    sql.register("worked", worked)
    return sql.sql(
        "select topic, batch_index, sequence, batch_id, appended_at, make_timestamptz(ended) as committed_at,"
        " (ended - epoch_us(appended_at)) / 1e6 as seconds"
        " from worked join commits using (batch_id) where topic = $topic order by sequence",
        params={"topic": pipeline.leading.topic.name},
    )


def micro_batches(pipeline: Pipeline, commits: Sequence[Commit], frames: Frames) -> pa.Table:
    """For each micro-batch that worked on rows of the run: when it was committed, and its rows by kind."""
    # Typed: a pipeline without such topics would compare text with nulls.
    names = pa.array([read.topic.name for read in pipeline.reads if read.role is Role.SCORED], pa.string())
    is_scored = pc.field("topic").isin(names)
    used = _rows_by_micro_batch(frames[WORKED.name], ~is_scored)
    scored = _rows_by_micro_batch(frames[WORKED.name], is_scored)
    rejected = _rows_by_micro_batch(frames[REJECTED.name])
    lines = [
        {
            "batch_id": commit.batch_id,
            "committed_at": commit.committed_at,
            "next_sequence": commit.next_sequence,
            "used": used[commit.batch_id],
            "scored": scored[commit.batch_id],
            "rejected": rejected[commit.batch_id],
            "state_bytes": commit.state_bytes,
        }
        for commit in commits
        if commit.batch_id in used | scored | rejected
    ]
    return pa.Table.from_pylist(lines, MICRO_BATCH_SCHEMA)


def _rows_by_micro_batch(frame: dataset.Dataset, which: pc.Expression | None = None) -> Counter[int]:
    found: Counter[int] = Counter()
    for part in scan(frame, ["batch_id", "rows"], which):
        sums = pa.table(part).group_by("batch_id").aggregate([("rows", "sum")])
        for batch_id, rows in zip(sums["batch_id"].to_pylist(), sums["rows_sum"].to_pylist(), strict=True):
            found[batch_id] += rows
    return found
