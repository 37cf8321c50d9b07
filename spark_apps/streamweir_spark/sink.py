"""Writing a micro-batch: publish, one parquet object per table, what is kept for the next, the commit record.

Everything carries the micro-batch's id and is replaced whole, so a micro-batch that is worked on again after
a crash leaves the same output. The driver itself writes the parquet files: there is one per table, nothing
is listed, renamed or left behind.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from streamweir.commits import BEGINNING, Commit, newest, read
from streamweir.contracts.rejected import REJECTED, WORKED
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore, to_json
from streamweir_spark import micro_batch
from streamweir_spark.core import OutputKind
from streamweir_spark.doubts import Doubts
from streamweir_spark.kept import Kept
from streamweir_spark.log import show_windows
from streamweir_spark.micro_batch import Files, FinalRows, Results, parquet, stored_schema, windows
from streamweir_spark.outputs import Lines
from streamweir_spark.placement import Outputs, Placement
from streamweir_spark.publish import Publisher, outgoing
from streamweir_spark.scoring import Scored, Scoring
from streamweir_spark.source import collector_paused

_WRITERS = 8
"""Small objects are written side by side: waiting for the store dominates."""


class Sink:
    """Writes the micro-batches of one stream.

    placement: where the core works. before_writing: may raise, to keep a micro-batch from being written.
    lateness_s, retention_s: how late a row may be, and for how long an id makes duplicates, virtual clock.
    files: CSV files beside the tables, where there are some. last: the commit record of the micro-batch that
    was written last; None before the first. dropped: rows that Spark itself has dropped so far; only the
    listener's thread counts them.
    """

    def __init__(
        self,
        stream: Stream,
        pipeline: Pipeline,
        store: ObjectStore,
        publisher: Publisher,
        placement: Placement,
        results: Results,
        before_writing: Callable[[], None],
        *,
        lateness_s: int,
        retention_s: int,
        files: Files | None = None,
    ) -> None:
        self._stream = stream
        self._pipeline = pipeline
        self._store = store
        self._kept = Kept(store, stream)
        self._scored_table = pipeline.table(pipeline.scored_table) if pipeline.scored_table else None
        schema = placement.scored_schema
        self._scoring = Scoring(pipeline, self._scored_table, results, schema) if self._scored_table else None
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="write")
        self._publisher = publisher
        self._placement, self._results = placement, results
        self._before_writing, self._files = before_writing, files
        self._writing = threading.Lock()
        self._lateness_s, self._retention_s = lateness_s, retention_s
        self.last: Commit | None = None
        self.dropped = 0
        self._dropped_told = 0

    @property
    def evaluations(self) -> int:
        """How often rows were given to the model; it grows while a micro-batch looks for rows that fail."""
        return self._scoring.evaluations if self._scoring else 0

    def newest(self, known: int | None) -> Commit | None:
        """The stream's newest commit record, also when an earlier driver wrote it; None before the first.

        known: a micro-batch that was committed, as the stream's status says.
        """
        return self.last or newest(self._store, self._stream, known)

    def tick(self) -> None:
        """Write what has waited for a file for too long; called now and then, also when nothing comes."""
        if self._files and not self._writing.locked() and self.last and self._files.is_due(self.last):
            with self._writing:
                # What came meanwhile goes with it.
                self._files.end(self.last)

    def end(self, known: int | None) -> None:
        """Write what waits for a file; nothing more is written then. known: as in `newest`."""
        if self._files and (last := self.newest(known)):
            self._files.end(last)

    def write(self, frame: DataFrame, batch_id: int) -> None:
        """Write a micro-batch of the placement's frame, for `foreachBatch`."""
        found = frame.toArrow()
        if not self._is_done(batch_id):
            with collector_paused(), self._writing:
                self._write(found, batch_id)

    def _write(self, found: pa.Table, batch_id: int) -> None:
        before = self.last or self._before(batch_id)
        outputs = self._placement.outputs(found)
        doubts = Doubts.of(before.doubts, self._retention_s)
        done = self._scored(outputs.scored, outputs.lines, doubts)
        self.last = self._put(batch_id, before, done, doubts, outputs)

    def _is_done(self, batch_id: int) -> bool:
        # Spark repeats its last micro-batch after a crash, also one whose commit record was written.
        if self.last is not None:
            return False
        self.last = self._read(batch_id)
        return self.last is not None

    def _before(self, batch_id: int) -> Commit:
        found = self._read(batch_id - 1) if batch_id else BEGINNING
        if found is None:
            raise BadConfiguration(
                f"{self._stream.commit(batch_id - 1)} is missing, and without it stream {self._stream} would "
                "count from zero: put the commit record back, or take another stream id"
            )
        return found

    def _read(self, batch_id: int) -> Commit | None:
        found = read(self._store, self._stream, batch_id)
        if found is None:
            return None
        found = replace(found, totals=self._kept.totals(found))
        self._placement.go_on(found, self._kept.memory(found))
        self._kept.drop_others(found)
        return found

    def _scored(self, scored: pa.Table, lines: Lines, doubts: Doubts) -> Scored:
        return Scored(scored, lines) if self._scoring is None else self._scoring.score(scored, lines, doubts)

    def _put(self, batch_id: int, before: Commit, done: Scored, doubts: Doubts, outputs: Outputs) -> Commit:
        scored, lines = done.rows, done.lines
        next_sequence, max_ts = micro_batch.frontier(lines, before)
        if self._files:
            self._files.begin(before)
        totals, figures = self._results.figures(before.totals, scored, max_ts, micro_batch.closed(lines))
        spans = micro_batch.spans(before.spans, lines, scored)
        tables = self._tables(scored, lines, figures, spans)
        self._before_writing()
        messages = list(outgoing(self._stream, self._pipeline, tables))
        # First the topics: a writer that was replaced hears of it there, and has not touched a table then.
        published = self._publisher.publish(batch_id, messages, before.published)
        kept = self._kept.to_keep(batch_id, before, totals, outputs.memory)
        self._put_objects(batch_id, tables, kept.objects)
        remainder = self._files.write() if self._files else before.remainder
        worked = sum(tables[WORKED.name]["rows"].to_pylist())
        record = Commit(
            batch_id=batch_id,
            next_sequence=next_sequence,
            max_ts=max_ts,
            rows=worked + sum(tables[REJECTED.name]["rows"].to_pylist()),
            files=tuple(name for name, rows in tables.items() if rows.num_rows),
            totals=totals,
            spans=spans,
            published=published,
            doubts=doubts.stored((max_ts or 0) - self._lateness_s),
            foreign=micro_batch.foreign(lines),
            state_bytes=outputs.state_bytes,
            dropped_by_watermark=self.dropped - self._dropped_told,
            committed_at=micro_batch.now_us(),
            remainder=remainder,
            **kept.said,
        )
        self._store.put(self._stream.commit(batch_id), to_json(record.to_json()))
        self._dropped_told += record.dropped_by_watermark
        self._kept.drop(before, record)
        return record

    def _tables(
        self, scored: pa.Table, lines: Lines, figures: Mapping[str, FinalRows], spans: list[list[Any]]
    ) -> dict[str, pa.Table]:
        rejected = [line for line in lines if line["kind"] == OutputKind.REJECTED]
        tables = {
            REJECTED.name: pa.Table.from_pylist(rejected, stored_schema(REJECTED)),
            WORKED.name: micro_batch.worked(lines, scored),
        }
        if self._scored_table is not None:
            tables[self._scored_table.name] = scored
        for name, rows in figures.items():
            table = self._pipeline.table(name)
            if isinstance(rows, list):
                show_windows(table, rows)
                rows = windows(table, rows, spans)
            tables[name] = rows
        return tables

    def _put_objects(
        self, batch_id: int, tables: Mapping[str, pa.Table], kept: Mapping[ObjectKey, bytes]
    ) -> None:
        contracts = {table.name: table for table in (*self._pipeline.tables, WORKED)}

        def put_table(name: str) -> None:
            data = parquet(contracts[name], tables[name])
            self._store.put(self._stream.table_file(name, batch_id), data)

        names = [name for name, rows in tables.items() if rows.num_rows]
        writes = [self._writers.submit(put_table, name) for name in names]
        writes += [self._writers.submit(self._store.put, key, data) for key, data in kept.items()]
        for write in writes:
            write.result()
