"""The order of a shard's work, what is foreign, and what its state keeps."""

import pickle
from collections.abc import Sequence
from zlib import crc32

import pytest

from streamweir.contracts.messages import Kind
from streamweir.errors import BadConfiguration
from streamweir_spark.core import OUTPUT_COLUMNS, Output, Received
from streamweir_spark.decode import ShardOf, decode
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.local import LocalBatch
from streamweir_spark.local import outputs as local_outputs
from streamweir_spark.memory import FORMAT
from streamweir_spark.shard import work
from tests.unit.core.ecommerce_stream import (
    START,
    batch,
    browsing,
    domain,
    message,
    rejected,
    run,
    run_apart,
    scored,
    transaction,
)


def frontiers(outputs: Sequence[Output]) -> list[tuple[int | None, int | None]]:
    return [(o.sequence, o.ts) for o in outputs if o.kind == "frontier"]


def test_an_output_has_the_declared_columns_in_order_and_the_scored_values_last() -> None:
    assert Output._fields == (*(column.name for column in OUTPUT_COLUMNS), "values")


def test_nothing_read_means_nothing_but_a_frontier_at_the_start() -> None:
    assert run([]) == [Output("frontier", None, None, 0, None)]


@pytest.mark.parametrize("said", [(), (FORMAT + 1,)])
def test_a_state_of_another_format_is_refused_with_the_remedy(said: tuple[int, ...]) -> None:
    state, _ = work(None, [], domain())
    _, progress, memory = pickle.loads(pickle.loads(state)[0])
    assert work(state, [], domain())[0] == state
    with pytest.raises(
        BadConfiguration, match=rf"format {(said or (1,))[0]}, .* format {FORMAT}: take another"
    ):
        work(pickle.dumps((*said, progress, memory)), [], domain())


def test_a_sequence_waits_for_all_topics_and_all_smaller_sequences() -> None:
    messages = [
        message("transactions", 1, [transaction("b")]),
        message("transactions", 0, [transaction("a")]),
        message("browsing", 1, [browsing()]),
        message("browsing", 0, [browsing()]),
    ]
    outputs = run_apart([[one] for one in messages], domain(), 1)
    assert frontiers(outputs) == [(0, None), (0, None), (0, None), (2, START + 1)]
    assert [(o.kind, o.topic, o.sequence, o.rows) for o in outputs if o.kind != "frontier"] == [
        ("tally", "browsing", 0, 1),
        ("scored", "transactions", 0, 1),
        ("tally", "browsing", 1, 1),
        ("scored", "transactions", 1, 1),
    ]


def test_a_scored_row_says_where_it_came_from() -> None:
    (row,) = scored(run(batch(0, [], [transaction("a")])), domain())
    assert (row["run"], row["batch_index"], row["topic"], row["partition"], row["offset"], row["row"]) == (
        *("run", 0, "transactions", 0, 0, 0),
    )


@pytest.mark.parametrize("shards", [1, 4])
def test_a_second_message_with_a_sequence_is_foreign_and_listed_once(shards: int) -> None:
    repeat = message("transactions", 0, [transaction("x")])._replace(offset=3)
    for micro_batches in ([[*batch(0), repeat]], [batch(0), [repeat]]):
        outputs = run_apart(micro_batches, domain(), shards)
        (reject,) = rejected(outputs)
        assert (reject.reason, reject.offset, reject.row, reject.rows) == ("foreign", 3, -1, 1)
        assert reject.detail == "sequence 0 came where 4 was due; the topic still holds the message"
        assert not scored(outputs, domain())


@pytest.mark.parametrize("stranger", [
    message("browsing", 1, [browsing()])._replace(partition=0, offset=5),
    message("browsing", 10**15, [browsing()])._replace(offset=5),
    message("browsing", 4, [browsing()])._replace(partition=4, offset=5),
])  # fmt: skip
def test_a_message_out_of_its_turn_is_foreign_and_leaves_no_trace_in_the_state(stranger: Received) -> None:
    dom = domain()
    without, _ = work(None, list(decode(batch(0), 1, READER)), dom)
    state, outputs = work(None, list(decode([*batch(0), stranger], 1, READER)), dom)
    assert [(o.reason, o.offset) for o in rejected(outputs)] == [("foreign", 5)]
    assert state == without


@pytest.mark.parametrize(("behind", "reason"), [(60, None), (61, "late")])
def test_late_is_more_than_the_lateness_behind_a_message_with_a_smaller_sequence(
    behind: int, reason: str | None
) -> None:
    outputs = run([*batch(0, ts=START + 100), *batch(1, [], [transaction()], ts=START + 100 - behind)])
    assert [o.reason for o in rejected(outputs)] == ([reason] if reason else [])


def test_a_larger_ts_with_a_larger_sequence_makes_nothing_late() -> None:
    outputs = run([*batch(1, ts=START + 500), *batch(0, [browsing()], [transaction()], ts=START)])
    assert not rejected(outputs)


def test_a_batch_does_not_make_itself_late() -> None:
    seen = message("browsing", 0, [browsing()], ts=START + 500)
    assert not rejected(run([seen, message("transactions", 0, [transaction()], ts=START)]))


def test_a_malformed_message_still_moves_the_clock() -> None:
    broken = [message(topic, 0, [], ts=START + 100, value=b"?") for topic in ("browsing", "transactions")]
    outputs = run([*broken, *batch(1, [], [transaction()], ts=START)])
    assert [o.reason for o in rejected(outputs)] == ["malformed", "malformed", "late"]


def test_a_redriven_record_is_never_late_and_may_keep_its_own_ts() -> None:
    row = transaction() | {"ts": START - 50}
    redriven = [message("browsing", 1, [], kind=Kind.REDRIVE, ts=START)]
    redriven.append(message("transactions", 1, [row], kind=Kind.REDRIVE, ts=START))
    outputs = run([*batch(0, ts=START + 500), *redriven])
    assert len(scored(outputs, domain())) == 1


def redriven(sequence: int, seen: list[dict], bought: list[dict], ts: int) -> list[Received]:
    return batch(sequence, seen, bought, ts=ts, kind=Kind.REDRIVE)


def test_a_redriven_transaction_looks_back_from_its_own_ts() -> None:
    seen = [*batch(0, [browsing()]), *batch(1, [browsing()]), *batch(2, [browsing()])]
    back = redriven(3, [], [transaction() | {"ts": START + 1}], ts=START + 300)
    (row,) = scored(run([*seen, *back]), domain())
    assert (row["session_events"], row["ts"], row["event_ts"]) == (2, START + 300, (START + 300) * 1_000_000)


def test_a_redriven_browsing_row_is_as_old_as_it_was() -> None:
    back = [
        *redriven(1, [browsing() | {"ts": START}], [], ts=START + 9),
        *redriven(2, [], [transaction() | {"ts": START}], ts=START + 9),
    ]
    (row,) = scored(run([*batch(0), *back]), domain())
    assert row["session_events"] == 1
    late_buyer = batch(3, [], [transaction("later")], ts=START + 601)
    rows = scored(run([*batch(0), *back, *late_buyer]), domain())
    assert [row["session_events"] for row in rows] == [1, 0]


@pytest.mark.parametrize("apart", [False, True])
def test_what_a_redriven_row_sees_does_not_depend_on_what_happens_to_be_remembered(apart: bool) -> None:
    dom = domain(lookback_s=100, lateness_s=10)
    messages = [
        *batch(0, [browsing()]),
        *batch(1, [browsing()], ts=START + 60),
        *redriven(2, [], [transaction() | {"ts": START + 61}], ts=START + 150),
    ]
    micro_batches = [[one] for one in messages] if apart else [messages]
    (row,) = scored(run_apart(micro_batches, dom, 1), dom)
    assert row["session_events"] == 1


@pytest.mark.parametrize("ts", [START + 8, -1, 2**63, "1", None, True])
def test_a_redriven_row_with_an_impossible_ts_is_malformed(ts: object) -> None:
    rows = [browsing() | {"ts": ts}], [transaction() | {"ts": ts}]
    outputs = run([*batch(0), *redriven(1, *rows, ts=START + 7)])
    assert [(o.topic, o.reason) for o in rejected(outputs)] == [
        ("browsing", "malformed"),
        ("transactions", "malformed"),
    ]


def test_the_state_forgets_what_no_transaction_can_reach() -> None:
    dom = domain(lookback_s=60)
    state, sizes = None, []
    for sequence in range(500):
        rows = [browsing(f"session-{sequence:04}-{number}") for number in range(3)]
        state, _ = work(state, list(decode(batch(sequence, rows), 1, READER)), dom)
        sizes.append(len(state))
    assert max(sizes[200:]) <= 1.01 * sizes[150]
    assert len(set(dom.memory.rows.session.tolist())) == len(dom.memory.rows.ts) == 3 * 121


def test_rows_of_a_delayed_batch_are_forgotten_too() -> None:
    dom = domain()
    run(
        [*batch(0, [browsing()], ts=START + 9), *batch(1, [browsing()], ts=START), *batch(2, ts=START + 669)],
        dom,
    )
    assert dom.memory.rows.ts.tolist() == [START + 9]


def test_the_state_holds_plain_values_only() -> None:
    """A state must be readable when the classes of the core have changed."""
    waiting = message("transactions", 1, [transaction()])
    state, _ = work(None, list(decode([*batch(0, [browsing()]), waiting], 2, READER))[1::2], domain())
    assert b"streamweir" not in state
    assert pickle.loads(state)


def test_what_was_scored_is_known_in_all_later_micro_batches() -> None:
    messages = [
        batch(0, [], [transaction("a"), transaction("b")]),
        batch(1),
        batch(2, [], [transaction("b")]),
    ]
    outputs = run_apart(messages, domain(), 1)
    assert [(o.sequence, o.reason) for o in rejected(outputs)] == [(2, "duplicate")]


def test_a_domain_travels_to_other_processes() -> None:
    dom = pickle.loads(pickle.dumps(domain(lookback_s=5)))
    assert len(scored(run(batch(0, [], [transaction()]), dom), dom)) == 1


def test_endless_sessions_are_not_remembered() -> None:
    shard_of = ShardOf(4)
    assert [shard_of["x" * 900_000], shard_of["x"]] == [crc32(b"x" * 900_000) % 4, crc32(b"x") % 4]
    assert list(shard_of) == ["x"]


def test_a_stream_in_one_process_gives_what_a_replay_would() -> None:
    batches = [
        LocalBatch(START, {"browsing": [browsing()]}),
        LocalBatch(START + 1, {"browsing": [browsing()], "transactions": [transaction()]}),
    ]
    local = scored(local_outputs(batches, READER, domain()), domain())
    streamed = scored(run([*batch(0, [browsing()]), *batch(1, [browsing()], [transaction()])]), domain())
    assert [row["session_events"] for row in local] == [2]
    names = [column.name for column in domain().scored_columns]
    assert [[row[name] for name in names] for row in local] == [
        [row[name] for name in names] for row in streamed
    ]
