"""A run's plan: what it starts from, what is kept, what is refused."""

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.replay.agreement import agree, refuse_other_run, stored_plan
from streamweir.replay.plan import Plan, Request
from streamweir.replay.position import Position
from streamweir.replay.replayer import replay
from tests.support.memory_store import MemoryStore

RUN = Run(Stream(PIPELINE.name, "s"), "r2")
REQUEST = Request("fingerprint", speed=5)
EMPTY = Position(0, None, None, {"browsing": {0: 0}, "transactions": {0: 0}})


def at(kind: Kind = Kind.FLUSH, *, run: str = "r1", ts: int = 5_000_000_000) -> Position:
    return Position(42, Headers(run, 40, 41, ts, kind, 0), ts, {"browsing": {0: 11}, "transactions": {0: 12}})


def agreed(request: Request = REQUEST, position: Position = EMPTY, store: MemoryStore | None = None) -> Plan:
    return agree(store or MemoryStore(), RUN, request, 200, PIPELINE, position, [0, 9])  # type: ignore[arg-type]


def test_a_new_stream_starts_now_at_sequence_0() -> None:
    before = int(time.time())
    plan = agreed()
    assert before <= plan.start_ts <= time.time()
    assert (plan.first_sequence, plan.batch_rows, plan.speed) == (0, 200, 5)


def test_a_used_stream_goes_on_a_second_behind_its_last_record() -> None:
    plan = agreed(position=at())
    assert (plan.first_sequence, plan.start_ts) == (42, 5_000_000_001)
    assert plan.offsets == {"browsing": {0: 11}, "transactions": {0: 12}}


def test_now_is_taken_when_the_flush_lies_long_ago() -> None:
    assert agreed(position=at(ts=1_000)).start_ts >= int(time.time()) - 5


@pytest.mark.parametrize(
    ("asked", "taken"), [(5_000_000_001, True), (6_000_000_000, True), (5_000_000_000, False)]
)
def test_a_start_less_than_a_second_behind_the_flush_is_refused(asked: int, taken: bool) -> None:
    request = replace(REQUEST, start_ts=asked)
    if taken:
        assert agreed(request, at()).start_ts == asked
    else:
        with pytest.raises(BadConfiguration, match=r"5000000000 is too early.*take 5000000001"):
            agreed(request, at())


@pytest.mark.parametrize("asked", [1_700_000_000_000, 253_402_300_799, -5])
def test_a_run_outside_the_calendar_is_refused_before_it_has_a_plan(asked: int) -> None:
    store = MemoryStore()
    with pytest.raises(BadConfiguration, match=rf"start_ts {asked} would .*not milliseconds"):
        agreed(replace(REQUEST, start_ts=asked), store=store)
    assert not store.exists(RUN.plan)


@pytest.mark.parametrize(
    "change", [{"speed": math.nan}, {"speed": -1}, {"speed": math.inf}, {"rate": math.nan}, {"batches": 0}]
)
def test_a_number_that_makes_no_sense_is_refused_before_kafka_is_asked(
    tmp_path: Path, change: dict[str, float]
) -> None:
    (name,) = change
    with pytest.raises(BadConfiguration, match=f"{name} is "):
        replay(
            RUN,
            replace(REQUEST, **change),  # type: ignore[arg-type]
            kafka=KafkaConnection("127.0.0.1:9"),
            store=MemoryStore(),  # type: ignore[arg-type]
            folder=tmp_path,
        )


def test_the_stored_plan_is_kept_whatever_the_time_and_the_stream_say_later() -> None:
    store = MemoryStore()
    first = agreed(store=store)
    assert agreed(position=at(Kind.BATCH, run="r2"), store=store) == first
    assert agreed(replace(REQUEST, start_ts=first.start_ts, batch_rows=200), store=store) == first
    assert stored_plan(store, RUN, REQUEST, 200) == first  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"speed": 6}, "speed 6 instead of 5"),
        ({"batches": 3}, "batches 3 instead of None"),
        ({"batch_rows": 100}, "batch_rows 100 instead of 200"),
        ({"lateness_s": 90}, "lateness_s 90 instead of 60"),
        ({"dataset": "other"}, "dataset other instead of fingerprint"),
        ({"late": {5: 90}}, r"late {5: 90} instead of {}"),
        ({"options": {"event_types": "view:page_view"}}, r"options {.*view.*} instead of {}"),
        ({"start_ts": 7}, r"start_ts 7 instead of \d+"),
    ],
)
def test_every_difference_from_the_plan_is_named(change: dict[str, object], words: str) -> None:
    store = MemoryStore()
    agreed(store=store)
    with pytest.raises(BadConfiguration, match=words):
        agreed(replace(REQUEST, **change), store=store)  # type: ignore[arg-type]


def test_a_run_that_has_not_sent_its_flush_keeps_others_off_its_stream() -> None:
    refuse_other_run(RUN, EMPTY)
    refuse_other_run(RUN, at(Kind.FLUSH))
    refuse_other_run(RUN, at(Kind.REDRIVE))
    refuse_other_run(RUN, at(Kind.BATCH, run="r2"))
    with pytest.raises(BadConfiguration, match=r"run r1 on stream .* has not sent its flush"):
        refuse_other_run(RUN, at(Kind.BATCH))


def test_a_run_whose_messages_are_there_but_whose_plan_is_gone_is_not_sent_twice() -> None:
    for kind in (Kind.BATCH, Kind.FLUSH):
        with pytest.raises(BadConfiguration, match=r"its plan .*plan\.json is gone"):
            agreed(position=at(kind, run="r2"))


def test_of_two_that_plan_the_same_run_at_once_both_take_the_first_plan() -> None:
    class Racing(MemoryStore):
        def put_if_absent(self, key: object, data: bytes) -> None:
            self.put(
                key, data.replace(b"fingerprint", b"fingerprint").replace(b'"start_ts": ', b'"start_ts": 1')
            )

    plan = agreed(store=Racing())
    assert plan.start_ts > 10_000_000_000
