"""The stages `files`, `rows` and `lake` of `ticks`: the numbers as CSV files, in a database, by partition.

How many messages a step takes is drawn by lot, so a step that is worked on again is the same one only when
the first attempt is obeyed. Each stage kills itself in some of its steps, once in each, and one write later
every time.
"""

import json
import os
import random
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, takewhile
from typing import Any

import pyarrow as pa

from streamweir.arrow import schema_of
from streamweir.broker.follow import Follower
from streamweir.broker.records import Record
from streamweir.claims import Claim, fetch, most_bytes_of_env
from streamweir.cli import run
from streamweir.commits import BEGINNING, Commit, add, newest, read
from streamweir.connections import DatabaseConnection
from streamweir.contracts.messages import Kind
from streamweir.contracts.ticks import FILE_ROWS, LINES, NUMBERS, PARTITIONS
from streamweir.scorer.account import Account, commit, put_tables
from streamweir.scorer.consumer import Setting, Step, consume
from streamweir.writers.csv_files import CsvFiles
from streamweir.writers.database import DatabaseTable
from streamweir.writers.once import Decisions, Intent
from streamweir.writers.partitions import Partitions

FEWEST, MOST = 60, 90
KILLED_AT = {1: 1, 3: 2, 5: 3, 7: 4}
"""Step -> before which of its writes the stage kills itself."""


@dataclass(frozen=True)
class Taken:
    """A step. after: its commit record. flushed: whether its rows end with a flush."""

    after: Commit
    rows: list[dict[str, Any]]
    flushed: bool
    decisions: Decisions
    account: Mapping[str, pa.Table]


class Writing(ABC):
    """Takes messages in the order of their sequence."""

    def __init__(self, setting: Setting) -> None:
        self._store, self._stream, self._pipeline = setting.store, setting.spec.stream, setting.pipeline
        self._intent = Intent(self._store, self._stream)
        self._last = self._newest() or BEGINNING
        [one] = setting.pipeline.reads
        self._topic = one.topic
        offsets = self._last.state or dict.fromkeys(map(str, range(one.topic.partitions)), 0)
        start = {int(place): offset for place, offset in offsets.items()}
        self._last = replace(self._last, state=offsets)
        self._follower = Follower(setting.kafka, self._topic.of(self._stream), start)
        self._waiting: dict[int, Record] = {}

    def stands(self) -> Step | None:
        return None if self._last.batch_id < 0 else self._step()

    def step(self, check: Callable[[], None]) -> Step | None:
        self._waiting |= {record.headers.sequence: record for record in self._follower.poll(0.2)}
        decisions = self._intent.of(self._last.batch_id + 1) or self._decide()
        wanted = range(self._last.next_sequence, decisions["until"])
        if not wanted or not set(wanted) <= set(self._waiting):
            return None
        deadly = self._deadly(check)
        self._last = self._write(self._take([self._waiting.pop(at) for at in wanted], decisions), deadly)
        deadly()
        return self._step()

    def close(self) -> None:
        self._follower.close()

    def _newest(self) -> Commit | None:
        return newest(self._store, self._stream, self._intent.known)

    @abstractmethod
    def _write(self, taken: Taken, check: Callable[[], None]) -> Commit: ...

    def _decide(self) -> Decisions:
        """Some of what is there, and nothing behind a flush."""
        first = self._last.next_sequence
        most = range(first, first + random.randint(FEWEST, MOST))
        there = list(takewhile(self._waiting.__contains__, most))
        ends = [at + 1 for at in there if self._waiting[at].headers.kind is Kind.FLUSH]
        return {"until": min([first + len(there), *ends]), "now": datetime.now(UTC).isoformat()}

    def _take(self, records: list[Record], decisions: Decisions) -> Taken:
        account, rows = Account(self._stream, self._pipeline), list[dict[str, Any]]()
        for record in records:
            found = self._rows(record)
            account.work(record, len(found))
            rows += found
        after = replace(
            self._last,
            batch_id=self._last.batch_id + 1,
            next_sequence=decisions["until"],
            max_ts=max(record.headers.ts for record in records),
            state=self._last.state | {str(record.partition): record.offset + 1 for record in records},
        )
        return Taken(after, rows, records[-1].headers.kind is Kind.FLUSH, decisions, account.tables())

    def _rows(self, record: Record) -> list[dict[str, Any]]:
        if record.headers.kind is not Kind.BATCH:
            return []
        numbers = json.loads(fetch(self._store, Claim.read(record.value), most_bytes_of_env()))
        at = datetime.fromtimestamp(record.headers.ts, UTC)
        return [
            {"sequence": record.headers.sequence, "place": place, "number": number, "at": at}
            for place, number in enumerate(numbers)
        ]

    def _deadly(self, check: Callable[[], None]) -> Callable[[], None]:
        step, calls = self._last.batch_id + 1, count(1)

        def checked() -> None:
            check()
            due = next(calls) == KILLED_AT.get(step)
            if due and self._store.put_if_absent(self._stream.own / "kills" / str(step), b"now"):
                os.kill(os.getpid(), signal.SIGKILL)

        return checked

    def _step(self) -> Step:
        last = self._last
        return Step(last.batch_id, last.rows, last.next_sequence, last.max_ts, {self._topic.name: last.state})


class Files(Writing):
    def _write(self, taken: Taken, check: Callable[[], None]) -> Commit:
        check()
        self._intent.fix(taken.after.batch_id, taken.decisions)
        before = self._last.remainder
        numbered = enumerate(taken.rows, before.first + len(before.lines))
        lines = [
            (at, row["sequence"], row["place"], row["number"], taken.decisions["now"]) for at, row in numbered
        ]
        files = CsvFiles(self._store, self._stream.root / "files", LINES, FILE_ROWS)
        remainder = files.write(before, lines, check, rest=taken.flushed)
        check()
        return commit(self._store, self._stream, replace(taken.after, remainder=remainder), taken.account)


class Lake(Writing):
    def _write(self, taken: Taken, check: Callable[[], None]) -> Commit:
        frame = _frame(taken.rows)
        for name, form in zip(PARTITIONS, ("%Y-%m-%d", "%H:%M"), strict=True):
            frame = frame.append_column(
                name, pa.array([f"{row['at']:{form}}" for row in taken.rows], pa.string())
            )
        lake = Partitions(self._store, self._stream.root / "lake", NUMBERS, PARTITIONS)
        lake.write(taken.after.batch_id, taken.decisions, frame, self._intent, check)
        check()
        return commit(self._store, self._stream, taken.after, taken.account)


class Rows(Writing):
    """Where it stands, the database says; the record in the store, for the ledger, follows."""

    def __init__(self, setting: Setting) -> None:
        self._table = DatabaseTable(DatabaseConnection.from_env(), setting.spec.stream, NUMBERS)
        super().__init__(setting)

    def close(self) -> None:
        with closing(self._table):
            super().close()

    def _newest(self) -> Commit | None:
        found = self._table.stands()
        if found and read(self._store, self._stream, found.batch_id) is None:
            add(self._store, self._stream, found)
        return found

    def _write(self, taken: Taken, check: Callable[[], None]) -> Commit:
        check()
        self._intent.fix(taken.after.batch_id, taken.decisions)
        done = put_tables(self._store, self._stream, taken.after, taken.account)
        self._table.write(done, _frame(taken.rows), check)
        check()
        add(self._store, self._stream, done)
        return done


def _frame(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema_of(NUMBERS))


def _made(setting: Setting) -> Writing:
    kinds: dict[str, type[Writing]] = {"files": Files, "rows": Rows, "lake": Lake}
    return kinds[setting.spec.stream.stage](setting)


if __name__ == "__main__":
    run(lambda: consume("ticks", _made))
