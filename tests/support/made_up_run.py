"""A made-up run of ecommerce_fraud: what replay, broker and scorer would have left, all kinds of rejects too.

Nothing here is taken from the code under test but the names in the contracts, so that the ledger's counts are
compared with counts that were made by hand.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa

from streamweir.broker.records import Record
from streamweir.commits import newest
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import WRITER, Headers, Kind, partition_of
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from tests.support.made_up_tables import START_TS, Scored, figures, parquet, prediction, put_rows, replayed
from tests.support.memory_store import MemoryStore

APPENDED_AT = 1_767_300_000_000_000
BROWSING_ROWS = 200
LATE_BATCH = 5
MALFORMED_MESSAGE_BATCH = 7
BATCHES_PER_MICRO_BATCH = 8


@dataclass
class MadeUpRun:
    """A run and everything that lies about it. `topics`: records by full topic name."""

    batches: int = 300
    first_sequence: int = 0
    run: Run = field(default_factory=lambda: Run(Stream("ecommerce_fraud", "made-up"), "manual__2026-01-01"))
    store: MemoryStore = field(default_factory=MemoryStore)
    topics: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.first_sequence + 1)
        self._produced: list[dict[str, Any]] = []
        self._pending: dict[str, list[dict[str, Any]]] = defaultdict(list)
        last = newest(cast(ObjectStore, self.store), self.run.stream, None)
        self._batch_id = last.batch_id + 1 if last else 0
        self._scored: list[Scored] = []
        self._plan()
        for index in range(self.batches):
            self._batch(index)
            if (index + 1) % BATCHES_PER_MICRO_BATCH == 0:
                self.commit(self.first_sequence + index + 1)
        self._flush()
        self._figures()
        self.commit(self.first_sequence + self.batches + 1)
        self._manifest()

    def records(self, topic: str) -> list[Record]:
        """The records of a topic by its short name; to be changed by a test that breaks something."""
        return self.topics[self.run.stream.topic(topic)]

    def send(
        self, topic: str, headers: Headers | None, value: bytes = b"[]", appended_at: int = APPENDED_AT
    ) -> Record:
        """Append a record to an input topic."""
        name = self.run.stream.topic(topic)
        partition = partition_of(headers.sequence, 4) if headers else 0
        offset = sum(record.partition == partition for record in self.topics[name])
        said = headers.encode() if headers else []
        record = Record(name, partition, offset, appended_at // 1000, said, value)
        self.topics[name].append(record)
        return record

    def commit(self, next_sequence: int, **more: Any) -> None:
        """Commit what is pending as one micro-batch: tables, output topics, commit record."""
        for name, rows in self._pending.items():
            table = WORKED if name == WORKED.name else PIPELINE.table(name)
            put_rows(self.store, self.run.stream, table, self._batch_id, rows)
            if name in ("predictions", "rejected"):
                self._publish(name, rows)
        sequence = next_sequence - self.first_sequence
        record = {
            "format": 2,
            "batch_id": self._batch_id,
            "files": sorted(self._pending),
            "committed_at": APPENDED_AT + sequence * 1_000_000 + int(self._random.gamma(4, 120_000)),
            "next_sequence": next_sequence,
            "max_ts": START_TS + sequence,
            "totals": {},
            "foreign": 0,
            "state_bytes": 1_000 * (self._batch_id + 1),
            "dropped_by_watermark": 0,
            "published": {
                self.run.stream.topic(name): {"0": len(self.records(name))}
                for name in ("predictions", "rejected")
            },
        }
        self.store.put_json(self.run.stream.commit(self._batch_id), {**record, **more})
        self._batch_id += 1
        self._pending = defaultdict(list)

    def reject(
        self,
        record: Record,
        reason: str,
        batch: int | None,
        rows: int = 1,
        row: int = -1,
        name: str | None = None,
        detail: str = "",
    ) -> None:
        """Add a line to the table of rejected records."""
        headers = record.headers
        self._pending["rejected"].append(
            {
                "run": headers.run if headers else None,
                "batch_index": batch,
                "sequence": headers.sequence if headers else None,
                "topic": record.topic.rsplit(".", 1)[1],
                "partition": record.partition,
                "offset": record.offset,
                "row": row,
                "rows": rows,
                "id": name,
                "reason": reason,
                "detail": detail or f"made up to be {reason}",
                "raw": record.value[:200],
            }
        )
        self.counts[reason] += rows

    def _headers(self, index: int, kind: Kind, rows: int) -> Headers:
        ts = START_TS + index - (90 if index == LATE_BATCH else 0)
        return Headers(self.run.id, index, self.first_sequence + index, ts, kind, rows)

    def _batch(self, index: int) -> None:
        bought = int(self._random.poisson(20))
        success = int(self._random.binomial(bought, 0.93))
        self._produced.append(
            {
                "batch_index": index,
                "sequence": self.first_sequence + index,
                "ts": START_TS + index,
                "kind": "batch",
                "browsing_rows": BROWSING_ROWS,
                "transactions_rows": bought,
                "success_payments": success,
            }
        )
        appended_at = APPENDED_AT + index * 1_000_000
        headers = self._headers(index, Kind.BATCH, BROWSING_ROWS)
        browsing = self.send("browsing", headers, appended_at=appended_at)
        transactions = self.send("transactions", headers._replace(rows=bought), b'{"not a list', appended_at)
        if index == LATE_BATCH:
            self.reject(browsing, "late", index, BROWSING_ROWS, detail="ts is 90 s behind; 60 s are allowed")
            self.reject(transactions, "late", index, bought, detail="ts is 90 s behind; 60 s are allowed")
            return
        self._use(index, browsing)
        if index == MALFORMED_MESSAGE_BATCH:
            self.reject(transactions, "malformed", index, bought, detail="the message is not a JSON list")
            return
        self._score(index, transactions, bought)
        if bought:
            self.work("transactions", index, self._count_scored(index), appended_at)

    def _use(self, index: int, browsing: Record) -> None:
        bad = int(index % 40 == 11)
        if bad:
            self.reject(browsing, "malformed", index, row=3, detail="event_time is missing")
        self.work("browsing", index, BROWSING_ROWS - bad, browsing.appended_ms * 1000)
        self.counts["used"] += BROWSING_ROWS - bad

    def work(self, topic: str, index: int, rows: int, appended_at: int = APPENDED_AT) -> None:
        """Say that rows of a batch were used or scored."""
        message = {"run": self.run.id, "batch_index": index, "sequence": self.first_sequence + index}
        self._pending["worked"].append({**message, "topic": topic, "rows": rows, "appended_at": appended_at})

    def _count_scored(self, index: int) -> int:
        return sum(row["batch_index"] == index for row in self._pending["predictions"])

    def _score(self, index: int, record: Record, bought: int) -> None:
        for row in range(bought):
            name = f"T{self.first_sequence + index:05d}-{row:02d}"
            if row == 0 and index % 50 == 13:
                self.reject(
                    record, "unscorable", index, row=row, name=name, detail="customer '<b>x</b>' is unknown"
                )
            elif row == 0 and index % 60 == 17:
                self.reject(
                    record, "duplicate", index, row=row, name=name, detail="scored before in this stream"
                )
            else:
                self.score(index, name)

    def score(self, index: int, name: str, sequence: int | None = None) -> None:
        """Add a scored transaction to a batch."""
        row, scored = prediction(self._random, START_TS + index, index, name)
        extra = {"run": self.run.id, "sequence": sequence or self.first_sequence + index}
        self._pending["predictions"].append({**row, **extra})
        self._scored.append(scored)
        self.counts["scored"] += 1

    def _figures(self) -> None:
        extra = {"run": self.run.id, "sequence": None}
        for name, rows in figures(self._scored).items():
            self._pending[name] += [{**row, **extra} for row in rows]

    def _flush(self) -> None:
        headers = self._headers(self.batches, Kind.FLUSH, 0)
        for topic in PIPELINE.inputs:
            self.send(topic.name, headers)
        self._produced.append(
            {
                "batch_index": self.batches,
                "sequence": headers.sequence,
                "ts": headers.ts + 300,
                "kind": "flush",
                "browsing_rows": 0,
                "transactions_rows": 0,
                "success_payments": 0,
            }
        )

    def _publish(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        topic = self.run.stream.topic(name)
        for row in rows:
            value = json.dumps(
                {key: row.get(key) for key in ("reason", "topic", "partition", "offset")}
            ).encode()
            headers = [
                ("run", (row["run"] or "").encode()),
                ("batch_id", str(self._batch_id).encode()),
                (WRITER, self.run.stream.writer.encode()),
            ]
            self.topics[topic].append(Record(topic, 0, len(self.topics[topic]), 0, headers, value))

    def _plan(self) -> None:
        self._common = {
            "run": self.run.id,
            "pipeline": "ecommerce_fraud",
            "stream": self.run.stream.id,
            "dataset": "f" * 64,
            "start_ts": START_TS,
            "interval_s": 1,
            "first_sequence": self.first_sequence,
        }
        plan = {"speed": 10, "batches": None, "batch_rows": 200, "late": {}, "offsets": self._offsets()}
        self.store.put_json(
            self.run.plan, {**self._common, **plan, "planned_at": "2026-01-01T00:00:00+00:00"}
        )

    def _manifest(self) -> None:
        half = len(self._produced) // 2
        for part in filter(None, (self._produced[:half], self._produced[half:])):
            self.store.put(self.run.produced_part(part[0]["sequence"]), parquet(pa.Table.from_pylist(part)))
        manifest = {
            **replayed(self._produced),
            "flush_sequence": self.first_sequence + self.batches,
            "offsets": self._offsets(),
        }
        self.store.put_json(self.run.manifest, {**self._common, **manifest})

    def _offsets(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for topic in PIPELINE.inputs:
            ends = Counter(str(record.partition) for record in self.records(topic.name))
            found[topic.name] = {
                str(partition): ends[str(partition)] for partition in range(topic.partitions)
            }
        return found
