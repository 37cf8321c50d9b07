"""Putting finished runs together: the same is read before, after and at any moment between."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamweir.commits import Segment, read, read_segment
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import DependencyUnreachable
from streamweir.ledger import compaction, reconciliation
from streamweir.ledger.committed import once_again, read_commits, read_entries, read_table
from streamweir.ledger.compaction import compact
from streamweir.objectstore import ObjectStore
from tests.support.made_up_ledger import reconcile_made_up as count
from tests.support.made_up_run import LATE_BATCH, MadeUpRun
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "made-up")
TABLES = (*PIPELINE.tables, WORKED)
FIRST_FLUSH = 40


class BreakingStore(MemoryStore):
    """Breaks instead of its n-th write or removal; an interrupted process does no other thing after it."""

    def __init__(self, objects: dict[str, bytes], breaks_at: int) -> None:
        super().__init__()
        self.objects, self.left = dict(objects), breaks_at

    def _step(self) -> None:
        if not self.left:
            raise DependencyUnreachable("broken")
        self.left -= 1

    def put(self, key: ObjectKey, data: bytes) -> None:
        self._step()
        super().put(key, data)

    def delete(self, key: ObjectKey) -> None:
        self._step()
        super().delete(key)


class DisturbedStore(MemoryStore):
    """Lets somebody else do something before its n-th read."""

    def __init__(self, objects: dict[str, bytes], at: int, disturb: Callable[[], object]) -> None:
        super().__init__()
        self.objects, self.left, self.disturb = objects, at, disturb

    def get(self, key: ObjectKey) -> bytes | None:
        self.left -= 1
        if self.left == -1:
            self.disturb()
        return super().get(key)


class WatchedStore(MemoryStore):
    """Remembers what is read."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__()
        self.objects, self.got = objects, list[str]()

    def get(self, key: ObjectKey) -> bytes | None:
        self.got.append(str(key))
        return super().get(key)


def as_store(store: MemoryStore) -> ObjectStore:
    return cast(ObjectStore, store)


def of_objects(objects: dict[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    store.objects = objects
    return store


@once_again
def seen(store: MemoryStore) -> tuple[list[Any], dict[str, list[Any]]]:
    """All that a reader finds in the stream: what commits say that matters later on, and rows by table."""
    entries = read_entries(STREAM, as_store(store))
    commits = read_commits(STREAM, as_store(store), entries).found
    tables = {table.name: read_table(STREAM, table.name, entries, as_store(store)) for table in TABLES}
    said = [replace(commit, spans=[], doubts=[], totals=None, totals_sha256=None) for commit in commits]
    rows = {name: sorted(found.to_pylist(), key=str) if found else [] for name, found in tables.items()}
    return said, rows


def put_together(store: MemoryStore, flush_sequence: int = FIRST_FLUSH, first_sequence: int = 0) -> None:
    compact(STREAM, read_entries(STREAM, as_store(store), first_sequence), flush_sequence, as_store(store))


@pytest.fixture(scope="module")
def objects() -> dict[str, bytes]:
    """A stream with one finished run of five micro-batches and the one of its flush."""
    return MadeUpRun(batches=FIRST_FLUSH).store.objects


def commits_left(store: MemoryStore) -> list[int]:
    return [int(key.key[-15:-5]) for key in store.list(STREAM.commits)]


def test_a_finished_run_becomes_one_segment_that_says_the_same(objects: dict[str, bytes]) -> None:
    store = of_objects(dict(objects))
    before = seen(store)
    put_together(store)
    assert commits_left(store) == [5]
    assert all("/batch_id=5/" in key.key for key in store.list(STREAM.root / "tables"))
    assert seen(store) == before
    assert [commit.batch_id for commit in before[0]] == list(range(6))
    assert {name for name, rows in before[1].items() if rows} == {table.name for table in TABLES}
    assert len(store.list(STREAM.segments)) == 2 + len(
        {name for c in before[0][:5] for name in c.files or ()}
    )


def test_rows_of_a_segment_lie_in_the_order_of_the_micro_batches(objects: dict[str, bytes]) -> None:
    store = of_objects(dict(objects))
    put_together(store)
    rows = read_table(STREAM, WORKED.name, read_entries(STREAM, as_store(store)), as_store(store))
    assert rows is not None
    order = list(zip(rows["batch_id"].to_pylist(), rows["sequence"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert rows.num_rows > FIRST_FLUSH


def test_wherever_putting_together_is_interrupted_readers_see_the_same_and_the_next_one_ends_it(
    objects: dict[str, bytes],
) -> None:
    expected, whole = seen(of_objects(objects)), of_objects(dict(objects))
    put_together(whole)
    for at, store in interrupted(objects):
        assert seen(store) == expected, f"after {at} writes"
        put_together(store)
        assert seen(store) == expected, f"after {at} writes and another try"
        assert set(store.objects) == set(whole.objects)
    assert at > 20


def test_the_next_runs_end_what_was_interrupted_once_the_segment_was_written() -> None:
    first = MadeUpRun(batches=FIRST_FLUSH)
    _later(first, first.store)
    objects, expected = first.store.objects, seen(first.store)
    whole = of_objects(dict(objects))
    put_together(whole)
    put_together(whole, 57, 41)
    for at, store in interrupted(objects):
        put_together(store, 57, 41)
        assert seen(store) == expected, f"after {at} writes"
        if store.exists(STREAM.segment(4)):
            assert set(store.objects) == set(whole.objects), f"after {at} writes"
        else:
            assert commits_left(store)[:5] == list(range(5))


def interrupted(objects: dict[str, bytes]) -> Iterator[tuple[int, MemoryStore]]:
    """What a compaction leaves that breaks off after so many writes: none, one and so on, at last all."""
    for at in range(1_000):
        store, broken = BreakingStore(objects, breaks_at=at), False
        try:
            put_together(store)
        except DependencyUnreachable:
            broken = True
        store.left = 1_000_000
        yield at, store
        if not broken:
            return


def test_whoever_reads_while_a_run_is_put_together_reads_the_same(objects: dict[str, bytes]) -> None:
    expected = seen(of_objects(objects))
    for at in range(1_000):
        shared = dict(objects)
        store = DisturbedStore(shared, at, lambda shared=shared: put_together(of_objects(shared)))
        assert seen(store) == expected, f"before read {at}"
        if store.left >= 0:
            break
    assert at > 20


def test_another_attempt_with_a_later_end_leaves_nothing_of_the_earlier_one() -> None:
    """A scorer has gone on between an interrupted attempt and the next."""
    made_up = MadeUpRun(batches=FIRST_FLUSH)
    objects = {name: data for name, data in made_up.store.objects.items() if "0000000005.json" not in name}
    # Before the segment says what it holds, and before readers take it.
    for writes in (3, 5):
        store = BreakingStore(objects, breaks_at=writes)
        with pytest.raises(DependencyUnreachable):
            put_together(store)
        assert any("/segments/0000000003" in name for name in store.objects)
        store.left = 1_000_000
        store.objects[str(STREAM.commit(5))] = made_up.store.objects[str(STREAM.commit(5))]
        put_together(store)
        assert not any("/segments/0000000003" in name for name in store.objects)
        assert seen(store) == seen(made_up.store)


def test_a_run_that_was_put_together_has_the_same_ledger_and_tables_again_after_a_redrive() -> None:
    def redriven() -> MadeUpRun:
        made_up = MadeUpRun(batches=24)
        count(made_up)
        made_up.send("transactions", Headers(made_up.run.id, LATE_BATCH, 25, 1, Kind.REDRIVE, 1))
        made_up.score(LATE_BATCH, "T-redriven", sequence=25)
        made_up.commit(26)
        count(made_up)
        return made_up

    with mock.patch.object(reconciliation, "compact"):
        apart = redriven()
    together = redriven()
    assert commits_left(apart.store) == [0, 1, 2, 3, 4]
    assert commits_left(together.store) == [3, 4]
    bundle = {name for name in apart.store.objects if name.startswith(f"{apart.run.bundle}/")}
    # It says when that was.
    bundle.remove(str(apart.run.reconciled))
    assert len(bundle) > 8
    for name in bundle:
        assert together.store.objects[name] == apart.store.objects[name], name
    told = together.store.get_json(together.run.ledger)
    assert (told["outcome"], told["totals"]["transactions"]["redriven"]) == ("success", 1)


def test_a_later_run_reads_no_more_of_a_segment_than_what_it_says_of_itself() -> None:
    first = MadeUpRun(batches=FIRST_FLUSH)
    count(first)
    second = _later(first, first.store)
    watched = WatchedStore(first.store.objects)
    second.store = watched
    count(second)
    made = {name for name in watched.got if "/segments/0000000007" in name}
    assert {name for name in watched.got if "/segments/" in name} - made == {str(STREAM.segment(4))}
    # What ended the first run is put together with the second.
    assert (read_segment(as_store(watched), STREAM, 7) or pytest.fail("none")).first == 5
    assert commits_left(watched) == [8]


def test_a_run_in_the_middle_of_a_segment_reads_its_own_part_of_it() -> None:
    first = MadeUpRun(batches=FIRST_FLUSH)
    second = _later(first, first.store)
    with mock.patch.object(reconciliation, "compact"):
        expected = count(second).to_dict()
    latency = first.store.objects[str(second.run.micro_batches)]
    put_together(first.store, 57)
    segment = read_segment(as_store(first.store), STREAM, 7)
    assert segment is not None
    assert (segment.first, segment.last) == (0, 7)
    assert count(second).to_dict() == expected
    assert first.store.objects[str(second.run.micro_batches)] == latency


def test_an_earlier_run_that_nobody_reconciled_stays_as_it_is() -> None:
    first = MadeUpRun(batches=FIRST_FLUSH)
    count(_later(first, first.store))
    assert commits_left(first.store) == [0, 1, 2, 3, 4, 8]
    count(first)
    assert commits_left(first.store) == [8]


def test_micro_batches_of_the_first_format_are_left_alone(objects: dict[str, bytes]) -> None:
    store = of_objects(dict(objects))
    for key in store.list(STREAM.commits)[:2]:
        record = store.get_json(key)
        store.put_json(
            key, {name: value for name, value in record.items() if name not in ("files", "format")}
        )
    put_together(store)
    assert commits_left(store) == [0, 1, 5]
    assert len(seen(store)[0]) == 6


def test_large_tables_become_several_files_in_order(
    objects: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "GROUP_BYTES", 1_000)
    monkeypatch.setattr(compaction, "FILE_BYTES", 20_000)
    store = of_objects(dict(objects))
    before = seen(store)
    put_together(store)
    segment = read_segment(as_store(store), STREAM, 4)
    assert segment is not None
    assert len(segment.files["predictions"]) > 1
    assert seen(store) == before


def test_a_file_is_ended_by_its_size_and_holds_groups_of_a_useful_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "GROUP_BYTES", 80_000)
    rows = pa.dataset.dataset(
        [pa.record_batch({"a": range(at, at + 1_000)}) for at in range(0, 50_000, 1_000)]
    )
    (path,) = compaction._parquet(rows, tmp_path)
    found = pq.ParquetFile(path)
    assert found.read()["a"].to_pylist() == list(range(50_000))
    assert found.num_row_groups == 5


def test_a_segment_of_a_format_to_come_is_refused_with_the_remedy() -> None:
    with pytest.raises(Exception, match=r"segment 7 has format 2, .* update Streamweir"):
        Segment.from_json({"last": 7, "format": 2})


def test_the_newest_micro_batch_is_left_for_the_scorer(objects: dict[str, bytes]) -> None:
    store = of_objects(dict(objects))
    put_together(store, flush_sequence=1_000)
    assert commits_left(store) == [5]
    newest = read(as_store(store), STREAM, 5)
    assert newest is not None
    assert newest.next_sequence == FIRST_FLUSH + 1


def _later(first: MadeUpRun, store: MemoryStore) -> MadeUpRun:
    """Another run on the stream, of 16 batches, behind the first one's flush."""
    return MadeUpRun(16, FIRST_FLUSH + 1, Run(STREAM, "manual__later"), store, first.topics)
