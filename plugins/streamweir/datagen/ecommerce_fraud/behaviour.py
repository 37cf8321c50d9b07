"""Who comes to the shop and what they do there: honest visitors and four kinds of fraud that resemble some of them.

Nothing here separates fraud from honesty by itself: every value that a fraudster shows is also shown by honest
visitors, only less often. The shares make about 1.65 % of the transactions fraud.
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
    together: how many sessions in a row belong to one customer and one hour. lines: weights of 0, 1, ... products
    in a transaction; quantity: of 1, 2, ... pieces of each. pricey: share of transactions in expensive products.
    payments: weights of words.PAYMENTS. fails, uncleared, promo: shares of transactions.
    place: weights of home, another city, somewhere remote. new_account: share of customers who joined lately.
    """

    name: str
    share: float
    fraud: bool = False
    rows: tuple[float, ...] = (3, 6, 9, 12, 16, 30)
    gap_s: tuple[float, ...] = (2, 15, 35, 70, 140, 600)
    events: tuple[float, ...] = (12, 16, 11, 9, 2, 8, 14, 12, 5, 3)
    hours: tuple[float, ...] = DAY
    purchases: tuple[float, ...] = (0, 93, 6, 1)
    together: int = 1
    lines: tuple[float, ...] = (0.4, 72, 19, 6, 2)
    quantity: tuple[float, ...] = (82, 11, 4, 2, 1)
    pricey: float = 0.08
    payments: tuple[float, ...] = (36, 26, 21, 9, 8)
    fails: float = 0.045
    uncleared: float = 0.03
    promo: float = 0.35
    place: tuple[float, ...] = (88, 11, 1)
    new_account: float = 0.12


BUYER = Behaviour("buyer", 0.5470)
_HASTE = replace(
    BUYER, rows=(1, 2, 2, 3, 4, 6), gap_s=(1, 3, 6, 12, 25, 60), events=(5, 4, 3, 6, 1, 3, 4, 40, 14, 20)
)

BEHAVIOURS = (
    BUYER,
    replace(
        BUYER,
        name="browser",
        share=0.2500,
        rows=(1, 2, 4, 7, 11, 24),
        events=(18, 20, 14, 8, 3, 9, 20, 6, 1, 1),
        purchases=(1,),
    ),
    replace(BUYER, name="direct", share=0.0600, rows=(0, 0)),
    replace(_HASTE, name="hurried", share=0.0750, hours=DAY, promo=0.5),
    replace(BUYER, name="night owl", share=0.0250, hours=NIGHT, pricey=0.2, new_account=0.2),
    replace(BUYER, name="gift", share=0.0150, place=(5, 60, 35), quantity=(60, 25, 10, 3, 2), pricey=0.3),
    replace(
        BUYER,
        name="shopping spree",
        share=0.0120,
        purchases=(0, 20, 45, 25, 10),
        lines=(0, 40, 30, 20, 10),
        promo=0.6,
    ),
    replace(
        _HASTE,
        name="rushed checkout",
        share=0.0040,
        fraud=True,
        hours=NIGHT,
        pricey=0.7,
        quantity=(45, 30, 15, 6, 4),
        payments=(72, 6, 5, 14, 3),
        new_account=0.6,
        promo=0.15,
    ),
    replace(
        BUYER,
        name="burst on one account",
        share=0.0022,
        fraud=True,
        rows=(1, 3, 5, 7, 9, 14),
        gap_s=(1, 3, 8, 15, 30, 90),
        purchases=(0, 35, 40, 25),
        together=3,
        lines=(0, 40, 35, 20, 5),
        quantity=(30, 30, 20, 12, 8),
        promo=0.85,
        new_account=0.75,
    ),
    replace(
        BUYER,
        name="odd payments",
        share=0.0028,
        fraud=True,
        purchases=(0, 50, 35, 15),
        payments=(50, 4, 4, 35, 7),
        fails=0.5,
        uncleared=0.55,
        pricey=0.5,
    ),
    replace(
        BUYER,
        name="unusual place",
        share=0.0026,
        fraud=True,
        place=(4, 16, 80),
        pricey=0.65,
        payments=(65, 10, 8, 14, 3),
        new_account=0.45,
    ),
    replace(BUYER, name="camouflaged", share=0.0020, fraud=True, pricey=0.25),
)
FRAUD_MISSED = 0.06
"""Share of fraudulent transactions that nobody labelled."""
FALSE_ALARMS = 0.0006
"""Share of honest transactions that were labelled as fraud by mistake."""
