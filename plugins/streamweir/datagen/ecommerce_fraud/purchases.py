"""Transactions: what was bought in which session, how it was paid, where it goes, whether it was fraud."""

from dataclasses import dataclass

import numpy as np

from streamweir.datagen.draws import Bools, Ints, chance, pick, spread, uuids
from streamweir.datagen.ecommerce_fraud import words
from streamweir.datagen.ecommerce_fraud.behaviour import BEHAVIOURS, FALSE_ALARMS, FRAUD_MISSED
from streamweir.datagen.ecommerce_fraud.shop import Customers, Products
from streamweir.datagen.ecommerce_fraud.visits import Period, Visits, draw_visits, per_kind

_BEFORE_THE_END = 0.2
_THINKS_S = (2, 8, 15, 30, 60, 240)
_NEXT_PURCHASE_S = (20, 60, 120, 200, 400)
_PROMO_PERCENT = (3, 6, 9, 12, 20)
_SAME_PAYMENT = 0.8
_UNCLEARED_WHEN_FAILED = 0.05
HOME, ELSEWHERE, REMOTE = range(3)
_FEES = (
    (0, 5_000, 10_000, 15_000, 20_000),
    (5_000, 10_000, 25_000, 50_000),
    (10_000, 25_000, 50_000, 75_000),
)
_TAIL_MS = 10 * 60_000


@dataclass(frozen=True)
class Purchases:
    """Transactions as columns; `session` indexes the sessions, places are millionths of a degree.

    `lines` are the products in order of transaction: `line_of` says whose, `product` indexes the products.
    """

    session: Ints
    created: Ints
    payment: Ints
    succeeded: Bools
    cleared: Bools
    promo: Ints
    promo_code: Ints
    fee: Ints
    lat: Ints
    long: Ints
    total: Ints
    line_of: Ints
    product: Ints
    quantity: Ints
    fraud: Bools
    labelled_fraud: Bools


def draw_purchases(
    rng: np.random.Generator, visits: Visits, customers: Customers, products: Products
) -> Purchases:
    """The transactions of all sessions, in the order of the sessions."""
    counts = per_kind(visits.kind, lambda behaviour, size: pick(rng, behaviour.purchases, size)).astype(
        np.int64
    )
    session = np.repeat(np.arange(len(visits.kind)), counts)
    kind = visits.kind[session]
    line_of, product, quantity = _lines(rng, kind, products)
    subtotal = np.bincount(line_of, products.price[product] * quantity, len(session)).astype(np.int64)
    promo, promo_code = _promo(rng, kind, subtotal)
    fee, lat, long = _shipment(rng, kind, visits.customer[session], customers)
    failed = per_kind(kind, lambda behaviour, size: chance(rng, behaviour.fails, size)) > 0
    fraud = np.array([behaviour.fraud for behaviour in BEHAVIOURS])[kind]
    return Purchases(
        session=session,
        created=_created(rng, visits, session),
        payment=_payments(rng, kind, session),
        succeeded=~failed,
        cleared=_cleared(rng, kind, failed),
        promo=promo,
        promo_code=promo_code,
        fee=fee,
        lat=lat,
        long=long,
        total=subtotal + fee - promo,
        line_of=line_of,
        product=product,
        quantity=quantity,
        fraud=fraud,
        labelled_fraud=_labels(rng, fraud),
    )


def _rank(session: Ints) -> Ints:
    """0 for the first transaction of a session, 1 for its second, and so on."""
    return np.arange(len(session)) - np.searchsorted(session, session)


def _created(rng: np.random.Generator, visits: Visits, session: Ints) -> Ints:
    share = np.where(chance(rng, _BEFORE_THE_END, len(visits.kind)), rng.random(len(visits.kind)), 1.0)
    anchor = visits.start + ((visits.end - visits.start) * share).astype(np.int64)
    waits = spread(rng, _THINKS_S, len(session)) + _rank(session) * spread(
        rng, _NEXT_PURCHASE_S, len(session)
    )
    return anchor[session] + (waits * 1_000).astype(np.int64)


def _lines(rng: np.random.Generator, kind: Ints, products: Products) -> tuple[Ints, Ints, Ints]:
    counts = per_kind(kind, lambda behaviour, size: pick(rng, behaviour.lines, size)).astype(np.int64)
    line_of = np.repeat(np.arange(len(kind)), counts)
    pricey = (per_kind(kind, lambda behaviour, size: chance(rng, behaviour.pricey, size)) > 0)[line_of]
    usual = pick(rng, products.popularity / products.price, len(line_of))
    expensive = pick(rng, products.popularity * products.price.astype(np.float64) ** 3, len(line_of))
    quantity = per_kind(kind[line_of], lambda behaviour, size: pick(rng, behaviour.quantity, size))
    return line_of, np.where(pricey, expensive, usual), quantity.astype(np.int64) + 1


def _promo(rng: np.random.Generator, kind: Ints, subtotal: Ints) -> tuple[Ints, Ints]:
    """The amount, and the code's index in words.PROMO_CODES: -1 without one."""
    granted = (per_kind(kind, lambda behaviour, size: chance(rng, behaviour.promo, size)) > 0) & (
        subtotal > 0
    )
    percent = spread(rng, _PROMO_PERCENT, len(kind)).astype(np.int64)
    code = rng.integers(len(words.PROMO_CODES), size=len(kind))
    return np.where(granted, subtotal * percent // 100, 0), np.where(granted, code, -1)


def _payments(rng: np.random.Generator, kind: Ints, session: Ints) -> Ints:
    payment = per_kind(kind, lambda behaviour, size: pick(rng, behaviour.payments, size)).astype(np.int64)
    first = np.searchsorted(session, session)
    # Honest visitors who buy again mostly pay the same way; fraudsters try one card after the other.
    honest = ~np.array([behaviour.fraud for behaviour in BEHAVIOURS])[kind]
    return np.where(honest & chance(rng, _SAME_PAYMENT, len(kind)), payment[first], payment)


def _cleared(rng: np.random.Generator, kind: Ints, failed: Bools) -> Bools:
    uncleared = per_kind(kind, lambda behaviour, size: chance(rng, behaviour.uncleared, size)) > 0
    return ~(uncleared | (failed & chance(rng, _UNCLEARED_WHEN_FAILED, len(kind))))


def _shipment(
    rng: np.random.Generator, kind: Ints, customer: Ints, customers: Customers
) -> tuple[Ints, Ints, Ints]:
    place = per_kind(kind, lambda behaviour, size: pick(rng, behaviour.place, size)).astype(np.int64)
    other = rng.integers(len(customers.ids), size=len(kind))
    lats, longs = words.REMOTE
    lat = np.choose(place, (customers.lat[customer], customers.lat[other], rng.integers(*lats, len(kind))))
    long = np.choose(
        place, (customers.long[customer], customers.long[other], rng.integers(*longs, len(kind)))
    )
    fees = [np.array(choice)[rng.integers(len(choice), size=len(kind))] for choice in _FEES]
    return np.choose(place, fees), lat, long


def _labels(rng: np.random.Generator, fraud: Bools) -> Bools:
    missed = chance(rng, FRAUD_MISSED, len(fraud))
    mistaken = chance(rng, FALSE_ALARMS, len(fraud))
    return np.where(fraud, ~missed, mistaken)


@dataclass(frozen=True)
class Life:
    """Visits, purchases and their ids; `rows` and `bought` choose rows and transactions in time order."""

    visits: Visits
    purchases: Purchases
    session_ids: list[str]
    transaction_ids: list[str]
    rows: Ints
    bought: Ints


def draw_period(rng: np.random.Generator, period: Period, customers: Customers, products: Products) -> Life:
    """Draw exactly `period.rows` browsing rows, and the transactions up to ten minutes after the last one."""
    visits = draw_visits(rng, period, customers)
    if len(visits.time) < period.rows:
        raise ValueError(f"only {len(visits.time)} browsing rows were drawn for {period.rows}")
    purchases = draw_purchases(rng, visits, customers, products)
    rows = np.argsort(visits.time, kind="stable")[: period.rows]
    bought = np.argsort(purchases.created, kind="stable")
    until = visits.time[rows[-1]] + _TAIL_MS
    return Life(
        visits=visits,
        purchases=purchases,
        session_ids=uuids(rng, len(visits.kind)),
        transaction_ids=uuids(rng, len(purchases.session)),
        rows=rows,
        bought=bought[purchases.created[bought] <= until],
    )
