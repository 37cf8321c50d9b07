"""The replay of `merchant_patterns`: the file in chunks, objects that the messages announce."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from streamweir.claims import Claim
from streamweir.contracts.merchant_patterns import CHUNK_ROWS, CHUNKS_TOPIC, WATCH, chunk_key
from streamweir.contracts.merchant_patterns.dataset import (
    TRANSACTION_COLUMNS,
    TRANSACTIONS,
    rows_of,
    watched_folder,
)
from streamweir.contracts.messages import ROW_BYTES
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.objectstore import ObjectStore
from streamweir.replay.batches import Batch, Label, Row
from streamweir.replay.csvfile import find, separator_of
from streamweir.replay.drops import Watcher
from streamweir.replay.plan import Options, Plan
from streamweir.replay.stop import StopRequest

BATCH_ROWS = CHUNK_ROWS


class Stretch(NamedTuple):
    """A chunk's place in the file. first: the number of its first row, 1 first. rows: how many it has.
    start, end: its bytes."""

    first: int
    rows: int
    start: int
    end: int


class Announced(Sequence[Any]):
    """The rows of a chunk, which lie in an object: how many there are, and what the message says of them."""

    def __init__(self, body: Mapping[str, object], rows: int) -> None:
        self.body, self._rows = body, rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, place: Any) -> Any:
        raise NotImplementedError("the rows lie in the object")


@dataclass(frozen=True)
class Chunks:
    """A file in chunks of so many rows. limit: how many of them to send, None for all.

    plan, store: of the run, once it is made for one. Making it reads the file once. Raises DatasetUnusable
    when the file cannot be read or has no rows.
    """

    path: Path
    batch_rows: int
    limit: int | None
    plan: Plan | None = None
    store: ObjectStore | None = None

    @cached_property
    def stretches(self) -> list[Stretch]:
        """The chunks' places in the file."""
        found = list(islice(_stretches(self.path, self.batch_rows), self.limit))
        if not found:
            raise DatasetUnusable(f"{self.path} holds no rows")
        return found

    @property
    def rows(self) -> int:
        """The rows of all chunks."""
        return sum(stretch.rows for stretch in self.stretches)

    @property
    def seconds(self) -> Sequence[float]:
        """A chunk a second."""
        return range(len(self.stretches))

    @property
    def finding(self) -> None:
        """Nothing: the file's own order is right."""

    @property
    def labels(self) -> Sequence[Label]:
        """Nothing: the dataset does not say what should be found."""
        return ()

    def made_for(self, plan: Plan, store: ObjectStore) -> "Chunks":
        """The same for a run; raises BadConfiguration when it delays batches."""
        if plan.late:
            raise BadConfiguration("late: the order of chunks decides what is found, so none can be delayed")
        return Chunks(self.path, self.batch_rows, self.limit, plan, store)

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The chunks from the one with this index on, each put into the store before it is given.

        Raises BadConfiguration when the store holds other bytes under a chunk's key.
        """
        plan, store = self.plan, self.store
        if plan is None or store is None:
            raise AssertionError("chunks are put for a run")
        stream = Stream(plan.pipeline, plan.stream)
        with self.path.open("rb") as file:
            header = file.readline()
            for index, stretch in enumerate(self.stretches[first:], start=first):
                file.seek(stretch.start)
                chunk = plan.first_sequence + index
                data = header + file.read(stretch.end - stretch.start)
                claim = Claim.of(chunk_key(stream, chunk), data)
                _put(store, claim, data)
                body = _body(chunk, claim, stretch.rows, stretch.first)
                yield Batch(index, index, {CHUNKS_TOPIC.name: Announced(body, stretch.rows)})


@dataclass(frozen=True)
class Dropped:
    """The chunks that others drop below a prefix, until none was new for `idle_stop_s` or its run is to end.

    limit: how many of them, None for all that come. plan, store: of the run, once it is made for one.
    """

    prefix: ObjectKey
    idle_stop_s: float
    limit: int | None
    plan: Plan | None = None
    store: ObjectStore | None = None
    rows: None = None
    seconds: None = None
    finding: None = None
    labels: Sequence[Label] = ()

    def made_for(self, plan: Plan, store: ObjectStore) -> "Dropped":
        """The same for a run."""
        return replace(self, plan=plan, store=store)

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The chunks from the one with this index on, as they come."""
        plan, store = self.plan, self.store
        if plan is None or store is None:
            raise AssertionError("chunks are announced for a run")
        run = Run(Stream(plan.pipeline, plan.stream), plan.run)
        began, stopped = datetime.fromisoformat(plan.planned_at).timestamp(), StopRequest(store, run)
        kept = run.stream.announced
        watcher = Watcher(store, self.prefix, kept, run.id, self.idle_stop_s, rows_of, began, stopped)
        left = None if self.limit is None else max(0, self.limit - first)
        for index, drop in enumerate(islice(watcher.drops(first), left), start=first):
            body = _body(plan.first_sequence + index, drop.claim, drop.rows, 1)
            yield Batch(index, drop.second, {CHUNKS_TOPIC.name: Announced(body, drop.rows)})


def recording(
    folder: Path,
    *,
    batch_rows: int = BATCH_ROWS,
    limit: int | None = None,
    unsorted_ok: bool = False,
    options: Options | None = None,
) -> Chunks | Dropped:
    """The file in chunks, in its own order; or with `feeder=watch` what others drop.

    Raises DatasetUnusable when the file cannot be read, BadConfiguration for a folder that is none.
    """
    said = options or {}
    if said.get("feeder") == WATCH:
        return Dropped(watched_folder(said.get("watch") or ""), said["idle_stop_s"], limit)
    path = find(folder, [TRANSACTIONS])
    check_header(path)
    chunks = Chunks(path, batch_rows, limit)
    # Now, before anything is sent.
    _ = chunks.stretches
    return chunks


def value(rows: Sequence[Row], ts: int) -> bytes:
    """What announces a chunk; a flush announces none."""
    return orjson.dumps(rows.body) if isinstance(rows, Announced) else b"[]"


def facts(rows: Mapping[str, Sequence[Row]], options: Options) -> dict[str, int]:
    """Nothing is counted beside the rows."""
    return {}


def check_header(path: Path) -> None:
    """Raise DatasetUnusable when the header line lacks a column; the rows may be anything."""
    with path.open("rb") as file:
        line = file.readline(ROW_BYTES).rstrip(b"\r\n").decode("utf-8-sig", errors="replace")
    if separator := separator_of(line, TRANSACTION_COLUMNS):
        raise DatasetUnusable(
            f"{path} line 1: the columns are separated by {separator}; save the file with commas"
        )
    names = next(csv.reader([line]), [])
    for name in TRANSACTION_COLUMNS:
        if names.count(name) != 1:
            problem = "is there more than once" if name in names else "is missing"
            raise DatasetUnusable(f"{path} line 1: column {name} {problem}")


def _body(chunk: int, claim: Claim, rows: int, first: int) -> dict[str, object]:
    """What a message says."""
    return {
        "chunk": chunk,
        **claim.to_json(),
        "rows": rows,
        "first_row": first,
        "last_row": first + rows - 1,
    }


def count_rows(path: Path) -> int:
    """How many rows a file has: its lines but the header and the empty ones."""
    return sum(stretch.rows for stretch in _stretches(path, CHUNK_ROWS))


def _stretches(path: Path, rows: int) -> Iterator[Stretch]:
    first, count = 1, 0
    with path.open("rb") as file:
        at = begin = len(file.readline())
        for line in file:
            at += len(line)
            count += bool(line.rstrip(b"\r\n"))
            if count == rows:
                yield Stretch(first, count, begin, at)
                first, count, begin = first + count, 0, at
    if count:
        yield Stretch(first, count, begin, at)


def _put(store: ObjectStore, claim: Claim, data: bytes) -> None:
    if store.put_if_absent(claim.key, data) is not None:
        return
    # A resumed run has put it before.
    there = store.get(claim.key)
    if there is not None and Claim.of(claim.key, there) != claim:
        raise BadConfiguration(
            f"{claim.key} is there with other bytes than the chunk that is to be put: find out who else "
            "writes there, move it away and start the replay again; it goes on there"
        )
