"""The report of `clickstream_anomaly`: flagged windows, and what they say of the known incidents."""

from collections.abc import Sequence
from typing import Any

from streamweir.contracts.clickstream_anomaly import FLAGS, WINDOWS
from streamweir.reporting.clickstream_anomaly import plots
from streamweir.reporting.clickstream_anomaly.analysis import (
    Alarm,
    Known,
    Watched,
    alarms,
    by_flag,
    by_kind,
    results,
    watched,
)
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.pieces import Content, Fact, Finding, Plot, Row, Sample

_SHOWN = 12


def _judged(bundle: Bundle) -> tuple[list[Watched], list[Known], list[Alarm]]:
    """Windows, known incidents and alarms; empty when there are no windows."""
    frame = bundle.tables.get(WINDOWS.name)
    if frame is None or not frame.num_rows:
        return [], [], []
    windows, incidents = watched(frame.to_pylist()), plots.incidents_of(bundle, frame)
    return windows, incidents, list(alarms(windows, incidents))


def _incidents(bundle: Bundle) -> Sequence[Row]:
    windows, incidents, _ = _judged(bundle)
    return by_kind(list(results(windows, incidents)))


def _alarms(bundle: Bundle) -> Sequence[Row]:
    windows, incidents, found = _judged(bundle)
    # Without incidents to go by, nobody can tell which alarms are false.
    return by_flag(found, windows) if incidents else []


def _finding(bundle: Bundle) -> str:
    windows, incidents, found = _judged(bundle)
    if not windows:
        return "No window was put out."
    said = f"{_flagged_windows(bundle):,} of {len(windows):,} windows are flagged."
    if not incidents:
        return f"{said} The dataset tells of no incidents, so that nobody can say which alarms are false."
    told = [result for result in results(windows, incidents) if result.delay is not None]
    false = sum(not alarm.true for alarm in found)
    return (
        f"{said} {len(told):,} of {len(incidents):,} known incidents were found; "
        f"{false:,} of {len(found):,} alarms were false."
    )


def _facts(bundle: Bundle) -> Sequence[Fact]:
    windows, incidents, _ = _judged(bundle)
    if not windows:
        return []
    facts = [Fact("flagged windows", f"{_flagged_windows(bundle):,}", f"of {len(windows):,}")]
    if incidents:
        told = sum(row["found"] for row in _incidents(bundle))
        per_day = sum(row["per_day"] for row in _alarms(bundle))
        facts.append(Fact("incidents found", f"{told:,}", f"of {len(incidents):,}"))
        facts.append(Fact("false alarms", f"{per_day:.1f}", "a day"))
    return facts


def _flagged_windows(bundle: Bundle) -> int:
    """As the topic has them: also those that raise no alarm because the replay cuts them."""
    return sum(bundle.tables[WINDOWS.name]["flagged"].to_pylist())


def _flagged(bundle: Bundle) -> Sequence[Row]:
    rows: list[dict[str, Any]] = bundle.tables[WINDOWS.name].to_pylist()
    flagged = [row for row in rows if row["flagged"]]
    for row in flagged:
        row["raised"] = ", ".join(flag.name for flag in FLAGS if row[flag.name])
    return flagged[:_SHOWN]


CONTENT = Content(
    finding=_finding,
    facts=_facts,
    plots=(
        Plot(
            "kpis",
            "The site's health",
            "Windows of ten minutes every five, each with the mean of the three before it. A mark: the flag "
            "is raised. Shaded: known incidents.",
            plots.kpis,
        ),
        Plot(
            "page_views",
            "Page views",
            "Drawn live by a plain Kafka consumer while the replay ran, from the events topic alone.",
        ),
    ),
    samples=(
        Sample(
            WINDOWS.name,
            "Windows",
            "the first that are flagged",
            {
                "window_start": "from (UTC)",
                "page_views": "page views",
                "active_sessions": "sessions",
                "purchase_conversion_rate": "conversion",
                "checkout_abandonment_rate": "abandonment",
                "avg_page_views": "usual page views",
                "avg_active_sessions": "usual sessions",
                "raised": "flags",
                "complete": "complete",
            },
            _flagged,
        ),
    ),
    analysis=(
        Finding(
            "incidents",
            "Known incidents",
            "An incident is found when a flag of its kind is raised by a window that goes by it. Delay: how "
            "many windows, one every five minutes, after the first that meets the incident.",
            {
                "kind": "kind",
                "incidents": "incidents",
                "found": "found",
                "mean_delay": "mean delay, windows",
                "longest_delay": "longest delay, windows",
            },
            _incidents,
        ),
        Finding(
            "alarms",
            "Alarms",
            "Flagged windows in a row are one alarm. It is false when neither they nor the windows that "
            "their means are made of meet a known incident.",
            {"flag": "flag", "alarms": "alarms", "false": "false", "per_day": "false ones a day"},
            _alarms,
        ),
    ),
)
