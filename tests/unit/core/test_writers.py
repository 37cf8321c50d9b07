"""Writers of a stage: every write fails once, before or after its effect, and what comes out is the same."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamweir.commits import BEGINNING, Commit, Remainder, add, newest
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.contracts.tables import Column, Table, Type
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamHeld
from streamweir.objectstore import ObjectStore
from streamweir.writers.csv_files import CsvFiles
from streamweir.writers.once import Intent, create
from streamweir.writers.partitions import Partitions
from tests.support.memory_store import MemoryStore

STREAM = Stream("ticks", "s", "writer")
FILES, LAKE = STREAM.root / "files", STREAM.root / "lake"
LINES = Table("lines", (Column("line", Type.INT), Column("name", Type.STRING)), ("line",))
NAMES = Table("names", (Column("line", Type.INT), Column("name", Type.STRING)), ("line",))
COUNT = 137
SOURCE = [
    {"line": line, "name": f'n{line}, "é"\n', "hour": f"{line % 3:02d}:00"} for line in range(1, COUNT + 1)
]
"""What the stages take rows from, some at a time, as from a topic."""


class FailingStore(MemoryStore):
    """Gives no answer to one of its writes; done: it was written nevertheless."""

    def __init__(self, failing: int | None = None, *, done: bool = False) -> None:
        super().__init__()
        self.writes, self._failing, self._done = 0, failing, done

    def put(self, key: ObjectKey, data: bytes) -> None:
        self.writes += 1
        fails = self.writes == self._failing
        if not fails or self._done:
            super().put(key, data)
        if fails:
            raise DependencyUnreachable("no answer")

    def below(self, prefix: ObjectKey) -> dict[str, bytes]:
        return {str(key): self.objects[str(key)] for key in self.list(prefix)}


class Stage(Protocol):
    """Works on the source to its end, `size` rows in a step."""

    def __call__(
        self, store: MemoryStore, size: int, clock: int, check: Callable[[], None] = ...
    ) -> None: ...


def files_stage(store: MemoryStore, size: int, clock: int, check: Callable[[], None] = lambda: None) -> None:
    """CSV files of 20 rows, with the clock in each row; the source's end is written as a rest."""
    for intent, at, plan in steps(store, size, clock):
        rows = SOURCE[at.next_sequence : plan["until"]]
        intent.fix(at.batch_id + 1, plan)
        lines = [(row["line"], f"{row['name']} at {plan['clock']}") for row in rows]
        files = CsvFiles(cast(ObjectStore, store), FILES, LINES, 20)
        remainder = files.write(at.remainder, lines, check, rest=plan["until"] == COUNT)
        commit(store, at, plan, remainder)


def lake_stage(store: MemoryStore, size: int, clock: int, check: Callable[[], None] = lambda: None) -> None:
    """Parquet by hour, three files in a step."""
    for intent, at, plan in steps(store, size, clock):
        rows = pa.Table.from_pylist(SOURCE[at.next_sequence : plan["until"]])
        lake = Partitions(cast(ObjectStore, store), LAKE, NAMES, ("hour",))
        lake.write(at.batch_id + 1, plan, rows, intent, check)
        commit(store, at, plan, at.remainder)


def steps(store: MemoryStore, size: int, clock: int) -> Iterator[tuple[Intent, Commit, Any]]:
    """Where the stage stands, and what its next step takes, as a process does it that has just begun."""
    while True:
        intent = Intent(cast(ObjectStore, store), STREAM)
        at = newest(cast(ObjectStore, store), STREAM, intent.known) or BEGINNING
        if at.next_sequence == COUNT:
            return
        until = min(at.next_sequence + size, COUNT)
        yield intent, at, intent.of(at.batch_id + 1) or {"until": until, "clock": clock}


def commit(store: MemoryStore, at: Commit, plan: Any, remainder: Remainder) -> None:
    after = replace(at, batch_id=at.batch_id + 1, next_sequence=plan["until"], remainder=remainder)
    add(cast(ObjectStore, store), STREAM, after)


def csv_rows(files: dict[str, bytes]) -> list[list[list[str]]]:
    """The rows of each file, without the header line."""
    parsed = [list(csv.reader(io.StringIO(data.decode(), newline=""))) for _, data in sorted(files.items())]
    assert all(rows[0] == ["line", "name"] for rows in parsed)
    return [rows[1:] for rows in parsed]


def lake_rows(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """All rows, each with the folder that it lies in."""
    found = []
    for key, data in files.items():
        hour = key.split("/")[-2].removeprefix("hour=").replace("%3A", ":")
        found += [row | {"hour": hour} for row in pq.read_table(io.BytesIO(data)).to_pylist()]
    return sorted(found, key=lambda row: row["line"])


def assert_each_row_once(store: FailingStore) -> None:
    """Whichever of the two stages wrote."""
    files, lake = store.below(FILES), store.below(LAKE)
    assert bool(files) != bool(lake)
    if lake:
        assert lake_rows(lake) == SOURCE
        return
    found = [(line, name[:-1]) for rows in csv_rows(files) for line, name in rows]
    assert found == [(str(row["line"]), f"{row['name']} at ") for row in SOURCE]


def test_csv_files_are_full_but_the_last_and_hold_each_row_once() -> None:
    store = FailingStore()
    files_stage(store, 23, clock=1)
    files = store.below(FILES)
    assert [key[-18:] for key in files] == [f"lines_{first:08d}.csv" for first in range(1, COUNT, 20)]
    found = csv_rows(files)
    assert [len(rows) for rows in found] == [20] * 6 + [17]
    assert [row for rows in found for row in rows] == [
        [str(row["line"]), f"{row['name']} at 1"] for row in SOURCE
    ]


def test_partitions_hold_each_row_once_and_a_file_for_each_step() -> None:
    store = FailingStore()
    lake_stage(store, 30, clock=1)
    files = store.below(LAKE)
    folders = [f"hour={hour:02d}%3A00" for hour in range(3)]
    assert [key.removeprefix(f"{LAKE}/") for key in files] == [
        f"{folder}/{step:010d}.parquet" for folder in folders for step in range(5)
    ]
    assert lake_rows(files) == SOURCE


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(("stage", "folder"), [(files_stage, FILES), (lake_stage, LAKE)])
def test_a_crash_at_any_write_leaves_the_objects_of_an_undisturbed_run(
    stage: Stage, folder: ObjectKey, done: bool
) -> None:
    calm = FailingStore()
    stage(calm, 30, clock=1)
    wanted = calm.below(folder)
    assert calm.writes > len(wanted) > 5
    for failing in range(1, calm.writes + 1):
        store = FailingStore(failing, done=done)
        with pytest.raises(DependencyUnreachable):
            stage(store, 30, clock=1)
        assert store.below(folder).items() <= wanted.items()
        stage(store, 30, clock=1)
        assert store.below(folder) == wanted
        assert store.below(STREAM.commits) == calm.below(STREAM.commits)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(("stage", "folder"), [(files_stage, FILES), (lake_stage, LAKE)])
def test_the_next_process_obeys_the_first_one_s_decisions(
    stage: Stage, folder: ObjectKey, done: bool
) -> None:
    calm = FailingStore()
    stage(calm, 30, clock=1)
    for failing in range(1, calm.writes + 1):
        store = FailingStore(failing, done=done)
        with pytest.raises(DependencyUnreachable):
            stage(store, 30, clock=1)
        left = store.below(folder)
        stage(store, 11, clock=2)
        assert left.items() <= store.below(folder).items()
        assert_each_row_once(store)


@pytest.mark.parametrize("stage", [files_stage, lake_stage])
@pytest.mark.parametrize("asked", range(1, 6))
def test_a_process_that_stood_still_changes_nothing(stage: Stage, asked: int) -> None:
    store, calls = FailingStore(), 0

    def overtaken() -> None:
        # Before this write the process stands still, and another one works on the stage to its end.
        nonlocal calls
        calls += 1
        if calls == asked:
            stage(store, 11, clock=2)

    with pytest.raises(StreamHeld, match=r"ticks\.s\.writer was (begun|written) by another process"):
        stage(store, 30, clock=1, check=overtaken)
    assert_each_row_once(store)


def test_an_object_with_other_content_is_named() -> None:
    store = FailingStore()
    create(cast(ObjectStore, store), FILES / "a.csv", b"1")
    create(cast(ObjectStore, store), FILES / "a.csv", b"1")
    with pytest.raises(BadConfiguration, match=r"streams/ticks/s/files/a.csv is there with other content"):
        create(cast(ObjectStore, store), FILES / "a.csv", b"2")
    assert store.objects[str(FILES / "a.csv")] == b"1"


def test_other_partitions_than_the_step_was_begun_with_stop_it_before_its_first_file() -> None:
    store = FailingStore()
    rows = pa.Table.from_pylist(SOURCE[:9])
    lake = Partitions(cast(ObjectStore, store), LAKE, NAMES, ("hour",))

    def dies() -> None:
        if store.writes:
            raise DependencyUnreachable("killed behind the intent")

    with pytest.raises(DependencyUnreachable):
        lake.write(0, {"until": 9}, rows, Intent(cast(ObjectStore, store), STREAM), dies)
    elsewhere = replace(lake, by=("place",))
    moved = rows.rename_columns(["line", "name", "place"])
    with pytest.raises(BadConfiguration, match=r"step 0 of ticks.s.writer was begun with files \['hour="):
        elsewhere.write(0, {"until": 9}, moved, Intent(cast(ObjectStore, store), STREAM), lambda: None)
    assert store.below(LAKE) == {}


def test_a_stage_that_lost_its_commit_records_goes_on_nowhere() -> None:
    store = FailingStore()
    lake_stage(store, 30, clock=1)
    for key in store.list(STREAM.commits):
        store.delete(key)
    intent = Intent(cast(ObjectStore, store), STREAM)
    with pytest.raises(
        BadConfiguration, match=r"intent.json is of step 4, .* go on with step 0: put the commit"
    ):
        intent.of(0)
