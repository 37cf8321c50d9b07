"""What a micro-batch put out, as the rows of its tables and as what its commit record says.

The next micro-batch starts from it. A pipeline adds how its scored rows become tables: `Results`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from streamweir.arrow import arrow_schema
from streamweir.arrow import parquet as to_parquet
from streamweir.commits import Commit, Remainder
from streamweir.contracts.rejected import WORKED, Reason
from streamweir.contracts.tables import Column, Table, Type
from streamweir_spark.core import OutputKind

SPANS_KEPT = 16
"""Runs whose windows can still be open: a window is some minutes long, and runs follow one another."""

_PLACES = pa.schema([("sequence", pa.int64()), ("run", pa.string()), ("ts", pa.int64())])

MESSAGE = tuple(name for name in WORKED.names if name != "rows")
"""What identifies a message, in the outputs and in the table `worked`."""
Rows = list[tuple[object, ...]]
FinalRows: TypeAlias = "Rows | pa.Table"
"""Rows of a table of windows, as tuples in its column order; of another, as the stream keeps the table."""
Predict = Callable[[pa.Table], pa.Table]
"""A model: the columns of the rows, and its scores beside them."""
STREAM_COLUMNS = (
    Column("run", Type.STRING, "the run that a row belongs to; null for a window that meets none"),
    Column("sequence", Type.INT, "send order within the stream; null for a window"),
)
"""What a table of the stream holds beside its contract, when the contract does not have it."""


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


class Results(Protocol):
    """How what the shards put out in a micro-batch becomes rows of the pipeline's tables.

    probes: rows of the core, as far as a model reads them, that it should be able to score.
    """

    probes: Sequence[Mapping[str, object]]

    def score(self, scored: pa.Table) -> pa.Table:
        """The rows of the table `Pipeline.scored_table`, its columns in any order, from the core's scored
        rows; and UNSCORABLE, which says why a row has no score.

        Every column of the core's outputs is there to be taken along, and `scored_at`. Not called for a
        pipeline without one.
        """

    def figures(
        self, totals: Any, scored: pa.Table, max_ts: int | None, closed: Sequence[tuple[object, ...]]
    ) -> tuple[Any, Mapping[str, FinalRows]]:
        """The next totals, and by table the rows that are now final.

        Timestamps are microseconds since the epoch. totals: of the micro-batch before, None at first; JSON.
        closed: what the domain's `closed` gave, of all shards.
        """


class Files(Protocol):
    """CSV files that repeat a table (`streamweir.writers.csv_files`), for a pipeline that writes some."""

    def begin(self, before: Commit) -> None:
        """Called first for each micro-batch, with the commit record of the one before."""

    def write(self) -> Remainder:
        """Write the files that the micro-batch fills, behind its tables; returns what waits then."""

    def is_due(self, last: Commit) -> bool:
        """Whether what waits behind this micro-batch is to be written though no file is full."""

    def end(self, last: Commit) -> None:
        """Write it: it is due, or the scorer stops. No micro-batch is being written."""


def stored_columns(table: Table) -> tuple[Column, ...]:
    """The columns of a table as the stream keeps it."""
    return (*table.columns, *(column for column in STREAM_COLUMNS if column.name not in table.names))


def stored_schema(table: Table) -> pa.Schema:
    """The same as Arrow."""
    return arrow_schema(stored_columns(table))


def windows(table: Table, rows: Rows, spans: list[list[Any]]) -> pa.Table:
    """The rows of a figure table, each with the run that its window belongs to."""
    owned = [(*row, owner(spans, row[0], row[1]), None) for row in rows]
    schema = stored_schema(table)
    columns = zip(*owned, strict=True) if owned else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def parquet(table: Table, rows: pa.Table) -> bytes:
    """A parquet file of the table's columns, from rows that may have more."""
    schema = stored_schema(table)
    return to_parquet(rows.select(schema.names).cast(schema))
