"""Whatever a stream holds and however it is read: the same verdicts, and every record accounted for."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamweir.contracts.messages import Kind
from streamweir_spark.core import Output, Received
from streamweir_spark.decode import decode
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.shard import Shard
from tests.unit.core import naive_ecommerce as naive
from tests.unit.core.ecommerce_stream import (
    CUSTOMERS,
    START,
    browsing,
    domain,
    fall_apart,
    message,
    run,
    run_apart,
    scored,
    transaction,
    without_frontiers,
)

LOOKBACK, LATENESS, ZONE = 8, 3, "Australia/Melbourne"
RETENTION = 5

# Few different values, so that sessions meet, times collide and ids repeat.
sessions = st.sampled_from(["s", "t", "u", "ü\x00"])
times = st.sampled_from(
    [
        "2024-01-01 00:00:00",
        "2024-01-01T00:00:05.250Z",
        "2024-04-06 15:59:59.999",
        "2024-04-06T16:30:00+00:00",
        "2024-01-01 11:00:00.5+11:00",
    ]
)
spoilt = st.sampled_from(["", "NaN", "1_0", "2024-13-01 00:00:00", "never", None, 5, True, [], {}])


@st.composite
def rows(draw: st.DrawFn, topic: str) -> dict:
    if topic == "browsing":
        events = st.sampled_from(["HP", "ATC", "AP", "VP", "SER", "CL", "??", "hp"])
        row = browsing(draw(sessions), draw(events), draw(times))
    else:
        name = draw(st.sampled_from(["a", "b", "c"]))
        row = transaction(name, draw(sessions), draw(times), customer_id=draw(st.sampled_from(["7", "29"])))
    if draw(st.integers(0, 5)) == 0:
        name = draw(st.sampled_from([*row, "ts"]))
        if draw(st.booleans()):
            return {key: value for key, value in row.items() if key != name}
        return row | {name: draw(spoilt)}
    return row


@st.composite
def streams(draw: st.DrawFn) -> list[Received]:
    """A stream's messages: batches, some delayed, some broken, some put back, and strangers between them."""
    messages: list[Received] = []
    largest = START
    for sequence in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from([Kind.BATCH] * 8 + [Kind.REDRIVE] * 2 + [Kind.FLUSH]))
        again = kind is Kind.REDRIVE
        ts = largest + 1 if again else START + sequence - draw(st.sampled_from([0, 0, 0, 0, 2, 3, 4, 7]))
        largest = max(largest, ts)
        for topic in ("browsing", "transactions"):
            found = draw(st.lists(rows(topic), max_size=4))
            if again:
                own = st.sampled_from([START, START + 2, ts - 9, ts - 1, ts, ts + 1, -1, 2**63])
                found = [{"ts": draw(own)} | row for row in found]
            value = draw(st.sampled_from([None] * 9 + [b"", b"[", b"{}", b"[1]", b"\xff", b"null"]))
            announced = draw(st.sampled_from([len(found)] * 9 + [len(found) + 1]))
            one = message(topic, sequence, found, ts=ts, value=value, announced=announced, kind=kind)
            messages.append(one)
            stranger = draw(st.sampled_from(["none"] * 6 + ["repeat", "future", "astray", "bare"]))
            offset = one.offset + 1
            if stranger == "repeat":
                messages.append(one._replace(offset=offset))
            elif stranger == "future":
                messages.append(message(topic, sequence + 400, found)._replace(offset=offset))
            elif stranger == "astray":
                messages.append(one._replace(offset=offset, partition=(one.partition + 1) % 4))
            elif stranger == "bare":
                messages.append(one._replace(offset=offset, headers=None))
    return messages


def new_domain():
    return domain(lookback_s=LOOKBACK, lateness_s=LATENESS, retention_s=RETENTION, time_zone=ZONE)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(streams(), st.integers(0, 2**32), st.integers(1, 5))
def test_the_result_does_not_depend_on_micro_batches_partitions_shards_or_topic_order(
    messages: list[Received], seed: int, shards: int
) -> None:
    at_once = run(messages, new_domain())
    apart = run_apart(fall_apart(messages, Random(seed)), new_domain(), shards)
    assert without_frontiers(at_once) == without_frontiers(apart)
    stays, found = Shard(new_domain()), list[Output]()
    for micro_batch in fall_apart(messages, Random(seed)):
        found += stays.work(decode(micro_batch, 1, READER))
        stays.dump()
    assert without_frontiers(found) == without_frontiers(at_once)
    last = at_once[-1]
    assert last.kind == "frontier"
    assert {(o.sequence, o.ts) for o in apart[-shards:] if o.kind == "frontier"} >= {(last.sequence, last.ts)}


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(streams())
def test_every_record_gets_the_verdict_that_the_specification_gives_it(messages: list[Received]) -> None:
    dom = new_domain()
    outputs = run(messages, dom)
    expected = naive.verdicts(messages, CUSTOMERS, LOOKBACK, LATENESS, RETENTION, ZONE)
    assert sorted(_said(outputs, dom), key=str) == sorted(map(_plain, expected), key=str)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(streams(), st.integers(0, 2**32))
def test_every_record_that_was_produced_is_accounted_for_once(messages: list[Received], seed: int) -> None:
    outputs = run_apart(fall_apart(messages, Random(seed)), new_domain(), 3)
    foreign = {(o.topic, o.partition, o.offset) for o in outputs if o.reason == "foreign"}
    counted: dict[tuple, int] = {}
    for output in outputs:
        if output.kind != "frontier":
            place = (output.topic, output.partition, output.offset)
            counted[place] = counted.get(place, 0) + (output.rows or 0)
    for one in messages:
        place = (one.topic, one.partition, one.offset)
        announced = 1 if place in foreign else int(dict(one.headers)["rows"])
        assert counted.get(place, 0) == announced


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(streams(), st.integers(1, 5))
def test_the_result_does_not_depend_on_how_many_rows_are_looked_at_in_one_go(
    messages: list[Received], pairs: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamweir_spark.ecommerce_fraud.memory._PAIRS", pairs)
        some_at_a_time = run(messages, new_domain())
    assert some_at_a_time == run(messages, new_domain())


def test_the_flush_counts_as_the_largest_ts() -> None:
    flush = [message(topic, 1, [], ts=START + 300, kind=Kind.FLUSH) for topic in ("browsing", "transactions")]
    outputs = run([message("browsing", 0, []), message("transactions", 0, []), *flush])
    assert [(o.sequence, o.ts) for o in outputs if o.kind == "frontier"] == [(2, START + 300)]


@pytest.mark.parametrize("ts", [START + 361, START + 300])
def test_another_run_goes_on_after_the_flush(ts: int) -> None:
    flush = [message(topic, 0, [], ts=START + 300, kind=Kind.FLUSH) for topic in ("browsing", "transactions")]
    second = [message("browsing", 1, [browsing()], ts=ts), message("transactions", 1, [transaction()], ts=ts)]
    (row,) = scored(run([*flush, *second]), domain())
    assert row["session_events"] == 1


def _said(outputs: list, dom: object) -> list[tuple]:
    features = {(o["topic"], o["sequence"], o["row"]): o for o in scored(outputs, dom)}
    found = []
    for output in outputs:
        where = (output.topic, output.sequence, output.row)
        if output.kind == "rejected":
            assert output.detail
            if output.reason == "foreign":
                found.append((output.topic, output.row, "foreign"))
            else:
                found.append((*where, output.reason, None))
        elif output.kind == "scored":
            found.append((*where, "scored", {name: features[where][name] for name in _FEATURES}))
        elif output.kind == "tally":
            found += [(output.topic, output.sequence, "used")] * output.rows
    return found


def _plain(verdict: tuple) -> tuple:
    topic, sequence, row, what, features = verdict
    if what == "used":
        return topic, sequence, what
    if what == "foreign":
        return topic, row, what
    return topic, sequence, row, what, None if features is None else {n: features[n] for n in _FEATURES}


_FEATURES = (
    *naive.NUMBERS,
    *("L1_ratio", "L2_ratio", "time_of_day", "num_purchase", "age", "first_join_year", "gender"),
    "session_events",
)
