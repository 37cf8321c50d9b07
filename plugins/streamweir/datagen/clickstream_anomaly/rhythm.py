"""When visitors come: by hour and weekday, with slow noise and an occasional rush."""

from dataclasses import dataclass

import numpy as np

from streamweir.datagen.draws import Floats, Ints

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_HOURS = (6, 5, 4.5, 4, 4, 4.5, 6, 8, 10, 11, 11.5, 12, 12, 11.5, 11, 11, 11.5, 12, 13, 14, 14, 12.5, 10, 8)
_WEEKDAYS = (1.0, 0.98, 1.0, 1.02, 1.05, 0.85, 0.9)
"""Monday first."""
_NOISE = 0.12
_RUSH_EVERY_MS = 36 * HOUR_MS
_RUSH_MS = (8 * MINUTE_MS, 20 * MINUTE_MS)
_RUSH_TIMES = (2.5, 4.0)
_BEFORE_MS = 30 * MINUTE_MS  # visits that are under way when the period begins
_MONDAY = 4 * DAY_MS  # the epoch's first one


@dataclass(frozen=True)
class Period:
    """A stretch of the site's life: its first moment (ms), its length, the mean of events in a second."""

    start: int
    seconds: int
    events_per_second: float

    @property
    def length(self) -> int:
        """Milliseconds."""
        return self.seconds * SECOND_MS

    @property
    def end(self) -> int:
        """The first moment after it, ms."""
        return self.start + self.length


def draw_starts(rng: np.random.Generator, period: Period, events_per_visit: float) -> Ints:
    """When each visit begins, ms, in order; some a little before the period."""
    minutes = np.arange(period.start - _BEFORE_MS, period.end + MINUTE_MS, MINUTE_MS)
    rate = _usual(minutes) * _noise(rng, minutes) * _rushes(rng, minutes)
    edges = np.append(0.0, np.cumsum(rate)) * (period.events_per_second * 60 / events_per_visit)
    drawn = np.sort(rng.random(round(edges[-1]))) * edges[-1]
    return np.interp(drawn, edges, np.append(minutes, minutes[-1] + MINUTE_MS)).astype(np.int64)


def _usual(moments: Ints) -> Floats:
    """The share of an average minute, by hour and weekday."""
    hours, days = np.array(_HOURS) / np.mean(_HOURS), np.array(_WEEKDAYS) / np.mean(_WEEKDAYS)
    of_day = np.interp(moments % DAY_MS / HOUR_MS, np.arange(25) + 0.0, np.append(hours, hours[0]))
    found: Floats = of_day * days[(moments - _MONDAY) // DAY_MS % 7]
    return found


def _noise(rng: np.random.Generator, moments: Ints) -> Floats:
    knots = np.arange(moments[0], moments[-1] + 2 * HOUR_MS, HOUR_MS)
    heights = 1 + _NOISE * (2 * rng.random(len(knots)) - 1)
    return np.interp(moments, knots, heights)


def _rushes(rng: np.random.Generator, moments: Ints) -> Floats:
    """A newsletter, a mention on television: many at once, and then no more."""
    factor = np.ones(len(moments))
    for begin in range(int(moments[0]), int(moments[-1]), _RUSH_EVERY_MS):
        start = begin + int(rng.integers(_RUSH_EVERY_MS))
        length, times = rng.integers(*_RUSH_MS), _RUSH_TIMES[0] + rng.random() * np.ptp(_RUSH_TIMES)
        factor[(moments >= start) & (moments < start + length)] *= times
    return factor
