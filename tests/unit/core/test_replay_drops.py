"""Files that others drop into the store: each is announced once, in an order that stays."""

import signal
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from threading import Event
from typing import Any

import orjson
import pytest

from streamweir.claims import Claim
from streamweir.contracts.merchant_patterns import PIPELINE
from streamweir.contracts.merchant_patterns.dataset import rows_of, watched_folder
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration
from streamweir.replay.arriving import Arriving
from streamweir.replay.batches import Recipe
from streamweir.replay.deliveries import deliveries
from streamweir.replay.drops import Watcher
from streamweir.replay.merchant_patterns import recording, value
from streamweir.replay.parcels import Backlog
from streamweir.replay.plan import Plan
from streamweir.replay.stop import never
from streamweir.replay.stop import request as request_stop
from tests.support.memory_store import MemoryStore

FOLDER, KEPT = ObjectKey("datasets", "drop"), ObjectKey("streams", "s/announced")


class Dropping:
    """A store into which something is dropped whenever the watcher rests; the clock goes on then, too."""

    def __init__(self, *later: dict[str, bytes], store: MemoryStore | None = None) -> None:
        self.store, self.later, self.seconds, self.listed = store or MemoryStore(), list(later), 0.0, 0
        self.look = self.store.list

    def drop(self, names: dict[str, bytes]) -> None:
        for name, data in names.items():
            self.store.put(FOLDER / name, data)

    def rest(self, seconds: float) -> None:
        self.seconds += seconds
        if self.later:
            self.drop(self.later.pop(0))

    def watcher(
        self, idle_stop_s: float = 15, run: str = "r", stopped: Callable[[], bool] = never
    ) -> Watcher:
        store: Any = self.store
        return Watcher(
            store, FOLDER, KEPT, run, idle_stop_s, rows_of, 0.0, stopped, lambda: self.seconds, self.rest
        )

    def names(self, first: int = 0, **more: Any) -> list[str]:
        return [drop.claim.key.key.rpartition("/")[2] for drop in self.watcher(**more).drops(first)]


def chunks(*names: str) -> dict[str, bytes]:
    return {name: f"a,b\n1,{name}\n".encode() for name in names}


def test_what_is_there_comes_in_natural_order_and_what_appears_behind_it() -> None:
    case = Dropping(chunks("chunk_3", "chunk_11"), {}, chunks("chunk_12"))
    case.drop(chunks("chunk_10", "chunk_2", "chunk_1"))
    names = case.names()
    assert names == ["chunk_1", "chunk_2", "chunk_10", "chunk_3", "chunk_11", "chunk_12"]


def test_a_name_that_sorts_before_one_that_was_met_is_found_as_well() -> None:
    case = Dropping(chunks("a_1"), chunks("z_1"))
    case.drop(chunks("m_1"))
    assert case.names() == ["m_1", "z_1", "a_1"]


def test_a_thousand_objects_in_random_order_come_once_each() -> None:
    every = [f"chunk_{n}" for n in range(1_000)]
    Random(3).shuffle(every)
    case = Dropping(*(chunks(*every[at : at + 25]) for at in range(0, 1_000, 25)))
    names = case.names()
    assert len(names) == 1_000
    assert set(names) == set(every)
    assert Dropping(store=case.store).names() == names


def test_it_ends_when_nothing_was_new_for_so_long_and_not_before() -> None:
    case = Dropping(*[{}] * 9, chunks("late"), *[{}] * 20)
    assert case.names(idle_stop_s=10) == ["late"]
    assert case.seconds == 20
    assert Dropping(*[{}] * 10, chunks("too_late")).names(idle_stop_s=10) == []


def test_a_stop_is_heard_when_nothing_arrives() -> None:
    case = Dropping()
    case.drop(chunks("chunk_1"))
    assert case.names(idle_stop_s=1_000, stopped=lambda: case.seconds >= 3) == ["chunk_1"]
    assert case.seconds == 3


def test_an_object_that_is_replaced_is_not_met_again() -> None:
    case = Dropping({"chunk_1": b"a,b\n3,4\n"})
    case.drop({"chunk_1": b"a,b\n1,2\n"})
    (drop,) = case.watcher().drops()
    assert drop.claim == Claim.of(FOLDER / "chunk_1", b"a,b\n1,2\n")


def test_a_resumed_run_meets_the_same_in_the_same_order_whatever_came_meanwhile() -> None:
    case = Dropping()
    case.drop(chunks("chunk_5", "chunk_7"))
    drops: Iterator[Any] = case.watcher().drops()
    assert next(drops).claim.key == FOLDER / "chunk_5"
    case.drop(chunks("chunk_1"))
    case.store.delete(FOLDER / "chunk_5")
    again = Dropping(store=case.store)
    assert again.names() == ["chunk_5", "chunk_1", "chunk_7"]
    assert again.names(2) == ["chunk_7"]


def test_a_later_run_of_the_stream_meets_only_what_is_new() -> None:
    case = Dropping()
    case.drop(chunks("chunk_1", "chunk_2"))
    assert case.names() == ["chunk_1", "chunk_2"]
    case.drop(chunks("chunk_0", "chunk_3"))
    assert case.names(run="later") == ["chunk_0", "chunk_3"]
    assert case.names(run="later", first=1) == ["chunk_3"]
    assert case.names() == ["chunk_1", "chunk_2"]


def test_of_two_replays_of_a_run_both_go_by_what_the_first_has_kept() -> None:
    case = Dropping()
    case.drop(chunks("chunk_1", "chunk_2"))
    slow, fast = case.watcher().drops(), case.watcher().drops()
    case.drop(chunks("chunk_0"))
    assert next(fast).claim.key == FOLDER / "chunk_0"
    assert [drop.claim.key.key[-1] for drop in slow] == ["0", "1", "2"]


def test_rows_seconds_and_sizes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWEIR_CLAIM_BYTES", "100")
    case = Dropping({}, {}, {"b": b"a,b\r\n1,2\r\n3,4", "c": b"", "d": b"x" * 900, "folder/": b""})
    found = list(case.watcher().drops())
    assert [(drop.rows, drop.second, drop.claim.size) for drop in found] == [
        (2, 3, 13),
        (0, 3, 0),
        (0, 3, 101),
    ]
    assert list(case.watcher().drops()) == found
    case.store.put_json(KEPT / "00000001.json", {"format": 2})
    with pytest.raises(BadConfiguration, match="has format 2, but only formats up to 1 are known"):
        list(case.watcher().drops())


def test_what_vanishes_before_it_is_read_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Dropping()
    case.drop(chunks("chunk_1", "chunk_2"))
    listed = case.store.list

    def then_deleted(prefix: ObjectKey, **more: Any) -> list[ObjectKey]:
        found = listed(prefix, **more)
        case.store.delete(FOLDER / "chunk_1")
        return found

    monkeypatch.setattr(case.store, "list", then_deleted)
    assert case.names() == ["chunk_2"]


PLAN = Plan(
    **{"run": "r", "pipeline": PIPELINE.name, "stream": "s", "dataset": "f" * 64, "start_ts": 1_000},
    **{"interval_s": 1, "speed": 0, "batches": None, "batch_rows": 10, "first_sequence": 7, "late": {}},
    **{"offsets": {}, "planned_at": "2026-01-01T00:00:00+00:00"},
)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [None, 1])
def test_a_run_announces_the_objects_and_ends_with_a_flush(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    store: Any = MemoryStore()
    for name, data in chunks("chunk_2", "chunk_10").items():
        store.put(FOLDER / name, data)
    options = {"feeder": "watch", "watch": "datasets/drop/", "idle_stop_s": 0}
    made = recording(tmp_path, limit=limit, options=options)
    assert isinstance(made, Recipe)
    assert (made.seconds, made.rows) == (None, None)
    *sent, flush = deliveries(made.made_for(PLAN, store).batches(), PLAN, PIPELINE, value)
    bodies = [orjson.loads(one.values["chunks"]) for one in sent]
    assert [(one["chunk"], one["key"], one["rows"]) for one in bodies] == [
        (7, "datasets/drop/chunk_2", 1),
        (8, "datasets/drop/chunk_10", 1),
    ][:limit]
    assert flush.kind.value == "flush"
    assert flush.sequence == 7 + len(sent)


def test_a_run_that_is_asked_to_end_sends_its_flush_though_nothing_arrives(tmp_path: Any) -> None:
    store: Any = MemoryStore()
    store.put(FOLDER / "chunk_1", chunks("chunk_1")["chunk_1"])
    request_stop(store, Run(Stream(PIPELINE.name, "s"), "r"))
    options = {"feeder": "watch", "watch": "datasets/drop/", "idle_stop_s": 10**6}
    made = recording(tmp_path, options=options)
    assert isinstance(made, Recipe)
    *sent, flush = deliveries(made.made_for(PLAN, store).batches(), PLAN, PIPELINE, value)
    assert [one.sequence for one in sent] == [7]
    assert flush.kind.value == "flush"


def test_a_task_that_is_cancelled_hears_of_it_though_nothing_arrives() -> None:
    class Cancelled(Exception):
        pass

    def cancel(*_: Any) -> None:
        raise Cancelled

    def coming() -> Iterator[int]:
        yield from iter(Event().wait, True)

    before = signal.signal(signal.SIGALRM, cancel)
    arriving = Arriving(coming())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Cancelled):
            next(arriving)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        arriving.close()


@pytest.mark.parametrize("text", ["", "drop", "Datasets/drop", "datasets/", "/drop", "datasets/a\n"])
def test_a_folder_that_is_none_is_refused(tmp_path: Any, text: str) -> None:
    with pytest.raises(BadConfiguration, match="watch is"):
        watched_folder(text)
    with pytest.raises(BadConfiguration, match="watch is"):
        recording(tmp_path, options={"feeder": "watch", "watch": text, "idle_stop_s": 1})
    assert watched_folder("datasets/a/b c/") == ObjectKey("datasets", "a/b c")


def test_nobody_waits_for_the_next_while_something_is_to_be_committed() -> None:
    go_on, came = Event(), count()

    def coming() -> Iterator[Any]:
        yield next(came)
        assert go_on.wait(30)
        yield next(came)

    arriving = Arriving(coming())
    backlog: Backlog = Backlog(arriving, arriving.is_waiting)  # type: ignore[arg-type]
    assert backlog.peek() == 0
    assert not backlog.is_waiting
    backlog.take()
    assert backlog.is_waiting
    go_on.set()
    assert backlog.peek() == 1
    backlog.take()
    assert backlog.peek() is None
    assert backlog.peek() is None
    arriving.close()


def test_an_error_of_what_comes_is_raised() -> None:
    def broken() -> Iterator[Any]:
        yield 1
        raise BadConfiguration("no more")

    arriving = Arriving(broken())
    assert next(arriving) == 1
    with pytest.raises(BadConfiguration, match="no more"):
        next(arriving)
