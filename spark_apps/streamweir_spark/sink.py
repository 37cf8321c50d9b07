"""Writing a micro-batch: publish, one parquet object per table, then the commit record.

Everything carries the micro-batch's id and is replaced whole, so a micro-batch that is worked on again after a
crash leaves the same output. The driver itself writes the parquet files: there is one per table, nothing is
listed, renamed or left behind.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamweir.contracts.messages import partition_of
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Column, Pipeline, Table, Type
from streamweir.objectstore import ObjectStore, to_json
from streamweir_spark import commit as commits
from streamweir_spark.columns import arrow_schema
from streamweir_spark.commit import BEGINNING, Commit
from streamweir_spark.log import show_windows
from streamweir_spark.parts import OUTPUT_COLUMNS, OutputKind
from streamweir_spark.publish import Outgoing, Publisher
from streamweir_spark.results import Results, Rows

STREAM_COLUMNS = (
    Column("run", Type.STRING, "the run that a row belongs to; null for a window between two runs"),
    Column("sequence", Type.INT, "send order within the stream; null for a window"),
)
"""What a table of the stream holds beside its contract, when the contract does not have it."""

_JSON = "json"
_PLACE = ("row", *commits.MESSAGE)


class Sink:
    """Writes the micro-batches of one stream. `before_writing` may raise, to keep one from being written."""

    def __init__(
        self,
        stream: Stream,
        pipeline: Pipeline,
        store: ObjectStore,
        publisher: Publisher,
        results: Results,
        before_writing: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._pipeline = pipeline
        self._store = store
        self._publisher = publisher
        self._results = results
        self._before_writing = before_writing
        self._last: Commit | None = None
        self._published = [topic for topic in pipeline.outputs if topic.name in _names(pipeline)]
        self.dropped_by_watermark = 0

    @property
    def last(self) -> Commit | None:
        """The commit record of the micro-batch that was written last; None before the first."""
        return self._last

    def write(self, outputs: DataFrame, batch_id: int) -> None:
        """Write a micro-batch, for `foreachBatch`."""
        done = self._recovered(batch_id)
        lines, scored = self._collect(outputs)
        if done is None:
            self._last = self._put(batch_id, self._before(batch_id), lines, scored)

    def _recovered(self, batch_id: int) -> Commit | None:
        # Spark repeats its last micro-batch after a crash, also one whose commit record was written.
        if self._last is None and (found := self._read(batch_id)):
            self._last = found
            return found
        return None

    def _before(self, batch_id: int) -> Commit:
        if self._last is not None:
            return self._last
        return self._read(batch_id - 1) or BEGINNING

    def _read(self, batch_id: int) -> Commit | None:
        found = self._store.get_json(self._stream.commit(batch_id)) if batch_id >= 0 else None
        return Commit(**found) if found else None

    def _collect(self, outputs: DataFrame) -> tuple[list[dict[str, Any]], pa.Table]:
        is_scored = F.col("kind") == OutputKind.SCORED.value
        names = [column.name for column in OUTPUT_COLUMNS]
        kept = outputs.persist()
        try:
            lines = kept.where(~is_scored).select(*names).toArrow().to_pylist()
            scored = self._with_json(self._results.score(kept.where(is_scored))).toArrow()
        finally:
            kept.unpersist()
        return lines, scored.sort_by([("sequence", "ascending"), ("row", "ascending")])

    def _with_json(self, scored: DataFrame) -> DataFrame:
        table = self._scored_table
        options = {"ignoreNullFields": "false", "timeZone": "UTC"}
        columns = [*table.names, *(name for name in _PLACE if name not in table.names)]
        return scored.select(*columns, F.to_json(F.struct(*table.names), options).alias(_JSON))

    @property
    def _scored_table(self) -> Table:
        assert self._pipeline.scored_table is not None
        return self._pipeline.table(self._pipeline.scored_table)

    def _put(self, batch_id: int, before: Commit, lines: list[dict[str, Any]], scored: pa.Table) -> Commit:
        next_sequence, max_ts = commits.frontier(lines, before)
        totals, figures = self._results.figures(before.totals, scored, max_ts)
        spans = commits.spans(before.spans, scored)
        rejected = [line for line in lines if line["kind"] == OutputKind.REJECTED]
        self._before_writing()
        # First what the broker refuses to a writer that was replaced: it has not touched a table then.
        published = self._publisher.publish(batch_id, self._outgoing(scored, rejected), before.published)
        self._put_tables(batch_id, scored, rejected, figures, spans)
        record = Commit(
            batch_id=batch_id,
            next_sequence=next_sequence,
            max_ts=max_ts,
            rows=commits.records(lines) + scored.num_rows,
            totals=totals,
            spans=spans,
            published=published,
            messages=commits.messages(scored),
            tallies=commits.tallies(lines),
            foreign=commits.foreign(lines),
            dropped_by_watermark=self.dropped_by_watermark,
            committed_at=commits.now_us(),
        )
        self._store.put(self._stream.commit(batch_id), to_json(record.to_json()))
        self.dropped_by_watermark -= record.dropped_by_watermark
        return replace(record, messages=[], tallies=[])

    def _put_tables(
        self,
        batch_id: int,
        scored: pa.Table,
        rejected: list[dict[str, Any]],
        figures: Mapping[str, Rows],
        spans: list[list[Any]],
    ) -> None:
        self._put_table(batch_id, self._scored_table, scored)
        self._put_table(batch_id, REJECTED, pa.Table.from_pylist(rejected, _schema(REJECTED)))
        for name, rows in figures.items():
            table = self._pipeline.table(name)
            self._put_table(batch_id, table, _windows(table, rows, spans))
            show_windows(table, rows)

    def _put_table(self, batch_id: int, table: Table, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        schema = _schema(table)
        buffer = io.BytesIO()
        pq.write_table(rows.select(schema.names).cast(schema), buffer, compression="zstd")
        self._store.put(self._stream.table_file(table.name, batch_id), buffer.getvalue())

    def _outgoing(self, scored: pa.Table, rejected: list[dict[str, Any]]) -> list[Outgoing]:
        messages = []
        for topic in self._published:
            name = self._stream.topic(topic.name)
            rows = _rejected_rows(rejected) if topic.name == REJECTED.name else _scored_rows(scored)
            for sequence, run, value in rows:
                place = partition_of(sequence or 0, topic.partitions)
                messages.append(Outgoing(name, place, value, [("run", (run or "").encode())]))
        return messages


def _names(pipeline: Pipeline) -> set[str]:
    return {table.name for table in pipeline.tables}


def stored_columns(table: Table) -> tuple[Column, ...]:
    """The columns of a table as the stream keeps it."""
    return (*table.columns, *(column for column in STREAM_COLUMNS if column.name not in table.names))


def _schema(table: Table) -> pa.Schema:
    return arrow_schema(stored_columns(table))


def _windows(table: Table, rows: Rows, spans: list[list[Any]]) -> pa.Table:
    owned = [(*row, commits.owner(spans, *row[:2]), None) for row in rows]  # type: ignore[arg-type]
    schema = _schema(table)
    columns = zip(*owned, strict=True) if owned else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _scored_rows(scored: pa.Table):  # type: ignore[no-untyped-def]
    columns = (scored["sequence"].to_pylist(), scored["run"].to_pylist(), scored[_JSON].cast(pa.binary()).to_pylist())
    return zip(*columns, strict=True)


def _rejected_rows(rejected: list[dict[str, Any]]):  # type: ignore[no-untyped-def]
    for line in rejected:
        row = {name: line[name] for name in REJECTED.names}
        row["raw"] = None if row["raw"] is None else row["raw"].decode(errors="replace")
        yield line["sequence"], line["run"], orjson.dumps(row)
