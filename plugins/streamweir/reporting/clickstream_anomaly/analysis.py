"""Flags against the known incidents: which were found, how fast, and how many alarms were false.

Pure. An alarm is a stretch of windows, one after the other, with the same flag raised; a window that the
replay cuts off raises none. What a flag goes by are the window and the three before it: an alarm is true when
one of these meets an incident.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from streamweir.contracts.clickstream_anomaly import (
    FLAGS,
    FLAGS_OF,
    SLIDE_S,
    WINDOW_S,
    WINDOWS_BEFORE,
)

FLAG_NAMES = tuple(flag.name for flag in FLAGS)
_FLAGS_OF = {kind.value: flags for kind, flags in FLAGS_OF.items()}
_DAY_S = 24 * 60 * 60


@dataclass(frozen=True)
class Watched:
    """A window as the analysis sees it: start in Unix seconds, and the flags that it raises."""

    start: int
    flags: frozenset[str]

    def meets(self, incident: "Known") -> bool:
        """Whether it holds a moment of the incident."""
        return self.start < incident.end and self.start + WINDOW_S > incident.start

    def goes_by(self, incident: "Known") -> bool:
        """Whether it, or a window that its means are made of, does."""
        first = self.start - WINDOWS_BEFORE * SLIDE_S
        return first < incident.end and self.start + WINDOW_S > incident.start


@dataclass(frozen=True)
class Known:
    """A known incident, in Unix seconds of the run's virtual clock; the end is excluded."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Result:
    """What became of an incident. delay: windows from its first one to the first that tells of it, or None.

    flag: the one that told.
    """

    incident: Known
    flag: str | None
    delay: int | None


@dataclass(frozen=True)
class Alarm:
    """Windows in a row with the same flag. true: whether it tells of an incident."""

    flag: str
    start: int
    windows: int
    true: bool


def watched(rows: Iterable[Mapping[str, Any]]) -> list[Watched]:
    """The windows of the table, by start."""
    found = [
        Watched(
            int(row["window_start"].timestamp()),
            frozenset(name for name in FLAG_NAMES if row["complete"] and row[name]),
        )
        for row in rows
    ]
    return sorted(found, key=lambda window: window.start)


def known(labels: Iterable[Mapping[str, Any]], windows: Sequence[Watched]) -> list[Known]:
    """The incidents of a run's manifest, those that its windows meet."""
    incidents = [Known(label["kind"], label["start"], label["end"]) for label in labels]
    return [each for each in incidents if windows and _meets_all(windows, each)]


def results(windows: Sequence[Watched], incidents: Iterable[Known]) -> Iterator[Result]:
    """What became of each incident."""
    for incident in incidents:
        wanted = _FLAGS_OF.get(incident.kind, FLAG_NAMES)
        first = next(number for number, window in enumerate(windows) if window.meets(incident))
        told = (
            (flag, number)
            for number, window in enumerate(windows[first:])
            for flag in wanted
            if flag in window.flags and window.goes_by(incident)
        )
        yield Result(incident, *next(told, (None, None)))


def alarms(windows: Sequence[Watched], incidents: Sequence[Known]) -> Iterator[Alarm]:
    """Every alarm, flag by flag."""
    for flag in FLAG_NAMES:
        stretch: list[Watched] = []
        for window in (*windows, None):
            if window is not None and flag in window.flags:
                stretch.append(window)
            elif stretch:
                true = any(one.goes_by(incident) for one in stretch for incident in incidents)
                yield Alarm(flag, stretch[0].start, len(stretch), true)
                stretch = []


def by_kind(found: Sequence[Result]) -> list[dict[str, Any]]:
    """A row per kind of incident: how many there were, how many were found, and how fast."""
    rows = []
    for kind in dict.fromkeys(result.incident.kind for result in found):
        mine = [result for result in found if result.incident.kind == kind]
        delays = [result.delay for result in mine if result.delay is not None]
        rows.append(
            {
                "kind": kind,
                "incidents": len(mine),
                "found": len(delays),
                "mean_delay": round(mean(delays), 2) if delays else None,
                "longest_delay": max(delays, default=None),
            }
        )
    return rows


def by_flag(found: Sequence[Alarm], windows: Sequence[Watched]) -> list[dict[str, Any]]:
    """A row per flag: its alarms, the false ones, and how many of these there are in a day."""
    days = len(windows) * SLIDE_S / _DAY_S
    rows = []
    for flag in FLAG_NAMES:
        mine = [alarm for alarm in found if alarm.flag == flag]
        false = sum(not alarm.true for alarm in mine)
        rows.append({"flag": flag, "alarms": len(mine), "false": false, "per_day": round(false / days, 3)})
    return rows


def _meets_all(windows: Sequence[Watched], incident: Known) -> bool:
    return windows[0].start < incident.end and windows[-1].start + WINDOW_S > incident.start
