"""Sessions and their browsing rows."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamweir.datagen.draws import Bools, Ints, chance, deal, pick, spread
from streamweir.datagen.ecommerce_fraud import words
from streamweir.datagen.ecommerce_fraud.behaviour import BEHAVIOURS, Behaviour
from streamweir.datagen.ecommerce_fraud.shop import Customers

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ROWS_PER_DAY = 5_000
_SESSION_ZONE_MS = 11 * HOUR_MS  # the shop's clock is ahead of UTC by this much
_TOGETHER_MS = 20 * 60_000
_SPARE = 1.04  # more sessions than needed: what lies after the last wanted row is cut off
_NEW_SHARE = 0.2
_CHECKS_OUT = 0.8
_APP_SHARE = 0.8
_RETURNS = 0.3
_RETURN_MS = (60_000, 20 * 60_000, HOUR_MS, 5 * HOUR_MS, DAY_MS, 2 * DAY_MS, 9 * DAY_MS)


@dataclass(frozen=True)
class Period:
    """A stretch of the shop's life: its first moment (ms), its rows, the share of lingering sessions."""

    start: int
    rows: int
    lingering: float

    @property
    def days(self) -> int:
        """How many days the rows are spread over."""
        return max(1, round(self.rows / ROWS_PER_DAY))


@dataclass(frozen=True)
class Visits:
    """Sessions as columns, and browsing rows as columns.

    `kind` indexes BEHAVIOURS, `customer` the customers; a row's `session` indexes the sessions, `event` the
    event types; times are milliseconds since the epoch.
    """

    kind: Ints
    customer: Ints
    start: Ints
    end: Ints
    app: Ints
    device: Ints
    session: Ints
    event: Ints
    time: Ints


def per_kind(kind: Ints, draw: Callable[[Behaviour, int], np.ndarray]) -> np.ndarray:
    """One value per element of `kind`, drawn as that element's behaviour says."""
    values = np.zeros(len(kind), dtype=np.float64)
    for index, behaviour in enumerate(BEHAVIOURS):
        mine = kind == index
        values[mine] = draw(behaviour, int(np.count_nonzero(mine)))
    return values


def draw_visits(rng: np.random.Generator, period: Period, customers: Customers) -> Visits:
    """Sessions with at least `period.rows` browsing rows."""
    kind, party = _parties(rng, period.rows)
    parties = int(party[-1]) + 1
    first = np.searchsorted(party, np.arange(parties))
    customer = _customers(rng, kind[first], customers)[party]
    start = _starts(rng, kind[first], period)[party] + (party == np.roll(party, 1)) * rng.integers(
        _TOGETHER_MS, size=len(kind)
    )
    sizes = per_kind(kind, lambda behaviour, size: np.rint(spread(rng, behaviour.rows, size))).astype(
        np.int64
    )
    session = np.repeat(np.arange(len(kind)), sizes)
    time = _times(rng, kind, session, start, period.lingering)
    app = chance(rng, _APP_SHARE, len(kind)).astype(np.int64)
    return Visits(
        kind=kind,
        customer=customer,
        start=start,
        end=_ends(start, sizes, time),
        app=app,
        device=rng.integers(6, size=len(kind)),
        session=session,
        event=_events(rng, kind, session, sizes),
        time=time,
    )


def _parties(rng: np.random.Generator, rows: int) -> tuple[Ints, Ints]:
    """The kind of each session, and which sessions belong together (dense numbers)."""
    together = np.array([behaviour.together for behaviour in BEHAVIOURS])
    weights = np.array([behaviour.share for behaviour in BEHAVIOURS]) / together
    mean_rows = np.array([_mean(behaviour.rows) for behaviour in BEHAVIOURS]) * together
    rows_per_party = float((weights * mean_rows).sum() / weights.sum())
    kinds = deal(rng, weights, int(rows / rows_per_party * _SPARE) + 100)
    sizes = together[kinds]
    return np.repeat(kinds, sizes), np.repeat(np.arange(len(kinds)), sizes)


def _mean(quantiles: tuple[float, ...]) -> float:
    middles = [(low + high) / 2 for low, high in itertools.pairwise(quantiles)]
    return sum(middles) / len(middles)


def _customers(rng: np.random.Generator, kind: Ints, customers: Customers) -> Ints:
    newest = np.argsort(customers.join_day, kind="stable")[-int(_NEW_SHARE * len(customers.ids)) :]
    anyone = pick(rng, customers.activity, len(kind))
    joined_lately = newest[rng.integers(len(newest), size=len(kind))]
    lately = per_kind(kind, lambda behaviour, size: chance(rng, behaviour.new_account, size)) > 0
    return np.where(lately, joined_lately, anyone)


def _starts(rng: np.random.Generator, kind: Ints, period: Period) -> Ints:
    day = rng.integers(period.days, size=len(kind))
    hour = per_kind(kind, lambda behaviour, size: pick(rng, behaviour.hours, size)).astype(np.int64)
    of_day = (hour * HOUR_MS + rng.integers(HOUR_MS, size=len(kind)) - _SESSION_ZONE_MS) % DAY_MS
    return period.start + day * DAY_MS + of_day


def _times(rng: np.random.Generator, kind: Ints, session: Ints, start: Ints, lingering: float) -> Ints:
    gap = (
        per_kind(kind[session], lambda behaviour, size: spread(rng, behaviour.gap_s, size)) * 1_000
    ).astype(np.int64)
    lingers = chance(rng, lingering, len(kind))[session] & chance(rng, _RETURNS, len(session))
    gap += lingers * spread(rng, _RETURN_MS, len(session)).astype(np.int64)
    opens = _opens(session)
    gap[opens] = 0
    walked = np.cumsum(gap)
    return (
        start[session]
        + walked
        - np.repeat(walked[opens], np.diff(np.append(np.flatnonzero(opens), len(session))))
    )


def _opens(session: Ints) -> Bools:
    """Which rows are the first of their session."""
    return np.append(True, session[1:] != session[:-1]) if len(session) else np.zeros(0, dtype=np.bool_)


def _ends(start: Ints, sizes: Ints, time: Ints) -> Ints:
    """The time of each session's last row, or its start when it has none."""
    last = np.cumsum(sizes) - 1
    return np.where(sizes > 0, time[np.maximum(last, 0)], start)


def _events(rng: np.random.Generator, kind: Ints, session: Ints, sizes: Ints) -> Ints:
    event = per_kind(kind[session], lambda behaviour, size: pick(rng, behaviour.events, size)).astype(
        np.int64
    )
    buys = np.array([len(behaviour.purchases) > 1 for behaviour in BEHAVIOURS])[kind]
    checks_out = buys & (sizes > 1) & chance(rng, _CHECKS_OUT, len(kind))
    last = (np.cumsum(sizes) - 1)[checks_out]
    event[last] = words.CHECK_OUT
    event[last - 1] = words.ADD_TO_CART
    return event
