"""The chain of a stream's runs: each names the one before, also after a crash and with two at once."""

from dataclasses import replace

import pytest

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration
from streamweir.replay.agreement import agree
from streamweir.replay.plan import Plan, Request
from streamweir.replay.position import Position, join, plans
from streamweir.replay.produced import Manifest
from tests.support.memory_store import MemoryStore

STREAM = Stream(PIPELINE.name, "s")
EMPTY = Position(0, None, None, {"browsing": {0: 0}, "transactions": {0: 0}})


def after(run: str, sequence: int, kind: Kind = Kind.FLUSH) -> Position:
    """The stream's end after this run's message."""
    return replace(
        EMPTY, next_sequence=sequence + 1, last=Headers(run, 9, sequence, 5, kind, 0), largest_ts=5
    )


def planned(store: MemoryStore, run: str, at: Position) -> Plan:
    return agree(store, Run(STREAM, run), Request("f"), 200, PIPELINE, at, [0, 9])  # type: ignore[arg-type]


def joined(store: MemoryStore, run: str, at: Position) -> Plan:
    plan = planned(store, run, at)
    join(store, Run(STREAM, run), plan, at)  # type: ignore[arg-type]
    return plan


def chain(store: MemoryStore) -> list[str]:
    return [plan.run for plan in plans(store, STREAM)]  # type: ignore[arg-type]


def test_each_run_names_the_one_before() -> None:
    store = MemoryStore()
    assert joined(store, "r1", EMPTY).before is None
    assert joined(store, "r2", after("r1", 10)).before == "r1"
    assert joined(store, "r3", after("r2", 20)).before == "r2"
    assert chain(store) == ["r3", "r2", "r1"]


def test_records_of_an_older_run_that_were_put_back_do_not_make_it_the_newest() -> None:
    store = MemoryStore()
    joined(store, "r1", EMPTY)
    joined(store, "r2", after("r1", 10))
    assert joined(store, "r3", after("r1", 22, Kind.REDRIVE)).before == "r2"
    assert chain(store) == ["r3", "r2", "r1"]


def test_a_crash_before_the_run_became_the_newest_is_mended_when_it_is_resumed() -> None:
    store = MemoryStore()
    joined(store, "r1", EMPTY)
    planned(store, "r2", after("r1", 10))
    assert chain(store) == ["r1"]
    joined(store, "r2", after("r1", 10))
    assert chain(store) == ["r2", "r1"]


def test_a_run_that_only_lacks_its_manifest_leaves_later_runs_in_the_chain() -> None:
    store = MemoryStore()
    joined(store, "r1", EMPTY)
    joined(store, "r2", after("r1", 10))
    joined(store, "r1", after("r1", 10))
    joined(store, "r1", after("r2", 20))
    assert chain(store) == ["r2", "r1"]


def test_of_two_runs_planned_at_once_one_joins_and_the_other_is_told_to_start_again() -> None:
    store = MemoryStore()
    joined(store, "r1", EMPTY)
    planned(store, "r2", after("r1", 10))
    planned(store, "r3", after("r1", 10))
    joined(store, "r3", after("r1", 10))
    with pytest.raises(
        BadConfiguration, match=r"run r3 was planned .* before run r2 sent anything: start a new"
    ):
        joined(store, "r2", after("r1", 10))
    assert chain(store) == ["r3", "r1"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_that_another_one_overtakes_between_the_look_and_the_write_looks_again(begun: bool) -> None:
    class Racing(MemoryStore):
        rival: str | None = None

        def _overtake(self) -> None:
            if self.rival is not None:
                rival, self.rival = self.rival, None
                join(self, Run(STREAM, rival), planned(self, rival, at), at)  # type: ignore[arg-type]

        def put_if_match(self, key: ObjectKey, data: bytes, etag: str) -> str | None:
            self._overtake()
            return super().put_if_match(key, data, etag)

        def put_if_absent(self, key: ObjectKey, data: bytes) -> str | None:
            if key == STREAM.newest_run:
                self._overtake()
            return super().put_if_absent(key, data)

    store, at = Racing(), EMPTY
    if begun:
        joined(store, "r1", EMPTY)
        at = after("r1", 10)
    planned(store, "r2", at)
    planned(store, "r3", at)
    store.rival = "r3"
    with pytest.raises(BadConfiguration, match="run r3 was planned"):
        joined(store, "r2", at)
    store.rival = "r3"
    assert joined(store, "r3", at).run == "r3"
    assert chain(store) == ["r3", "r1"][: 1 + begun]


@pytest.mark.parametrize(("kind", "before"), [(Kind.FLUSH, "r1"), (Kind.REDRIVE, None)])
def test_a_stream_without_the_object_says_the_run_before_where_its_last_message_tells(
    kind: Kind, before: str | None
) -> None:
    store = MemoryStore()
    assert joined(store, "r9", after("r1", 10, kind)).before == before
    assert chain(store) == ["r9"]


def test_a_plan_without_a_format_is_read_and_a_newer_one_refused() -> None:
    store = MemoryStore()
    written = joined(store, "r1", EMPTY).to_json()
    old = {name: value for name, value in written.items() if name not in ("format", "before")}
    assert Plan.from_json(old) == Plan.from_json(written)
    with pytest.raises(BadConfiguration, match=r"plan of run r1 has format 3.* up to 2 .*start a new run"):
        Plan.from_json(written | {"format": 3})
    with pytest.raises(
        BadConfiguration, match=r"manifest of run r1 has format 2.* up to 1 .*start a new run"
    ):
        Manifest.from_json({"run": "r1", "format": 2})
    store.put_json(STREAM.newest_run, {"format": 2, "run": "r1"})
    with pytest.raises(BadConfiguration, match=r"newest_run.json has format 2.* take another stream id"):
        planned(store, "r2", after("r1", 10))
