"""What visitors do: look around, and some of them go down the funnel to a purchase."""

from dataclasses import dataclass

import numpy as np

from streamweir.datagen.clickstream_anomaly.rhythm import Period, draw_starts
from streamweir.datagen.draws import Bools, Ints, chance, pick, spread

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
