"""The windows: none missing, figures in their ranges, and means and flags that follow from them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from great_expectations.expectations.expectation import Expectation

from streamweir.contracts.clickstream_anomaly import (
    FLAGS,
    KPIS,
    MEANS,
    SLIDE_S,
    THRESHOLDS,
    WINDOW_S,
    WINDOWS,
    WINDOWS_BEFORE,
)
from streamweir_quality.checks import Subject, between, equal, present, unique, window_checks, with_windows
from streamweir_quality.inputs import Inputs

_START, _END = "window_start", "window_end"
_AGAIN = "again_{}"
Row = dict[str, Any]


def windows_subject(inputs: Inputs) -> Subject:
    """The table of windows, with everything that follows from the figures worked out again beside it."""
    expectations = (
        unique(_START),
        *(present(column) for column in (_START, _END, "page_views", "active_sessions")),
        *window_checks(WINDOW_S, SLIDE_S),
        between("page_views", 0, None, "page_views is not negative"),
        between("active_sessions", 0, None, "active_sessions is not negative"),
        between("purchase_conversion_rate", 0, None, "purchase_conversion_rate is not negative"),
        between("checkout_abandonment_rate", -1, None, "checkout_abandonment_rate is at least -1"),
        *(_follows(mean.name, f"{mean.name} is the mean of the three windows before") for mean in MEANS),
        *(_follows(flag.name, f"{flag.name} is raised exactly when {flag.meaning}") for flag in FLAGS),
        _follows("flagged", "flagged says whether one of the four flags is raised"),
        _follows("complete", "the first and the last window are not complete, and those inside are"),
    )
    return Subject(WINDOWS.name, WINDOWS.name, _frame(inputs), expectations)


def _follows(column: str, sentence: str) -> Expectation:
    return equal(column, _AGAIN.format(column), sentence)


def _frame(inputs: Inputs) -> pd.DataFrame:
    frame = inputs.frame(WINDOWS.name).sort_values(_START, ignore_index=True)
    thresholds = {name: inputs.parameters.get(name, value) for name, value in THRESHOLDS.items()}
    lines = frame.astype(object).where(frame.notna(), None).to_dict("records")
    again = pd.DataFrame(
        [
            {**means, **_flags(line, thresholds), "complete": _complete(place, lines)}
            for place, (line, means) in enumerate(zip(lines, _means(lines), strict=True))
        ],
        columns=[*(column.name for column in (*MEANS, *FLAGS)), "flagged", "complete"],
        dtype=object,
    )
    return with_windows(frame, SLIDE_S).join(again.rename(columns=_AGAIN.format))


def _complete(place: int, lines: Sequence[Row]) -> bool:
    """Each event lies in two windows: so the outermost are cut, and their neighbours may be."""
    from_edge = min(place, len(lines) - 1 - place)
    if from_edge == 1:
        return bool(lines[place]["complete"])
    return from_edge > 1


def _means(lines: Sequence[Row]) -> Iterator[Row]:
    """The means of each window, by the figures of the three lines before."""
    for place in range(len(lines)):
        before = lines[place - WINDOWS_BEFORE : place] if place >= WINDOWS_BEFORE else []
        yield {mean.name: _mean(before, kpi.name) for mean, kpi in zip(MEANS, KPIS, strict=True)}


def _mean(lines: Sequence[Row], kpi: str) -> float | None:
    known = [line[kpi] for line in lines if line[kpi] is not None]
    total = 0.0
    for value in known:
        total += value
    return total / len(known) if known else None


def _flags(line: Row, than: Mapping[str, float]) -> Row:
    views, sessions, conversion, abandonment = (line[mean.name] for mean in MEANS)
    flags = {
        "page_view_drop": views is not None and line["page_views"] < than["page_view_drop"] * views,
        "session_drop": sessions is not None and line["active_sessions"] < than["session_drop"] * sessions,
        "low_conversion": conversion is not None and conversion < than["low_conversion"],
        "high_abandonment": abandonment is not None and abandonment > than["high_abandonment"],
    }
    return {**flags, "flagged": any(flags.values())}
