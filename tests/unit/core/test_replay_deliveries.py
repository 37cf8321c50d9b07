"""The order of a run: sequences, the virtual clock, delayed batches, the flush, the messages on the wire."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.contracts.ecommerce_fraud import FRAUD_WINDOW_S, PIPELINE
from streamweir.contracts.messages import Headers, Kind
from streamweir.errors import BadConfiguration
from streamweir.replay.batches import Batch
from streamweir.replay.deliveries import (
    Delivery,
    check_late,
    cut,
    delayed,
    deliveries,
    list_of_objects,
)
from streamweir.replay.plan import Plan, parse_late
from tests.support.wire import messages

START = 1_700_000_000


def plan(late: Mapping[int, int] | None = None, first_sequence: int = 0) -> Plan:
    return Plan(
        run="r1",
        pipeline=PIPELINE.name,
        stream="s",
        dataset="d",
        start_ts=START,
        interval_s=1,
        speed=0,
        batches=None,
        batch_rows=200,
        first_sequence=first_sequence,
        late=late or {},
        offsets={},
        planned_at="",
    )


def some(count: int, interval: float = 1) -> Iterator[Batch]:
    for index in range(count):
        rows = {"browsing": [{"session_id": f"s{index}"}], "transactions": []}
        yield Batch(index, index * interval, rows)


def sent(count: int, of: Plan) -> list[Delivery]:
    return list(deliveries(some(count), of, PIPELINE, list_of_objects))


def test_batches_get_dense_sequences_and_a_flush_that_closes_every_window() -> None:
    found = sent(3, plan(first_sequence=7))
    assert [(d.sequence, d.batch, d.ts - START, d.kind, d.due) for d in found] == [
        (7, 0, 0, Kind.BATCH, 0),
        (8, 1, 1, Kind.BATCH, 1),
        (9, 2, 2, Kind.BATCH, 2),
        (10, 3, 2 + PIPELINE.flush_after_s, Kind.FLUSH, 2),
    ]
    assert all(not rows for rows in found[-1].rows.values())


def test_a_batch_has_its_own_place_on_the_clock_and_the_flush_lies_behind_the_last() -> None:
    places = [0.0, 0.4, 0.4, 7.9]
    nothing = {"browsing": [], "transactions": []}
    batches = [Batch(index, second, nothing) for index, second in enumerate(places)]
    found = list(deliveries(batches, plan(), PIPELINE, list_of_objects))
    assert [d.ts - START for d in found] == [0, 0, 0, 7, 7 + PIPELINE.flush_after_s]
    assert [d.due for d in found] == [0, 0.4, 0.4, 7.9, 7.9]


def test_every_window_closes_whatever_lateness_a_run_allows() -> None:
    for lateness in (0, PIPELINE.lateness_s, 200, 3_600):
        *_, last, flush = sent(3, replace(plan(), lateness_s=lateness))
        assert flush.ts - lateness >= last.ts + FRAUD_WINDOW_S
    assert sent(3, replace(plan(), lateness_s=0))[-1].ts == sent(3, plan())[-1].ts


def test_a_rate_paces_by_the_order_of_sending_and_leaves_the_clock_alone() -> None:
    at_rate = replace(plan({0: 2}, first_sequence=7), rate=50)
    found = sent(4, at_rate)
    assert [d.due for d in found] == [0, 1, 2, 3, 4]
    assert [d.ts for d in found] == [d.ts for d in sent(4, plan({0: 2}))]
    assert (at_rate.pace, replace(at_rate, rate=None, speed=3).pace) == (50, 3)


def test_a_delayed_batch_keeps_its_index_and_ts_and_follows_the_first_that_is_younger_by_its_delay() -> None:
    found = sent(6, plan({1: 2, 0: 3}))
    assert [(d.sequence, d.batch, d.ts - START, d.due) for d in found[:-1]] == [
        (0, 2, 2, 2),
        (1, 3, 3, 3),
        (2, 0, 0, 3),
        (3, 1, 1, 3),
        (4, 4, 4, 4),
        (5, 5, 5, 5),
    ]
    assert found[-1].ts - START == 5 + PIPELINE.flush_after_s


LATE = st.dictionaries(st.integers(0, 15), st.integers(1, 20), max_size=5)


@given(late=LATE, count=st.integers(1, 16), interval=st.integers(1, 5))
def test_every_batch_is_sent_once_and_each_delayed_one_as_late_as_asked(
    late: dict[int, int], count: int, interval: int
) -> None:
    try:
        check_late(late, range(0, count * interval, interval))
    except BadConfiguration:
        return
    pieces = cut(some(count, interval), START, ["browsing", "transactions"], list_of_objects)
    order = [piece.span for piece, _ in delayed(pieces, late)]
    assert sorted(order) == list(range(count))
    on_time = [index for index in order if index not in late]
    assert on_time == sorted(on_time)
    for place, index in enumerate(order):
        if index in late:
            behind = (max(order[:place]) - index) * interval
            assert behind >= late[index]


def test_a_delay_beyond_the_end_of_the_run_is_refused() -> None:
    check_late({5: 4}, range(10))
    with pytest.raises(BadConfiguration, match="batch 5 cannot be 5 s late in a run of 10 batches"):
        check_late({5: 5}, range(10))
    with pytest.raises(BadConfiguration, match="batch 12"):
        check_late({12: 1}, range(10))


def test_late_is_written_as_batch_and_seconds() -> None:
    assert parse_late("") == {}
    assert parse_late("5:90, 9:120") == {5: 90, 9: 120}
    for wrong in ("5", "5:", "a:1", "5:0", "-1:5", "5:1,5:2"):
        with pytest.raises(BadConfiguration, match="late:"):
            parse_late(wrong)


def test_a_message_is_a_json_list_with_the_strings_of_the_file_and_an_integer_ts() -> None:
    browsing, transactions = messages(sent(2, plan())[1], "r1")
    assert (browsing.topic, orjson.loads(browsing.value)) == (
        "browsing",
        [{"session_id": "s1", "ts": START + 1}],
    )
    assert (transactions.topic, transactions.value) == ("transactions", b"[]")
    assert Headers.decode(browsing.headers) == Headers("r1", 1, 1, START + 1, Kind.BATCH, 1)
    assert Headers.decode(transactions.headers) == Headers("r1", 1, 1, START + 1, Kind.BATCH, 0)


def test_a_plan_survives_json() -> None:
    made = plan({5: 90})
    assert Plan.from_json(orjson.loads(orjson.dumps(made.to_json(), option=orjson.OPT_NON_STR_KEYS))) == made
