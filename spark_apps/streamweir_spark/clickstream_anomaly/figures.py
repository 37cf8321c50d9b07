"""Each window against the three before it: rates, means, flags. Pure: sums go in, rows come out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamweir.contracts.clickstream_anomaly import SLIDE_S, THRESHOLDS, WINDOW_S, WINDOWS_BEFORE
from streamweir_spark.clickstream_anomaly.memory import Window

_MICROSECONDS = 1_000_000

Kpis = tuple[int, int, float | None, float | None]
"""A window's page views, active sessions, conversion and abandonment."""
Means = Sequence[float | None]
Totals = list[Any]
"""Start and figures of each of the latest windows, as JSON can hold them."""


class Figures:
    """The table of windows. thresholds: by flag, those that are not the default."""

    def __init__(self, thresholds: Mapping[str, float] | None = None) -> None:
        self._than = {**THRESHOLDS, **(thresholds or {})}

    def advance(
        self, totals: Totals | None, closed: Iterable[tuple[Any, ...]]
    ) -> tuple[Totals, list[tuple[object, ...]]]:
        """The next totals, and the rows of these windows in the table's columns.

        totals: of the windows before, None at the stream's start. closed: `Window`s as plain tuples, by
        start. Within a replay windows follow each other without a gap: what lies before a gap belongs to
        another replay and is forgotten. Window bounds are microseconds since the epoch, UTC.
        """
        before, rows = list(totals or []), []
        for window in map(Window._make, closed):
            if before and before[-1][0] != window.start - SLIDE_S:
                before = []
            kpis = kpis_of(window)
            rows.append(self._row(window, kpis, means_of([figures for _, figures in before])))
            before = [*before[1 - WINDOWS_BEFORE :], [window.start, list(kpis)]]
        return before, rows

    def _row(self, window: Window, kpis: Kpis, means: Means) -> tuple[object, ...]:
        bounds = (window.start * _MICROSECONDS, (window.start + WINDOW_S) * _MICROSECONDS)
        flags = self._flags(kpis, means)
        return (*bounds, *kpis, *means, *flags, any(flags), window.complete)

    def _flags(self, kpis: Kpis, means: Means) -> tuple[bool, bool, bool, bool]:
        page_views, sessions, *_ = kpis
        usual_views, usual_sessions, conversion, abandonment = means
        return (
            usual_views is not None and page_views < self._than["page_view_drop"] * usual_views,
            usual_sessions is not None and sessions < self._than["session_drop"] * usual_sessions,
            conversion is not None and conversion < self._than["low_conversion"],
            abandonment is not None and abandonment > self._than["high_abandonment"],
        )


def kpis_of(window: Window) -> Kpis:
    """A window's figures; a rate without a denominator is None."""
    return (
        window.page_views,
        window.active_sessions,
        _rate(window.purchases, window.checkout_starts),
        _rate(window.checkout_starts - window.checkout_completes, window.checkout_completes),
    )


def means_of(before: Sequence[Sequence[float | None]]) -> Means:
    """The mean of each figure over the windows before, Nones left out; None while they are too few."""
    if len(before) < WINDOWS_BEFORE:
        return (None,) * 4
    return [_mean(values) for values in zip(*before, strict=True)]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    total = 0.0
    # Plainly, the oldest first: how `sum` rounds depends on Python's version.
    for value in known:
        total += value
    return total / len(known) if known else None


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
