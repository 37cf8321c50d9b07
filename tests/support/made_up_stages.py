"""A made-up run through stages: `db` and `features` read what was replayed, `online` what `features` wrote.

What each stage makes of each row is decided here by the row's number, so that a test can count by hand.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa

from streamweir.arrow import schema_of
from streamweir.broker.records import Record
from streamweir.commits import Commit
from streamweir.contracts.messages import WRITER, Headers, Kind
from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import (
    Column,
    Engine,
    Input,
    OutputTopic,
    Pipeline,
    Role,
    Stage,
    Table,
    Topic,
    Type,
)
from streamweir.objectstore import ObjectStore
from streamweir.scorer.account import Account, commit
from tests.support.made_up_tables import parquet
from tests.support.memory_store import MemoryStore

START = 1_700_000_000
BATCHES = 40
BATCHES_PER_STEP = 5
LATE_BATCH = 9
EVENTS = Topic("events", partitions=2)
WINDOWS = Table(
    "windows",
    (Column("window", Type.INT), Column("events", Type.INT), Column("run", Type.STRING)),
    ("window",),
)
FEATURES = OutputTopic("features", partitions=1, table=WINDOWS)
PIPELINE = Pipeline(
    name="clicks",
    title="Clicks",
    stages=(
        Stage((Input(EVENTS, Role.STORED),), tables=(REJECTED,), name="db", engine=Engine.PYTHON),
        Stage((Input(EVENTS, Role.COUNTED),), (FEATURES,), (WINDOWS, REJECTED), name="features"),
        Stage((Input(FEATURES, Role.STORED),), tables=(REJECTED,), name="online", engine=Engine.PYTHON),
    ),
    interval_s=1,
    lateness_s=0,
    flush_after_s=10,
)


def rows_of(batch: int) -> int:
    return 3 + batch % 4


def is_malformed(batch: int, row: int) -> bool:
    """For every stage."""
    return (batch + row) % 11 == 5


def is_no_number(batch: int, row: int) -> bool:
    """For `features`, which counts what `db` stores as a text."""
    return not is_malformed(batch, row) and (batch * row) % 13 == 6


@dataclass
class MadeUpStages:
    """The run, and everything that lies about it. `topics`: records by full topic name."""

    run: Run = field(default_factory=lambda: Run(Stream("clicks", "made-up"), "r1"))
    store: MemoryStore = field(default_factory=MemoryStore)
    topics: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for sequence in range(BATCHES):
            headers = Headers(
                self.run.id, sequence, sequence, START + sequence, Kind.BATCH, rows_of(sequence)
            )
            self.send(headers)
        self.send(Headers(self.run.id, BATCHES, BATCHES, START + BATCHES + 9, Kind.FLUSH, 0))
        self._replayed()
        events = self.records("events")
        for number, first in enumerate(range(0, BATCHES + 1, BATCHES_PER_STEP)):
            taken = [
                record
                for record in events
                if first <= record.headers.sequence < first + BATCHES_PER_STEP  # type: ignore[union-attr]
            ]
            next_sequence = min(first + BATCHES_PER_STEP, BATCHES + 1)
            self.store_events(number, taken, next_sequence)
            self.serve(number, [self.count(number, taken, next_sequence)], next_sequence)

    def records(self, topic: str) -> list[Record]:
        return self.topics[self.run.stream.topic(topic)]

    def send(self, headers: Headers) -> Record:
        name, partition = EVENTS.of(self.run.stream), headers.sequence % EVENTS.partitions
        offset = sum(record.partition == partition for record in self.topics[name])
        record = Record(name, partition, offset, START * 1000 + headers.sequence, headers.encode(), b"[]")
        self.topics[name].append(record)
        return record

    def store_events(self, step: int, records: list[Record], next_sequence: int) -> None:
        """A step of `db`."""
        account = self._account("db")
        for record, batch, rows in _batches(records):
            bad = [row for row in range(rows) if is_malformed(batch, row)]
            for row in bad:
                account.reject(record, Reason.MALFORMED, "geo is missing", row=row, raw=b"{}")
            account.work(record, rows - len(bad))
        self._commit("db", step, next_sequence, account.tables())

    def count(self, step: int, records: list[Record], next_sequence: int) -> Record:
        """A step of `features`: a window with what it used; gives the message about it."""
        account, used = self._account("features"), 0
        for record, batch, rows in _batches(records):
            if batch == LATE_BATCH:
                account.reject(record, Reason.LATE, "ts is 90 s behind", rows=rows)
                continue
            bad = [row for row in range(rows) if is_malformed(batch, row) or is_no_number(batch, row)]
            for row in bad:
                account.reject(record, Reason.MALFORMED, "CTR is 'x', no number", row=row, raw=b"{}")
            account.work(record, rows - len(bad))
            used += rows - len(bad)
        window = {"window": step, "events": used, "run": self.run.id}
        stream, name = self.run.stream.of_stage("features"), FEATURES.of(self.run.stream)
        headers = [("run", self.run.id.encode()), (WRITER, stream.writer.encode())]
        told = Record(name, 0, len(self.topics[name]), 0, headers, b"{}")
        self.topics[name].append(told)
        windows = {WINDOWS.name: pa.Table.from_pylist([window], schema_of(WINDOWS))}
        published = {name: {"0": len(self.topics[name])}}
        self._commit("features", step, next_sequence, windows | account.tables(), published=published)
        return told

    def serve(self, step: int, records: list[Record], next_sequence: int) -> None:
        """A step of `online`."""
        account = self._account("online")
        for record in records:
            account.work(record, 1)
        self._commit("online", step, next_sequence, account.tables())

    def _account(self, stage: str) -> Account:
        return Account(self.run.stream.of_stage(stage), PIPELINE.of_stage(stage))

    def _commit(
        self, stage: str, step: int, next_sequence: int, tables: dict[str, pa.Table], **more: Any
    ) -> None:
        record = Commit(step, next_sequence=next_sequence, **more)
        commit(cast(ObjectStore, self.store), self.run.stream.of_stage(stage), record, tables)

    def _replayed(self) -> None:
        """What the replay left in the bundle."""
        ends = {
            str(at): sum(r.partition == at for r in self.records("events")) for at in range(EVENTS.partitions)
        }
        sent = [record.headers for record in sorted(self.records("events"), key=lambda r: r.headers.sequence)]  # type: ignore[union-attr]
        lines = [
            {
                "batch_index": each.batch,
                "sequence": each.sequence,
                "ts": each.ts,
                "kind": each.kind.value,
                "events_rows": each.rows,
            }
            for each in sent
            if each
        ]
        self.store.put(self.run.produced_part(0), parquet(pa.Table.from_pylist(lines)))
        common = {
            "run": self.run.id,
            "pipeline": PIPELINE.name,
            "stream": self.run.stream.id,
            "dataset": "recipe",
            "start_ts": START,
            "interval_s": 1,
            "first_sequence": 0,
        }
        plan = {"speed": 10, "batches": None, "batch_rows": 1, "late": {}, "offsets": {}}
        self.store.put_json(self.run.plan, {**common, **plan, "planned_at": "2026-01-01T00:00:00+00:00"})
        manifest = {
            "batches": BATCHES,
            "flush_sequence": BATCHES,
            "flush_ts": lines[-1]["ts"],
            "last_ts": START + BATCHES - 1,
            "rows": {"events": sum(map(rows_of, range(BATCHES)))},
            "facts": {},
            "offsets": {"events": ends},
            "started_at": "2026-01-01T00:00:00+00:00",
            "ended_at": "2026-01-01T00:00:04+00:00",
            "seconds": 4.0,
            "rows_per_second": 50.0,
            "resumed_at_sequence": None,
        }
        self.store.put_json(self.run.manifest, {**common, **manifest})


def _batches(records: list[Record]) -> Iterator[tuple[Record, int, int]]:
    for record in records:
        headers = record.headers
        if headers is not None and headers.kind is not Kind.FLUSH:
            yield record, headers.batch, headers.rows
