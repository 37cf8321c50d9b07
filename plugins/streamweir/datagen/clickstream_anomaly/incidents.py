"""What goes wrong at the site, and what it does to the events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from streamweir.contracts.clickstream_anomaly.dataset import Incident
from streamweir.datagen.clickstream_anomaly import visits as types
from streamweir.datagen.clickstream_anomaly.visits import HOUR_MS, MINUTE_MS, SECOND_MS, Period, Visits
from streamweir.datagen.draws import Bools

EVERY_MS = 6 * HOUR_MS
_QUIET_MS = 90 * MINUTE_MS  # at either end of such a stretch
_BROKEN_SESSIONS = 4


@dataclass(frozen=True)
class Ranges:
    """How long an incident lasts, in minutes, and which share of the visits it strikes."""

    minutes: tuple[int, int]
    strength: tuple[float, float]


RANGES = {
    Incident.OUTAGE: Ranges((20, 45), (1, 1)),
    Incident.TRAFFIC_LOSS: Ranges((30, 75), (0.65, 0.9)),
    Incident.SESSION_LOSS: Ranges((30, 75), (0.8, 0.97)),
    Incident.BROKEN_CHECKOUT: Ranges((45, 90), (0.8, 0.97)),
    Incident.CONVERSION_SLUMP: Ranges((60, 120), (0.92, 0.99)),
}


@dataclass(frozen=True)
class Drawn:
    """An incident: kind, first moment and first moment after it (ms), share of the visits that it strikes."""

    kind: Incident
    start: int
    end: int
    strength: float


def draw_incidents(rng: np.random.Generator, period: Period) -> list[Drawn]:
    """One in each six hours, far enough from the next; every kind before one comes again."""
    found: list[Drawn] = []
    kinds: list[Incident] = []
    for begin in range(period.start, period.end - EVERY_MS + 1, EVERY_MS):
        kinds = kinds or [list(Incident)[place] for place in rng.permutation(len(Incident)).tolist()]
        found.append(_draw(rng, kinds.pop(), begin))
    return found


def struck(rng: np.random.Generator, visits: Visits, incidents: Iterable[Drawn]) -> Visits:
    """The events that are left."""
    luck = rng.random(int(visits.visit.max(initial=0)) + 1)[visits.visit]
    kept = np.ones(len(visits.time), dtype=np.bool_)
    session = visits.session.copy()
    for number, incident in enumerate(incidents):
        inside = (visits.time >= incident.start) & (visits.time < incident.end) & (luck < incident.strength)
        if incident.kind is Incident.SESSION_LOSS:
            # One cookie for many: the site takes all of them for a few.
            session[inside] = -1 - _BROKEN_SESSIONS * number - visits.visit[inside] % _BROKEN_SESSIONS
        else:
            kept &= ~(inside & _LOST[incident.kind](visits))
    return replace(visits, session=session).only(kept)


def _draw(rng: np.random.Generator, kind: Incident, begin: int) -> Drawn:
    ranges = RANGES[kind]
    length = int(rng.integers(*ranges.minutes)) * MINUTE_MS + int(rng.integers(60)) * SECOND_MS
    spare = EVERY_MS - 2 * _QUIET_MS - length
    start = begin + _QUIET_MS + int(rng.integers(spare // SECOND_MS)) * SECOND_MS
    low, high = ranges.strength
    return Drawn(kind, start, start + length, low + rng.random() * (high - low))


def _all(visits: Visits) -> Bools:
    return np.ones(len(visits.type), dtype=np.bool_)


_LOST: dict[Incident, Callable[[Visits], Bools]] = {
    Incident.OUTAGE: _all,
    Incident.TRAFFIC_LOSS: _all,
    Incident.BROKEN_CHECKOUT: lambda visits: visits.type >= types.CHECKOUT_COMPLETE,
    Incident.CONVERSION_SLUMP: lambda visits: visits.type == types.PURCHASE,
}
"""Which events of a struck visit do not happen."""
