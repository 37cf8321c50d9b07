"""Commit records: their forms, the newest one, and the way back from it."""

import json
from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import cast

import pytest

from streamweir.commits import Commit, Remainder, Vanished, add, backwards, files_of, newest
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, StreamHeld
from streamweir.ledger.committed import read_entries, read_table
from streamweir.objectstore import ObjectStore, to_json
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import starting, to_bytes
from tests.support.made_up_run import MadeUpRun
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "s")
SPEC = ScorerSpec(STREAM, "a", "d", "m", "UTC", lateness_s=60, max_messages=2_000)


class CountingStore(MemoryStore):
    """Counts what is asked of it; what a list gave counts as listed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def get(self, key: ObjectKey) -> bytes | None:
        self.asked["get"] += 1
        return super().get(key)

    def list(self, prefix: ObjectKey, *, after: ObjectKey | None = None) -> list[ObjectKey]:
        found = super().list(prefix, after=after)
        self.asked.update(list=1, listed=len(found))
        return found


def stream_of(count: int) -> tuple[ObjectStore, CountingStore]:
    """A stream of micro-batches; the store twice, as the product knows it and as the tests do."""
    store = CountingStore()
    for batch_id in range(count):
        record = Commit(batch_id, next_sequence=10 * (batch_id + 1), files=("worked",))
        store.put_json(STREAM.commit(batch_id), record.to_json())
    return cast(ObjectStore, store), store


def test_a_record_comes_back_from_its_json_without_the_totals() -> None:
    record = Commit(
        3,
        totals_sha256="f00",
        blocks=("ba", "d"),
        spans=[["r", 1, 2]],
        published={"t": {"0": 5}},
        files=("a", "b"),
    )
    record = replace(record, remainder=Remainder(51, ("51,a\n", "52,b\n")))
    stored = to_json(replace(record, totals={"a": [1]}).to_json())
    assert json.loads(stored)["format"] == 5
    assert Commit.from_json(json.loads(stored)) == record


def test_a_record_of_the_first_format_does_not_say_its_files_which_are_asked_for() -> None:
    old = Commit.from_json({"batch_id": 4, "next_sequence": 9, "totals": {"a": 1}})
    assert (old.files, old.next_sequence, old.totals) == (None, 9, {"a": 1})
    store = MemoryStore()
    store.put(STREAM.table_file("worked", 4), b"")
    has = [files_of(cast(ObjectStore, store), STREAM, old, name) for name in ("worked", "rejected")]
    assert has == [[STREAM.table_file("worked", 4)], []]


def test_a_record_of_the_second_format_has_no_rows_that_wait_for_a_file() -> None:
    old = Commit.from_json({"batch_id": 4, "format": 2, "files": ["worked"]})
    assert (old.files, old.remainder) == (("worked",), Remainder(1, ()))


def test_of_two_processes_that_write_a_step_s_record_one_is_told() -> None:
    store, _ = stream_of(3)
    add(store, STREAM, Commit(3))
    with pytest.raises(StreamHeld, match=r"step 3 of ecommerce_fraud.s was written by another process"):
        add(store, STREAM, Commit(3, next_sequence=7))
    assert newest(store, STREAM, 2) == Commit(3)


def test_a_record_of_a_format_to_come_is_refused_with_the_remedy() -> None:
    with pytest.raises(BadConfiguration, match=r"micro-batch 4 has format 6, .* update Streamweir"):
        Commit.from_json({"batch_id": 4, "format": 6})


@pytest.mark.parametrize(("known", "listed"), [(None, 500), (0, 499), (498, 1), (499, 0)])
def test_the_newest_is_found_by_one_list_of_what_follows_a_known_one(known: int | None, listed: int) -> None:
    store, counting = stream_of(500)
    found = newest(store, STREAM, known)
    assert found is not None
    assert found.batch_id == 499
    assert counting.asked == {"list": 1, "listed": listed, "get": 1}


def test_a_stream_without_commits_has_no_newest_and_one_that_lost_the_known_one_is_refused() -> None:
    store, _ = stream_of(0)
    assert newest(store, STREAM, None) is None
    with pytest.raises(Vanished, match=r"commits/0000000007.json is missing"):
        newest(store, STREAM, 7)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 30])
def test_the_way_back_passes_every_micro_batch(count: int) -> None:
    store, _ = stream_of(count)
    last = newest(store, STREAM, None)
    assert last is not None
    assert [entry.batch_id for entry in backwards(store, STREAM, last)] == list(range(count))[::-1]


def test_the_way_back_reads_little_more_than_is_taken_and_ends_at_a_gap() -> None:
    store, counting = stream_of(500)
    last = newest(store, STREAM, 499)
    assert last is not None
    del counting.objects[str(STREAM.commit(470))]
    assert [entry.batch_id for entry in islice(backwards(store, STREAM, last), 5)] == [
        499,
        498,
        497,
        496,
        495,
    ]
    assert counting.asked["get"] <= 10
    with pytest.raises(Vanished, match=r"0000000470"):
        list(backwards(store, STREAM, last))


def test_a_run_on_a_long_lived_stream_reads_as_much_as_on_a_new_one() -> None:
    def cost(store: CountingStore, first_sequence: int, known: int | None) -> Counter[str]:
        made_up = MadeUpRun(24, first_sequence, Run(STREAM, "r"), store)
        status = starting(SPEC, "a-1", None)
        store.put(STREAM.status, to_bytes(replace(status, batch_id=known)))
        store.asked.clear()
        entries = read_entries(STREAM, cast(ObjectStore, store), first_sequence)
        rows = read_table(STREAM, "predictions", entries, cast(ObjectStore, store))
        assert rows is not None
        assert rows.num_rows == made_up.counts["scored"] > 300
        return store.asked

    new = cost(CountingStore(), 0, known=0)
    old = cost(stream_of(2_000)[1], 20_001, known=2_001)
    assert old.total() <= new.total() + 8
