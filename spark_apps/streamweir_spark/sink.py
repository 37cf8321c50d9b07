"""Writing a micro-batch: publish, one parquet object per table, then the commit record.

Everything carries the micro-batch's id and is replaced whole, so a micro-batch that is worked on again after
a crash leaves the same output. The driver itself writes the parquet files: there is one per table, nothing
is listed, renamed or left behind.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.contracts.messages import partition_of
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline, Table
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore, to_json
from streamweir_spark import commit as commits
from streamweir_spark.commit import BEGINNING, Commit
from streamweir_spark.log import show_windows
from streamweir_spark.parts import OutputKind
from streamweir_spark.publish import Outgoing, Publisher
from streamweir_spark.results import Results, Rows
from streamweir_spark.tables import parquet, stored_schema, windows
from streamweir_spark.transform import Lines, unpack

_JSON = "json"
_JSON_OPTIONS = {"ignoreNullFields": "false", "timeZone": "UTC"}
Messages = Iterator[tuple[int | None, str | None, bytes]]


class Sink:
    """Writes the micro-batches of one stream.

    schema: of the core's scored rows. before_writing: may raise, to keep a micro-batch from being written.
    dropped_by_watermark: rows that Spark itself dropped and no commit record has told of.
    """

    def __init__(
        self,
        stream: Stream,
        pipeline: Pipeline,
        store: ObjectStore,
        publisher: Publisher,
        schema: pa.Schema,
        results: Results,
        before_writing: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._pipeline = pipeline
        self._store = store
        self._scored_table = _scored_table(pipeline)
        self._publisher = publisher
        self._schema = schema
        self._results = results
        self._before_writing = before_writing
        self._last: Commit | None = None
        self.dropped_by_watermark = 0

    @property
    def last(self) -> Commit | None:
        """The commit record of the micro-batch that was written last; None before the first."""
        return self._last

    def newest(self) -> Commit | None:
        """The stream's newest commit record, also when an earlier driver wrote it; None before the first."""
        if self._last is not None:
            return self._last
        found = self._store.list(self._stream.commits)
        return Commit(**self._store.get_json(found[-1])) if found else None

    def write(self, outputs: DataFrame, batch_id: int) -> None:
        """Write a micro-batch, for `foreachBatch`."""
        shares = outputs.toArrow()
        if self._is_done(batch_id):
            return
        scored, lines = unpack(shares, self._schema)
        results = self._scored_rows(outputs.sparkSession, scored)
        before = self._last or self._read(batch_id - 1) or BEGINNING
        self._last = self._put(batch_id, before, results, lines)

    def _is_done(self, batch_id: int) -> bool:
        # Spark repeats its last micro-batch after a crash, also one whose commit record was written.
        if self._last is None:
            self._last = self._read(batch_id)
            return self._last is not None
        return False

    def _read(self, batch_id: int) -> Commit | None:
        found = self._store.get_json(self._stream.commit(batch_id)) if batch_id >= 0 else None
        return Commit(**found) if found else None

    def _scored_rows(self, spark: SparkSession, scored: pa.Table) -> pa.Table:
        table = self._scored_table
        place = [name for name in ("row", *commits.MESSAGE) if name not in table.names]
        if not scored.num_rows:
            fields = [scored.schema.field(name) for name in place if name not in stored_schema(table).names]
            return pa.schema([*stored_schema(table), *fields, (_JSON, pa.string())]).empty_table()
        rows = self._results.score(spark.createDataFrame(scored))
        message = F.to_json(F.struct(*table.names), _JSON_OPTIONS).alias(_JSON)
        return rows.select(*table.names, *place, message).toArrow()

    def _put(self, batch_id: int, before: Commit, scored: pa.Table, lines: Lines) -> Commit:
        next_sequence, max_ts = commits.frontier(lines, before)
        totals, figures = self._results.figures(before.totals, scored, max_ts)
        spans = commits.spans(before.spans, scored)
        rejected = [line for line in lines if line["kind"] == OutputKind.REJECTED]
        self._before_writing()
        # First what the broker refuses to a writer that was replaced: it has not touched a table then.
        published = self._publisher.publish(batch_id, self._outgoing(scored, rejected), before.published)
        self._put_table(batch_id, self._scored_table, scored)
        self._put_table(batch_id, REJECTED, pa.Table.from_pylist(rejected, stored_schema(REJECTED)))
        self._put_figures(batch_id, figures, spans)
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

    def _put_figures(self, batch_id: int, figures: Mapping[str, Rows], spans: list[list[Any]]) -> None:
        for name, rows in figures.items():
            table = self._pipeline.table(name)
            self._put_table(batch_id, table, windows(table, rows, spans))
            show_windows(table, rows)

    def _put_table(self, batch_id: int, table: Table, rows: pa.Table) -> None:
        if rows.num_rows:
            self._store.put(self._stream.table_file(table.name, batch_id), parquet(table, rows))

    def _outgoing(self, scored: pa.Table, rejected: Lines) -> list[Outgoing]:
        outgoing = []
        for topic in self._pipeline.outputs:
            messages = {REJECTED.name: _rejected(rejected), self._scored_table.name: _scored(scored)}
            for sequence, run, value in messages.get(topic.name, ()):
                place = partition_of(sequence or 0, topic.partitions)
                headers = [("run", (run or "").encode())]
                outgoing.append(Outgoing(self._stream.topic(topic.name), place, value, headers))
        return outgoing


def _scored_table(pipeline: Pipeline) -> Table:
    if pipeline.scored_table is None:
        raise BadConfiguration(f"pipeline {pipeline.name} declares no table for its scored rows")
    return pipeline.table(pipeline.scored_table)


def _scored(scored: pa.Table) -> Messages:
    values = scored[_JSON].cast(pa.binary()).to_pylist()
    return zip(scored["sequence"].to_pylist(), scored["run"].to_pylist(), values, strict=True)


def _rejected(rejected: Lines) -> Messages:
    for line in rejected:
        row = {name: line[name] for name in REJECTED.names}
        row["raw"] = None if row["raw"] is None else row["raw"].decode(errors="replace")
        yield line["sequence"], line["run"], orjson.dumps(row)
