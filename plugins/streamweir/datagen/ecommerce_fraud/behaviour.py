"""Who comes to the shop and what they do there: honest visitors, and fraudsters who resemble some of them.

Nothing here separates fraud from honesty by itself: every value that a fraudster shows is also shown by
honest visitors, only less often. The shares make about 1.65 % of the transactions fraud.
"""

from dataclasses import dataclass, replace

DAY = (1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 9, 9, 9, 8, 8, 8, 8, 9, 10, 11, 11, 9, 6, 3)
"""Weights of the 24 hours, session time zone, of an ordinary visitor."""
NIGHT = (10, 11, 11, 10, 8, 5, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4, 5, 7, 9)


@dataclass(frozen=True)
class Behaviour:
    """One kind of visit.

    share: of all sessions. rows, gap_s: quantiles of browsing rows in a session and of seconds between two.
    events: weights of words.EVENT_TYPES. purchases: weights of 0, 1, 2, ... transactions in a session.
    together: how many sessions in a row belong to one customer and one hour. lines: weights of 0, 1, ...
    products in a transaction; quantity: of 1, 2, ... pieces of each. pricey: share of transactions in
    expensive products.
    payments: weights of words.PAYMENTS. fails, uncleared, promo: shares of transactions.
    place: weights of home, another city, somewhere remote. new_account: share of customers who joined lately.
    """

    name: str
    share: float
    fraud: bool = False
    rows: tuple[float, ...] = (3, 6, 9, 12, 16, 28)
    gap_s: tuple[float, ...] = (2, 15, 35, 70, 140, 600)
    events: tuple[float, ...] = (12, 16, 11, 9, 2, 8, 14, 12, 5, 3)
    hours: tuple[float, ...] = DAY
    purchases: tuple[float, ...] = (0, 93, 6, 1)
    together: int = 1
    lines: tuple[float, ...] = (0.4, 72, 19, 6, 2)
    quantity: tuple[float, ...] = (82, 11, 4, 2, 1)
    pricey: float = 0.025
    payments: tuple[float, ...] = (36, 26, 21, 9, 8)
    fails: float = 0.035
    uncleared: float = 0.015
    promo: float = 0.35
    place: tuple[float, ...] = (89.8, 10, 0.2)
    new_account: float = 0.08


BUYER = Behaviour("buyer", 0.7050)
_HASTE = replace(
    BUYER, rows=(1, 2, 2, 3, 4, 6), gap_s=(1, 3, 6, 12, 25, 60), events=(5, 4, 3, 6, 1, 3, 4, 40, 14, 20)
)

BEHAVIOURS = (
    BUYER,
    replace(
        BUYER,
        name="browser",
        share=0.1130,
        rows=(1, 2, 4, 7, 11, 24),
        events=(18, 20, 14, 8, 3, 9, 20, 6, 1, 1),
        purchases=(1,),
    ),
    replace(BUYER, name="direct", share=0.0600, rows=(0, 0)),
    replace(_HASTE, name="hurried", share=0.0500, promo=0.5),
    replace(BUYER, name="night owl", share=0.0250, hours=NIGHT, pricey=0.1, new_account=0.2),
    replace(BUYER, name="gift", share=0.0150, place=(5, 89, 6), quantity=(65, 22, 9, 3, 1), pricey=0.1),
    replace(
        BUYER,
        name="shopping spree",
        share=0.0150,
        purchases=(0, 30, 50, 20),
        lines=(0, 40, 30, 20, 10),
        quantity=(70, 18, 8, 3, 1),
        promo=0.6,
    ),
    replace(
        _HASTE,
        name="rushed checkout",
        share=0.0047,
        fraud=True,
        rows=(1, 1, 2, 2, 3, 4),
        events=(1, 1, 1, 3, 0, 1, 1, 45, 20, 28),
        hours=NIGHT,
        pricey=0.92,
        quantity=(40, 30, 18, 7, 5),
        payments=(82, 3, 2, 12, 1),
        new_account=0.85,
        promo=0.08,
    ),
    replace(
        BUYER,
        name="burst on one account",
        share=0.0018,
        fraud=True,
        rows=(1, 3, 5, 7, 9, 14),
        gap_s=(1, 3, 8, 15, 30, 90),
        purchases=(0, 35, 40, 25),
        together=3,
        lines=(0, 8, 30, 36, 26),
        quantity=(4, 16, 28, 28, 24),
        promo=0.9,
        new_account=0.8,
    ),
    replace(
        BUYER,
        name="odd payments",
        share=0.0021,
        fraud=True,
        purchases=(0, 50, 35, 15),
        payments=(46, 2, 2, 46, 4),
        fails=0.9,
        uncleared=0.97,
        pricey=0.75,
        new_account=0.7,
    ),
    replace(
        BUYER,
        name="unusual place",
        share=0.0026,
        fraud=True,
        place=(2, 8, 90),
        pricey=0.85,
        payments=(75, 5, 4, 14, 2),
        new_account=0.7,
    ),
    replace(BUYER, name="camouflaged", share=0.0013, fraud=True, pricey=0.25),
)
FRAUD_MISSED = 0.06
"""Share of fraudulent transactions that nobody labelled."""
FALSE_ALARMS = 0.0006
"""Share of honest transactions that were labelled as fraud by mistake."""
