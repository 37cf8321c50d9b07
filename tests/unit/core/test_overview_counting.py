"""What a run's scorer has done so far: counted once each, whoever else was on the stream before."""

import json
from collections.abc import Mapping

import pytest

from streamweir.commits import Commit
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.overview import counting
from streamweir.overview.counting import Counted
from tests.support.made_up_tables import put_rows
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "prod")
RUN = Run(STREAM, "mine")


class Store(MemoryStore):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def get(self, key: ObjectKey, *, at_most: int | None = None) -> bytes | None:
        self.reads += 1
        return super().get(key, at_most=at_most)


def put(store: MemoryStore, batch_id: int, rejected: Mapping[tuple[str, str], int] | None = None) -> None:
    """A micro-batch of ten sequences and 100 records; rejected: rows by run and reason."""
    rows = [
        {**dict.fromkeys(REJECTED.names), "run": run, "reason": reason, "rows": count, "topic": "t"}
        for (run, reason), count in (rejected or {}).items()
    ]
    if rows:
        put_rows(store, STREAM, REJECTED, batch_id, rows)
    files = (REJECTED.name,) if rows else ()
    commit = Commit(batch_id, rows=100, next_sequence=10 * (batch_id + 1), files=files)
    store.put_json(STREAM.commit(batch_id), json.loads(json.dumps(commit.to_json())))


@pytest.fixture
def store() -> Store:
    """Micro-batches 0 to 4 of a run before, 5 to 29 of this one."""
    made = Store()
    for batch_id in range(30):
        put(made, batch_id)
    put(made, 4, {("other", "late"): 9})
    put(made, 7, {("mine", "late"): 2, ("other", "late"): 7})
    put(made, 29, {("mine", "late"): 1, ("mine", "malformed"): 200})
    return made


def test_the_runs_own_micro_batches_are_counted_once_each(store: Store) -> None:
    counted = Counted(RUN, first_sequence=50)
    for _ in range(3):
        counted.look(store, 29)  # type: ignore[arg-type]
        assert (counted.rows, counted.whole, counted.gone) == (2_500, True, False)
        assert counted.rejected == {"late": 3, "malformed": 200}
    put(store, 30, {("mine", "late"): 5})
    counted.look(store, 30)  # type: ignore[arg-type]
    assert (counted.rows, counted.rejected["late"]) == (2_600, 8)


def test_a_look_reads_some_only_and_later_ones_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "AT_ONCE", 10)
    counted, seen = Counted(RUN, first_sequence=50), []
    for _ in range(4):
        store.reads = 0
        counted.look(store, 29)  # type: ignore[arg-type]
        assert store.reads <= 12
        seen.append((counted.rows, counted.whole))
    assert seen == [(1_000, False), (2_000, False), (2_500, True), (2_500, True)]
    assert counted.rejected == {"late": 3, "malformed": 200}


def test_the_first_run_of_a_stream_ends_at_its_first_micro_batch(store: Store) -> None:
    counted = Counted(Run(STREAM, "other"), first_sequence=0)
    counted.look(store, 4)  # type: ignore[arg-type]
    assert (counted.rows, counted.rejected, counted.whole) == (500, {"late": 9}, True)


def test_what_was_put_together_is_said_to_be_missing(store: Store) -> None:
    store.delete(STREAM.commit(12))
    counted = Counted(RUN, first_sequence=50)
    counted.look(store, 29)  # type: ignore[arg-type]
    assert (counted.rows, counted.gone, counted.whole) == (1_700, True, False)
