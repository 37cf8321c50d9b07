"""Flags against known incidents, and the report of a run without a model."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streamweir.arrow import parquet, schema_of
from streamweir.contracts.clickstream_anomaly import FLAGS, KPIS, MEANS, PIPELINE, WINDOWS
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.ledger.values import Batches, Ledger, Lines
from streamweir.reporting import publish
from streamweir.reporting.clickstream_anomaly import analysis
from streamweir.reporting.clickstream_anomaly.analysis import Alarm, Known, Watched
from tests.support.memory_store import MemoryStore

START = 1_700_000_100
RUN = Run(Stream("clickstream_anomaly", "s"), "r")


def windows(raised: dict[int, str], count: int = 40) -> list[Watched]:
    """Windows in a row; by number the flags that some raise."""
    return [
        Watched(START + 300 * number, frozenset(filter(None, raised.get(number, "").split())))
        for number in range(count)
    ]


def incident(kind: str, first: int, last: int) -> Known:
    """One from the middle of a slide to that of another."""
    return Known(kind, START + 300 * first + 150, START + 300 * last + 150)


def test_the_delay_counts_from_the_first_window_that_meets_the_incident() -> None:
    known = [incident("outage", 10, 16)]
    (found,) = analysis.results(windows({11: "page_view_drop", 12: "session_drop"}), known)
    # Window 9 ends after the incident has begun.
    assert (found.flag, found.delay) == ("page_view_drop", 2)
    (found,) = analysis.results(windows({9: "session_drop"}), known)
    assert (found.flag, found.delay) == ("session_drop", 0)


@pytest.mark.parametrize(
    ("kind", "flag", "is_found"),
    [
        ("outage", "low_conversion", False),
        ("session_loss", "page_view_drop", False),
        ("session_loss", "session_drop", True),
        ("broken_checkout", "high_abandonment", True),
        ("broken_checkout", "session_drop", False),
        ("conversion_slump", "low_conversion", True),
        ("of my own", "high_abandonment", True),
    ],
)
def test_an_incident_is_found_by_the_flags_of_its_kind(kind: str, flag: str, is_found: bool) -> None:
    (found,) = analysis.results(windows({12: flag}), [incident(kind, 10, 16)])
    assert (found.delay is not None) is is_found


def test_a_flag_by_means_may_tell_of_an_incident_that_is_over_but_not_for_long() -> None:
    known = [incident("conversion_slump", 10, 16)]
    (found,) = analysis.results(windows({19: "low_conversion"}), known)
    assert found.delay == 10
    (found,) = analysis.results(windows({20: "low_conversion"}), known)
    assert found.delay is None


def test_flagged_windows_in_a_row_are_one_alarm_and_false_where_nothing_happened() -> None:
    seen = windows(
        {5: "session_drop", 6: "session_drop", 12: "session_drop page_view_drop", 39: "session_drop"}
    )
    found = list(analysis.alarms(seen, [incident("outage", 10, 16)]))
    assert found == [
        Alarm("page_view_drop", START + 3600, 1, True),
        Alarm("session_drop", START + 1500, 2, False),
        Alarm("session_drop", START + 3600, 1, True),
        Alarm("session_drop", START + 39 * 300, 1, False),
    ]
    rows = {row["flag"]: row for row in analysis.by_flag(found, windows({}, count=576))}
    assert rows["session_drop"] == {"flag": "session_drop", "alarms": 3, "false": 2, "per_day": 1.0}
    assert rows["low_conversion"] == {"flag": "low_conversion", "alarms": 0, "false": 0, "per_day": 0.0}


def test_incidents_are_summed_up_by_kind_and_those_outside_of_the_run_left_out() -> None:
    seen = windows({12: "session_drop", 22: "page_view_drop"})
    labels = [
        {"kind": kind, "start": START + 300 * first, "end": START + 300 * last}
        for kind, first, last in (
            ("outage", 10, 14),
            ("outage", 20, 24),
            ("outage", 30, 32),
            ("flood", 400, 401),
        )
    ]
    known = analysis.known(labels, seen)
    assert analysis.by_kind(list(analysis.results(seen, known))) == [
        {"kind": "outage", "incidents": 3, "found": 2, "mean_delay": 3, "longest_delay": 3}
    ]


def row(number: int, **values: Any) -> dict[str, Any]:
    """A window of the table that raises no flag."""
    start = datetime.fromtimestamp(START + 300 * number, UTC)
    end = datetime.fromtimestamp(START + 300 * number + 600, UTC)
    figures = {"page_views": 50, "active_sessions": 9, "purchase_conversion_rate": None, "complete": True}
    flags = dict.fromkeys([flag.name for flag in FLAGS], False)
    means = dict.fromkeys([mean.name for mean in MEANS], 10.0)
    bounds = {"window_start": start, "window_end": end, KPIS[3].name: 30.0}
    return {**bounds, **figures, **means, **flags, "flagged": False, **values}


def test_a_window_that_the_replay_cuts_off_raises_no_alarm() -> None:
    rows = [row(number, page_view_drop=True, complete=number > 0) for number in range(2)]
    assert [window.flags for window in analysis.watched(rows)] == [frozenset(), {"page_view_drop"}]


def put_run(store: MemoryStore, labels: list[dict[str, Any]]) -> None:
    """A bundle as far as the report needs it: there was never a model."""
    rows = [row(number) for number in range(30)]
    for number in (11, 12, 25):
        rows[number] |= {"page_view_drop": True, "flagged": True}
    rows[29] |= {"page_view_drop": True, "flagged": True, "complete": False}
    store.put(RUN.table_file(WINDOWS.name), parquet(pa.Table.from_pylist(rows, schema_of(WINDOWS))))
    store.put(RUN.table_file(REJECTED.name), parquet(schema_of(REJECTED).empty_table()))
    zero, nine = np.array([0]), np.array([9])
    lines = Lines("used", nine, nine, zero, nine, {}, zero)
    batches = Batches(zero, zero, np.array([START]), {"page_views": np.array([7])}, {"events": lines})
    none = dict.fromkeys(("foreign", "flush", "waiting", "dropped_by_watermark", "next_sequence"), 0)
    ledger = Ledger(RUN.id, RUN.stream.id, batches, {"events": lines.line()}, (), examples={}, **none)
    store.put_json(RUN.ledger, ledger.to_dict())
    manifest = {"start_ts": START, "rows": {"events": 9}, "seconds": 1.0, "batches": 1}
    store.put_json(RUN.manifest, manifest | {"resumed_at_sequence": None, "labels": labels})
    store.put_json(RUN.quality / "results.json", [])


def test_the_report_of_a_run_without_a_model_says_what_was_found() -> None:
    store = MemoryStore()
    put_run(store, [{"kind": "<outage>", "start": START + 3000, "end": START + 4500}])
    verdict = publish(RUN, store)
    summary, page = store.get_json(RUN.summary), (store.get(RUN.report) or b"").decode()
    assert verdict.outcome == "success"
    assert summary["model"] is None
    assert summary["analysis"]["incidents"] == [
        {"kind": "<outage>", "incidents": 1, "found": 1, "mean_delay": 2, "longest_delay": 2}
    ]
    assert summary["analysis"]["alarms"][0] == {
        "flag": "page_view_drop",
        "alarms": 2,
        "false": 1,
        "per_day": 9.6,
    }
    assert "4 of 30 windows are flagged." in page
    assert "1 of 1 known incidents were found; 1 of 2 alarms were false." in page
    assert '<section id="analysis">' in page
    assert "&lt;outage&gt;" in page
    assert "<outage>" not in page
    assert '<section id="model">' not in page
    assert PIPELINE.title in page


def test_without_known_incidents_the_report_says_what_it_cannot_know() -> None:
    store = MemoryStore()
    put_run(store, [])
    publish(RUN, store)
    page = (store.get(RUN.report) or b"").decode()
    assert "nobody can say which alarms are false" in page
    assert '<section id="analysis">' not in page
    assert store.exists(RUN.plot("kpis"))
