"""The windows of a clickstream: what falls into them, when they are final, what raises a flag."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.contracts.messages import Kind
from streamweir_spark.clickstream_anomaly.domain import Domain
from streamweir_spark.clickstream_anomaly.reader import READER
from streamweir_spark.core import Received
from streamweir_spark.decode import decode
from streamweir_spark.shard import work
from tests.unit.core.clickstream import START, Result, event, message, run, run_apart
from tests.unit.core.naive_clickstream import Naive


def steady(
    minutes: int, *, skip: range = range(0), first: int = 0, start: int = START, each: int = 1
) -> list[Received]:
    """A message a minute with `each` page views of sessions of their own, none in the minutes of `skip`."""
    kept = [minute for minute in range(minutes) if minute not in skip]
    return [
        message(first + at, start + 60 * minute, views(each, f"{start}.{minute}"))
        for at, minute in enumerate(kept)
    ]


def views(count: int, name: str) -> list[dict[str, Any]]:
    return [event(f"{name}.{number}", session=f"{name}.{number}") for number in range(count)]


def ended(messages: list[Received], ts: int = START + 10**6) -> list[Received]:
    return [*messages, message(len(messages), ts, kind=Kind.FLUSH)]


def by_start(result: Result) -> dict[int, dict[str, Any]]:
    return {row["window_start"] - START: row for row in result.windows}


def test_an_event_counts_in_both_windows_that_hold_it_and_in_no_other() -> None:
    windows = by_start(run(ended([message(0, START, []), message(1, START + 299, [event("a")])])))
    assert {start: row["page_views"] for start, row in windows.items()} == {-300: 1, 0: 1}
    windows = by_start(run(ended([message(0, START + 300, [event("a")])])))
    assert set(windows) == {0, 300}


def test_a_session_counts_once_in_a_window_however_often_it_comes_and_whatever_it_does() -> None:
    kinds = ["search", "page_view", "purchase", "never heard of"]
    events = [event(str(at), session=name, kind=kinds[at % 4]) for at, name in enumerate("aabbbbcaa")]
    sent = [message(0, START + 1, events[:4]), message(1, START + 2, events[4:])]
    (first, second) = run(ended(sent)).windows
    assert first["active_sessions"] == second["active_sessions"] == 3
    assert first["page_views"] == 2


def test_events_count_as_the_run_says_and_their_sessions_anyhow() -> None:
    kinds = ["view", "view", "page_view", "cart", "cart", "purchase", "remove_from_cart"]
    events = [event(str(at), session=str(at), kind=kind) for at, kind in enumerate(kinds)]
    sent = ended([message(0, START, events)])
    as_said = run(sent, event_types="view:page_view,cart:checkout_start").windows[0]
    assert (as_said["page_views"], as_said["purchase_conversion_rate"]) == (3, 0.5)
    as_it_is = run(sent).windows[0]
    assert (as_it_is["page_views"], as_it_is["purchase_conversion_rate"]) == (1, None)
    assert as_said["active_sessions"] == as_it_is["active_sessions"] == len(kinds)
    other = run(sent, event_types="purchase:page_view,page_view:checkout_start").windows[0]
    assert (other["page_views"], other["purchase_conversion_rate"]) == (1, 0)


def test_rates_need_a_denominator() -> None:
    def rates(*kinds: str) -> tuple[Any, Any]:
        events = [event(str(at), kind=kind) for at, kind in enumerate(kinds)]
        row = run(ended([message(0, START, events)])).windows[0]
        return row["purchase_conversion_rate"], row["checkout_abandonment_rate"]

    assert rates("page_view", "purchase") == (None, None)
    assert rates("checkout_start", "checkout_start", "purchase") == (0.5, None)
    assert rates("checkout_complete", "checkout_complete") == (None, -1.0)
    assert rates(*["checkout_start"] * 3, *["checkout_complete"] * 2, "purchase") == (1 / 3, 0.5)


def test_a_mean_is_of_the_three_windows_before_and_of_no_fewer() -> None:
    windows = run(ended(steady(40))).windows
    views = [row["page_views"] for row in windows]
    assert [row["avg_page_views"] for row in windows[:3]] == [None] * 3
    assert [row["avg_page_views"] for row in windows[3:]] == [
        pytest.approx(sum(views[at - 3 : at]) / 3) for at in range(3, len(windows))
    ]


def test_a_full_outage_is_windows_with_zeros_that_raise_both_drops() -> None:
    windows = by_start(run(ended(steady(90, skip=range(30, 70)))))
    assert list(windows) == list(range(-300, 90 * 60, 300))
    dark = windows[30 * 60]
    assert (dark["page_views"], dark["active_sessions"]) == (0, 0)
    assert dark["purchase_conversion_rate"] is None
    assert dark["page_view_drop"]
    assert dark["session_drop"]
    assert dark["flagged"]
    assert dark["complete"]
    # When nothing is usual, nothing is less than usual.
    assert not windows[50 * 60]["page_view_drop"]


@pytest.mark.parametrize("flag", ["page_view_drop", "session_drop"])
@pytest.mark.parametrize(("threshold", "raised"), [(0.33, False), (0.35, True)])
def test_a_drop_is_less_than_its_share_of_the_mean(flag: str, threshold: float, raised: bool) -> None:
    few = [message(30 + at, START + 1800 + 60 * at, views(3, f"few{at}")) for at in range(10)]
    windows = by_start(run(ended([*steady(30, each=10), *few]), thresholds={flag: threshold}))
    before = [windows[start]["page_views"] for start in (900, 1200, 1500)]
    assert before == [100, 100, 65]
    low = windows[1800]
    assert low["page_views"] == low["active_sessions"] == 30
    assert low[flag] is raised


def test_conversion_and_abandonment_are_flagged_by_their_means() -> None:
    def minute(at: int, kinds: list[str]) -> Received:
        return message(at, START + 60 * at, [event(f"{at}.{n}", kind=kind) for n, kind in enumerate(kinds)])

    good = ["checkout_start", "checkout_start", "checkout_complete", "checkout_complete", "purchase"]
    bad = ["checkout_start"] * 4 + ["checkout_complete"]
    windows = by_start(run(ended([minute(at, good if at < 30 else bad) for at in range(70)])))
    assert not windows[1800]["low_conversion"]
    assert not windows[1800]["high_abandonment"]
    assert windows[1800]["purchase_conversion_rate"] == 0
    assert windows[1800]["checkout_abandonment_rate"] == 3
    assert windows[1800 + 300]["high_abandonment"]
    assert not windows[1800 + 300]["low_conversion"]
    assert windows[1800 + 600]["low_conversion"]


@pytest.mark.parametrize(("flag", "than"), [("low_conversion", 0.5), ("high_abandonment", 1.0)])
def test_a_mean_that_just_reaches_its_threshold_raises_no_flag(flag: str, than: float) -> None:
    kinds = ["checkout_start", "checkout_start", "checkout_complete", "purchase"]
    sent = [
        message(at, START + 60 * at, [event(f"{at}.{n}", kind=kind) for n, kind in enumerate(kinds)])
        for at in range(40)
    ]

    def raised(threshold: float) -> bool:
        return any(row[flag] for row in run(ended(sent), thresholds={flag: threshold}).windows)

    assert not raised(than)
    assert raised(than + 0.01) or raised(than - 0.01)


def test_thresholds_are_settings() -> None:
    messages = ended(steady(60, skip=range(30, 35)))
    patient = run(messages, thresholds={"session_drop": 0.1, "page_view_drop": 0.1})
    nervous = run(messages, thresholds={"session_drop": 0.1, "page_view_drop": 0.9})
    assert not any(row["flagged"] for row in patient.windows)
    assert any(row["page_view_drop"] for row in nervous.windows)


def test_the_windows_at_the_edges_are_not_complete() -> None:
    windows = by_start(run(ended(steady(31, start=START + 10))))
    complete = [start for start, row in windows.items() if row["complete"]]
    assert complete == [300, 600, 900, 1200]
    assert set(windows) - set(complete) == {-300, 0, 1500, 1800}


def test_a_window_that_begins_with_the_first_event_or_ends_with_the_last_is_complete() -> None:
    sent = [message(0, START, [event("a")]), message(1, START + 899, [event("b")])]
    complete = {start: row["complete"] for start, row in by_start(run(ended(sent))).items()}
    assert complete == {-300: False, 0: True, 300: True, 600: False}


def test_a_clock_may_start_at_nought() -> None:
    windows = run(ended([message(0, 0, [event("a")]), message(1, 400, [event("b")])])).windows
    assert [row["window_start"] for row in windows] == [-300, 0, 300]


def test_a_window_is_final_when_the_lateness_has_passed_and_not_before() -> None:
    sent = [message(0, START, [event("a")]), message(1, START + 1199, [event("b")])]
    assert run(sent).windows[-1]["window_end"] == START + 300
    sent.append(message(2, START + 1200, [event("c")]))
    assert run(sent).windows[-1]["window_end"] == START + 600
    assert run(sent, lateness_s=601).windows[-1]["window_end"] == START + 300


@pytest.mark.parametrize("lateness_s", [0, 600, 7200])
def test_a_flush_makes_every_window_final_whatever_the_lateness(lateness_s: int) -> None:
    windows = run(ended(steady(30), ts=START + 3600), lateness_s=lateness_s).windows
    assert [row["window_start"] - START for row in windows] == list(range(-300, 1800, 300))


def test_an_id_seen_within_the_lateness_is_a_duplicate_whatever_its_session() -> None:
    result = run(
        ended(
            [
                message(0, START, [event("a"), event("a", session="other"), event("b")]),
                message(1, START + 600, [event("a"), event("b", kind="purchase")]),
                message(2, START + 1201, [event("a")]),
            ]
        )
    )
    assert result.rejected() == [("a", "duplicate"), ("a", "duplicate"), ("b", "duplicate")]
    assert result.used() == 3
    assert all(row["active_sessions"] <= 1 for row in result.windows)


def test_ids_that_a_spreadsheet_wrote_are_the_ids_that_they_say() -> None:
    events = [event("7", session="1.0"), event("7.0", session="1"), event("8.0", "1"), event("8.5.0", "01.0")]
    late = message(3, START - 601, [event("11.0", session="3.0")])
    broken = message(1, START, [event("9.0", session="2.0") | {"timestamp": "soon"}, event("8", "2")])
    found = run(ended([message(0, START, events), broken, message(2, START, []), late]))
    assert found.rejected() == [
        ("7", "duplicate"),
        ("9", "malformed"),
        ("8", "duplicate"),
        ("11", "late"),
    ]
    assert {row["active_sessions"] for row in found.windows} == {2}
    raws = [one.raw for one in found.outputs if one.kind == "rejected"]
    assert [b'"session_id":"3.0"' in (raw or b"") for raw in raws] == [False, False, False, True]


def test_an_id_is_remembered_as_long_as_an_event_that_is_not_late_may_repeat_it() -> None:
    first = [message(0, START, [event("a")]), message(1, START + 1100, [event("b")])]
    result = run_apart([first, [message(2, START + 550, [event("a")])]])
    assert result.rejected() == [("a", "duplicate")]


def test_what_is_remembered_does_not_grow_with_what_was_seen() -> None:
    sizes, state = [], None
    sent = steady(24 * 60, each=3)
    for begin in range(0, len(sent), 120):
        parts = list(decode(sent[begin : begin + 120], 1, READER))
        state, _ = work(state, parts, Domain())
        sizes.append(len(state))
    assert len(sizes) == 12
    assert max(sizes[1:]) < 1.05 * sizes[1]


def test_a_late_message_counts_nowhere_and_does_not_hide_a_later_event() -> None:
    result = run(
        ended(
            [
                message(0, START + 700, [event("a")]),
                message(1, START + 99, [event("b"), event("c")]),
                message(2, START + 100, [event("d")]),
                message(3, START + 700, [event("b")]),
            ]
        )
    )
    assert result.rejected() == [("b", "late"), ("c", "late")]
    assert [row["page_views"] for row in result.windows] == [1, 1, 2, 2]


def test_a_flush_that_is_late_itself_ends_nothing() -> None:
    late = message(1, START - 700, kind=Kind.FLUSH)
    result = run([message(0, START, views(2, "a")), late, message(2, START + 1, views(3, "b"))])
    assert (result.used(), result.rejected()) == (5, [])


def test_no_window_is_made_between_two_replays_and_no_mean_reaches_over() -> None:
    second = START + 10**6 + 300 - (START + 10**6) % 300
    first = ended(steady(30))
    again = steady(30, first=len(first), start=second)
    result = run([*first, *again, message(len(first) + len(again), second + 10**6, kind=Kind.FLUSH)])
    starts = [row["window_start"] for row in result.windows]
    assert starts == [*range(START - 300, START + 1800, 300), *range(second - 300, second + 1800, 300)]
    assert [row["avg_page_views"] for row in result.windows[7:10]] == [None] * 3
    assert sum(row["complete"] for row in result.windows) == 8


def test_a_malformed_event_is_rejected_with_its_id_and_the_others_count() -> None:
    good = event("good")
    spoilt = [
        event("no time", timestamp="yesterday"),
        event("", kind="purchase"),
        {name: value for name, value in event("no session").items() if name != "session_id"},
        event("a number", page=7),
        "no object",
    ]
    sent = [message(0, START, [good, *spoilt[:4]]), message(1, START + 1, [event("x"), spoilt[4]])]
    result = run(ended(sent))
    reasons = [(one.id, one.reason, one.rows) for one in result.outputs if one.kind == "rejected"]
    assert reasons == [
        ("no time", "malformed", 1),
        ("", "malformed", 1),
        ("no session", "malformed", 1),
        ("a number", "malformed", 1),
        (None, "malformed", 2),
    ]
    assert result.used() == 1


def test_a_time_that_is_none_is_found_also_when_all_else_is_well() -> None:
    good, bad = event("good"), event("bad", timestamp="2024-03-01 25:00:00")
    result = run(ended([message(0, START, [good, bad])]))
    assert (result.used(), result.rejected()) == (1, [("bad", "malformed")])


def test_a_redriven_event_counts_where_it_belongs_while_its_windows_are_open() -> None:
    sent = steady(30)
    back = [event("back", ts=START + 1500), event("gone", ts=START + 10)]
    result = run(ended([*sent, message(30, START + 1800, back, Kind.REDRIVE)]))
    plain = run(ended(sent))
    assert result.rejected() == [("gone", "late")]
    more = [new["page_views"] - old["page_views"] for new, old in zip(result[0], plain[0], strict=True)]
    assert more == [0, 0, 0, 0, 0, 1, 1]


def test_a_redriven_event_of_a_replay_that_has_ended_makes_no_window_of_its_own() -> None:
    sent = ended(steady(30))
    again = message(len(sent), START + 10**6 + 1, [event("back", ts=START + 1790)], Kind.REDRIVE)
    result = run([*sent, again])
    assert result.rejected() == [("back", "late")]
    assert result.windows == run(sent).windows


KINDS = ("page_view", "page_view", "page_view", "search", "checkout_start", "checkout_complete", "purchase")
events = st.builds(
    event,
    st.sampled_from([str(number) for number in range(60)]),
    session=st.sampled_from("abcdef"),
    kind=st.sampled_from(KINDS),
)
steps = st.sampled_from([0, 1, 7, 60, 150, 299, 300, 301, 600, 601, 2500])
replays = st.lists(st.tuples(steps, st.lists(events, max_size=6), st.booleans()), min_size=1, max_size=25)


@settings(max_examples=150)
@given(
    st.lists(replays, min_size=1, max_size=3),
    st.sampled_from([0, 60, 600, 1500]),
    st.randoms(use_true_random=False),
)
def test_the_stream_equals_the_batch_however_it_is_read(
    streams: Any, lateness_s: int, random: Random
) -> None:
    naive, sent, clock = Naive(lateness_s), [], START + random.randrange(300)
    for replay in streams:
        for step, rows, delayed in replay:
            clock += step
            # A delayed batch has an earlier ts than its neighbours; sometimes too early.
            ts = max(clock - random.choice([1, 100, 700]), START) if delayed and sent else clock
            sent.append(message(len(sent), ts, rows))
            naive.message(ts, rows)
        clock += 2 * 600 + lateness_s
        sent.append(message(len(sent), clock, kind=Kind.FLUSH))
        naive.flush(clock)
        clock += 1 + random.randrange(5000)
    found = run_apart(apart(sent, random), lateness_s=lateness_s)
    assert found.windows == naive.windows()
    assert found.used() == naive.counts["used"]
    reasons = [reason for _, reason in found.rejected()]
    assert {reason: reasons.count(reason) for reason in ("late", "duplicate")} == {
        reason: naive.counts[reason] for reason in ("late", "duplicate")
    }


def apart(messages: list[Received], random: Random) -> list[list[Received]]:
    """The messages in micro-batches, each partition in its order, any partition first."""
    logs = [[one for one in messages if one.partition == at] for at in range(4)]
    found: list[list[Received]] = [[]]
    while any(logs):
        log = random.choice([log for log in logs if log])
        found[-1].append(log.pop(0))
        if random.random() < 0.3:
            found.append([])
    return found
