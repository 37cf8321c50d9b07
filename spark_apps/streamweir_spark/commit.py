"""What the commit record of a micro-batch says, worked out from what the micro-batch put out.

Pure: the next micro-batch starts from it.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from streamweir.arrow import arrow_schema
from streamweir.commits import Commit
from streamweir.contracts.rejected import Reason
from streamweir.contracts.worked import WORKED
from streamweir_spark.core import OutputKind

SPANS_KEPT = 16
"""Runs whose windows can still be open: a window is some minutes long, and runs follow one another."""

_PLACES = pa.schema([("sequence", pa.int64()), ("run", pa.string()), ("ts", pa.int64())])

MESSAGE = tuple(name for name in WORKED.names if name != "rows")
"""What identifies a message, in the outputs and in the table `worked`."""


def frontier(lines: Iterable[Mapping[str, Any]], before: Commit) -> tuple[int, int | None]:
    """How far the stream is: next sequence and largest ts.

    All shards say the same; none does without messages.
    """
    found = [line for line in lines if line["kind"] == OutputKind.FRONTIER]
    if not found:
        return before.next_sequence, before.max_ts
    last = min(found, key=lambda line: line["sequence"])
    return last["sequence"], last["ts"]


def worked(lines: Iterable[Mapping[str, Any]], scored: pa.Table) -> pa.Table:
    """The rows of the table `worked`: a message's rows were used by several shards, or scored."""
    schema = arrow_schema(WORKED.columns)
    tallies = [line for line in lines if line["kind"] == OutputKind.TALLY and line["rows"]]
    one_each = pa.array([1] * scored.num_rows, pa.int64())
    # Arrow, because a micro-batch may hold tens of thousands of messages.
    counted = scored.select(MESSAGE).append_column("rows", one_each).select(schema.names).cast(schema)
    both = pa.concat_tables([pa.Table.from_pylist(tallies, schema), counted])
    sums = both.group_by(list(MESSAGE), use_threads=False).aggregate([("rows", "sum")])
    return sums.rename_columns([*MESSAGE, "rows"]).select(schema.names)


def foreign(lines: Iterable[Mapping[str, Any]]) -> int:
    """How many foreign messages there were."""
    return sum(line["reason"] == Reason.FOREIGN for line in lines)


def closed(lines: Iterable[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """What all shards' domains gave as final."""
    return [line["values"] for line in lines if line["kind"] == OutputKind.CLOSED]


def spans(before: list[list[Any]], lines: Iterable[Mapping[str, Any]], scored: pa.Table) -> list[list[Any]]:
    """The runs' spans of ts, with these scored and counted rows; the runs in the order of their messages.

    Of the runs before only the latest are kept; of these rows' runs all, for their windows may close now.
    """
    tallies = [line for line in lines if line["kind"] == OutputKind.TALLY]
    counted = pa.Table.from_pylist(tallies, _PLACES)
    seen = pa.concat_tables([counted, scored.select(_PLACES.names).cast(_PLACES)])
    bounds = [("sequence", "min"), ("ts", "min"), ("ts", "max")]
    runs = seen.group_by("run", use_threads=False).aggregate(bounds).sort_by("sequence_min")
    known = {run: [run, first, last] for run, first, last in before[-SPANS_KEPT:]}
    for row in runs.to_pylist():
        span = known.setdefault(row["run"], [row["run"], row["ts_min"], row["ts_max"]])
        span[1], span[2] = min(span[1], row["ts_min"]), max(span[2], row["ts_max"])
    return list(known.values())


def owner(known: list[list[Any]], start_us: Any, end_us: Any) -> str | None:
    """The run that a window belongs to: the latest whose span it meets; None when it meets none."""
    for run, first, last in reversed(known):
        if first * 1_000_000 < end_us and last * 1_000_000 >= start_us:
            return str(run)
    return None


def now_us() -> int:
    """The wall clock in Unix microseconds."""
    return time.time_ns() // 1000
