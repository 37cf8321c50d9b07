"""What a Python stage leaves of a step for the ledger: what became of its messages, and its commit record."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from streamweir.arrow import parquet, schema_of
from streamweir.broker.records import Record
from streamweir.commits import Commit, add
from streamweir.contracts.rejected import REJECTED, WORKED, Reason
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.objectstore import ObjectStore


class Account:
    """What became of a step's messages, row by row. pipeline: narrowed to the stage."""

    def __init__(self, stream: Stream, pipeline: Pipeline) -> None:
        self._names = {read.topic.of(stream): read.topic.name for read in pipeline.reads}
        self._worked: list[dict[str, Any]] = []
        self._rejected: list[dict[str, Any]] = []

    def work(self, record: Record, rows: int) -> None:
        """So many rows of a message were used, scored or stored."""
        if rows:
            line = {"rows": rows, "appended_at": record.appended_ms * 1000}
            self._worked.append(self._message(record) | line)

    def reject(
        self,
        record: Record,
        reason: Reason,
        detail: str,
        *,
        rows: int = 1,
        row: int = -1,
        raw: bytes | None = None,
    ) -> None:
        """A row of a message was not worked on, or with the row -1 all of it, which has `rows` rows.

        detail: one sentence on what is wrong. raw: the row as JSON; by default the message's bytes. A foreign
        message is of no run, whatever its headers say.
        """
        place = {"partition": record.partition, "offset": record.offset, "row": row, "rows": rows}
        why = {"reason": reason.value, "detail": detail, "raw": record.value if raw is None else raw}
        whose = {"run": None} if reason is Reason.FOREIGN else {}
        self._rejected.append(self._message(record) | place | why | whose)

    def tables(self) -> dict[str, pa.Table]:
        """The rows of the tables `worked` and `rejected`."""
        lines = ((WORKED, self._worked), (REJECTED, self._rejected))
        return {table.name: pa.Table.from_pylist(rows, schema_of(table)) for table, rows in lines}

    def _message(self, record: Record) -> dict[str, Any]:
        # What an earlier stage published says whose run it is, and is of no batch.
        headers, run = record.headers, dict(record.raw_headers).get("run")
        return {
            "run": run.decode(errors="replace") if run else None,
            "batch_index": headers.batch if headers else None,
            "sequence": headers.sequence if headers else None,
            "topic": self._names[record.topic],
        }


def commit(store: ObjectStore, stream: Stream, step: Commit, tables: Mapping[str, pa.Table]) -> Commit:
    """Write a step's tables, then its commit record, from where on the step counts; returns the record.

    step: what the record says of the step's end: batch_id, next_sequence, max_ts, state, published,
    remainder. tables: what `Account.tables` gave, and rows of the stage's own tables with their `run` and
    `sequence`. A step that is repeated replaces what it wrote before. Raises StreamHeld when the step has its
    record.
    """
    done = put_tables(store, stream, step, tables)
    add(store, stream, done)
    return done


def put_tables(store: ObjectStore, stream: Stream, step: Commit, tables: Mapping[str, pa.Table]) -> Commit:
    """The first half of `commit`, for a stage whose commit record is first written elsewhere."""
    written = {name: rows for name, rows in tables.items() if rows.num_rows}
    for name, rows in written.items():
        store.put(stream.table_file(name, step.batch_id), parquet(rows))
    counted = (written[table.name]["rows"] for table in (WORKED, REJECTED) if table.name in written)
    return replace(
        step,
        rows=sum(sum(rows.to_pylist()) for rows in counted),
        files=tuple(written),
        committed_at=time.time_ns() // 1000,
    )
