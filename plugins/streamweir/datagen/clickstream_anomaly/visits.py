"""What visitors do: look around, and some of them go down the funnel to a purchase."""

from dataclasses import dataclass

import numpy as np

from streamweir.datagen.draws import Bools, Floats, Ints, chance, pick, spread

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
TYPES = (
    "page_view",
    "product_view",
    "search",
    "add_to_cart",
    "checkout_start",
    "checkout_complete",
    "purchase",
)
PAGE_VIEW, PRODUCT_VIEW, SEARCH, ADD_TO_CART, CHECKOUT_START, CHECKOUT_COMPLETE, PURCHASE = range(len(TYPES))
_LOOKS = (1, 2, 4, 7, 10, 20)
_GAP_S = (1, 6, 14, 28, 60, 240)
_LOOKING = (64, 28, 8)
_FUNNEL = (0.42, 0.72, 0.87, 0.92)
"""Of the visits: with a cart; of these: to the checkout; of these: completed; of these: purchased."""


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


@dataclass(frozen=True)
class Visits:
    """Events as columns: the visit they belong to (dense numbers), type (index of TYPES), time (ms).

    session: the session as the site sees it; another number than the visit's where its cookie is broken.
    """

    visit: Ints
    session: Ints
    type: Ints
    time: Ints

    def only(self, kept: Ints | Bools) -> "Visits":
        """Some of the events, by a mask or by indexes in the wanted order."""
        return Visits(self.visit[kept], self.session[kept], self.type[kept], self.time[kept])


def draw_visits(rng: np.random.Generator, period: Period) -> Visits:
    """All events of the period, by time."""
    start = draw_starts(rng, period, _events_per_visit())
    looks = np.rint(spread(rng, _LOOKS, len(start))).astype(np.int64)
    steps = _steps(rng, len(start))
    sizes = looks + steps
    visit = np.repeat(np.arange(len(start)), sizes)
    place = np.arange(len(visit)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    looking = np.where(place == 0, PAGE_VIEW, pick(rng, _LOOKING, len(visit)))
    kind = np.where(place < looks[visit], looking, ADD_TO_CART + place - looks[visit])
    time = start[visit] + _walked(rng, place, sizes)
    found = Visits(visit, visit, kind, time).only(np.argsort(time, kind="stable"))
    return found.only((found.time >= period.start) & (found.time < period.end))


def _events_per_visit() -> float:
    looks = sum(_LOOKS[:-1]) / 2 + sum(_LOOKS[1:]) / 2
    return looks / (len(_LOOKS) - 1) + float(np.cumprod(_FUNNEL).sum())


def _steps(rng: np.random.Generator, visits: int) -> Ints:
    """How far down the funnel each visit goes."""
    steps = np.zeros(visits, dtype=np.int64)
    for step, share in enumerate(_FUNNEL):
        steps += (steps == step) & chance(rng, share, visits)
    return steps


def _walked(rng: np.random.Generator, place: Ints, sizes: Ints) -> Ints:
    """Milliseconds from the visit's start to each event."""
    gap = (spread(rng, _GAP_S, len(place)) * 1_000).astype(np.int64)
    gap[place == 0] = 0
    walked: Ints = np.cumsum(gap)
    return walked - np.repeat(walked[place == 0], sizes)
