"""A stretch of the shop's life, cut to an exact number of browsing rows."""

from dataclasses import dataclass

import numpy as np

from streamweir.datagen.draws import Ints, uuids
from streamweir.datagen.ecommerce_fraud.purchases import Purchases, draw_purchases
from streamweir.datagen.ecommerce_fraud.shop import Customers, Products
from streamweir.datagen.ecommerce_fraud.visits import Period, Visits, draw_visits

_TAIL_MS = 10 * 60_000


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
