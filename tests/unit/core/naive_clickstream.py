"""The windows of a clickstream as the specification reads, by counting everything anew for each window.

Shares no code with the scorer. It sees one message after the other, in the order of sending.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

LENGTH, SLIDE, LATENESS = 600, 300, 600
KPIS = ("page_views", "active_sessions", "purchase_conversion_rate", "checkout_abandonment_rate")


@dataclass
class Naive:
    """What became of a stream's events: windows by replay, and counts by reason."""

    lateness_s: int = LATENESS
    largest: int | None = None
    seen: dict[str, int] = field(default_factory=dict)
    replays: list[list[tuple[int, str, str]]] = field(default_factory=lambda: [[]])
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def message(self, ts: int, events: list[dict[str, Any]]) -> None:
        """A batch of well-formed events."""
        late = self.largest is not None and self.largest - ts > self.lateness_s
        for event in events:
            before = self.seen.get(event["event_id"])
            if late:
                self.counts["late"] += 1
                continue
            self.seen[event["event_id"]] = ts
            if before is not None and abs(ts - before) <= self.lateness_s:
                self.counts["duplicate"] += 1
                continue
            self.counts["used"] += 1
            self.replays[-1].append((ts, event["session_id"], event["event_type"]))
        self.largest = ts if self.largest is None else max(ts, self.largest)

    def flush(self, ts: int) -> None:
        """The end of a replay."""
        self.largest = ts
        self.replays.append([])

    def windows(self) -> list[dict[str, Any]]:
        """Every window of every replay."""
        return [window for events in self.replays if events for window in _windows(events)]


def _windows(events: list[tuple[int, str, str]]) -> list[dict[str, Any]]:
    first, last = min(ts for ts, *_ in events), max(ts for ts, *_ in events)
    found: list[dict[str, Any]] = []
    for start in range(first // SLIDE * SLIDE - SLIDE, last + 1, SLIDE):
        window = _window(start, [event for event in events if start <= event[0] < start + LENGTH])
        window["complete"] = first <= start and start + LENGTH <= last + 1
        three = found[-3:] if len(found) >= 3 else []
        for kpi in KPIS:
            known = [one[kpi] for one in three if one[kpi] is not None]
            # Added one by one: from Python 3.12 on `sum` rounds the last digit of floats otherwise.
            window[f"avg_{kpi}"] = reduce(add, known) / len(known) if known else None
        found.append(window | _flags(window))
    return found


def _window(start: int, events: list[tuple[int, str, str]]) -> dict[str, Any]:
    def count(kind: str) -> int:
        return sum(event[2] == kind for event in events)

    starts, completes = count("checkout_start"), count("checkout_complete")
    return {
        "window_start": start,
        "window_end": start + LENGTH,
        "page_views": count("page_view"),
        "active_sessions": len({event[1] for event in events}),
        "purchase_conversion_rate": count("purchase") / starts if starts else None,
        "checkout_abandonment_rate": (starts - completes) / completes if completes else None,
    }


def _flags(window: dict[str, Any]) -> dict[str, bool]:
    views, sessions, conversion, abandonment = (window[f"avg_{kpi}"] for kpi in KPIS)
    flags = {
        "page_view_drop": views is not None and window["page_views"] < 0.5 * views,
        "session_drop": sessions is not None and window["active_sessions"] < 0.4 * sessions,
        "low_conversion": conversion is not None and conversion < 0.1,
        "high_abandonment": abandonment is not None and abandonment > 0.8,
    }
    return flags | {"flagged": any(flags.values())}
