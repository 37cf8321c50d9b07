"""The shop's live figures: windows over the scored transactions, exact in event time.

A window is put out once, when no transaction can fall into it any more. Until then its transactions wait in
slots of ten seconds, which all windows are made of. A run's windows go from its first to its last scored row:
none lies between two runs, however far apart they are.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from math import gcd
from typing import Any, NamedTuple

from streamweir.contracts.ecommerce_fraud import (
    FRAUD_SLIDE_S,
    FRAUD_WINDOW_S,
    FRAUD_WINDOWS,
    LATENESS_S,
    SOLD_QUANTITY,
    SOLD_WINDOW_S,
    TOP_CATEGORIES,
    TOP_PRODUCTS,
    TOP_PRODUCTS_SHOWN,
    TOP_WINDOW_S,
)
from streamweir.values import identifier
from streamweir_spark.ecommerce_fraud.book import LARGEST, Book
from streamweir_spark.ecommerce_fraud.parsing import sold_at_once

SLOT_S = gcd(FRAUD_SLIDE_S, FRAUD_WINDOW_S, SOLD_WINDOW_S, TOP_WINDOW_S)
_MICROSECONDS = 1_000_000

Totals = dict[str, Any]
Rows = list[tuple[object, ...]]


class ScoredRow(NamedTuple):
    """What the figures ask of a row of `predictions`."""

    ts: int
    prediction: int
    product_metadata: str


class Product(NamedTuple):
    """productDisplayName and cat_level1 of a product; None where the files have no text."""

    name: str | None
    category: str | None


class Figures:
    """The figure tables as a pure function; products by id, as product.csv and category.csv say."""

    def __init__(self, products: Mapping[str, Product], lateness_s: int = LATENESS_S) -> None:
        self.products = products
        self.lateness_s = lateness_s

    def advance(
        self,
        totals: Totals | None,
        scored: Sequence[ScoredRow],
        max_ts: int | None,
        ends: Collection[int] = (),
    ) -> tuple[Totals, dict[str, Rows]]:
        """The next totals, and by table the rows of the windows that are now closed, in the table's columns.

        totals: of the micro-batch before, None or empty at the stream's start; they can be written as JSON.
        scored: the rows scored since then, in any order. max_ts: the frontier's, after these rows.
        ends: the ts of the messages since then that end a run or a redrive; behind each, windows begin anew.
        Window bounds are microseconds since the epoch, UTC. Sums end at the largest int64.
        """
        book = Book(totals, SLOT_S)
        for ts in sorted(set(ends)):
            book.end(ts)
        sold = sold_at_once([row.product_metadata for row in scored])
        # The rows of a batch lie side by side.
        for ts, batch in groupby(zip(scored, sold, strict=True), key=lambda found: found[0].ts):
            rows = list(batch)
            honest = [products for row, products in rows if row.prediction == 0]
            book.add(ts, len(rows), len(rows) - len(honest), chain.from_iterable(honest))
        closed = 0 if max_ts is None else max_ts - self.lateness_s
        tables = {
            FRAUD_WINDOWS.name: list(_fraud_windows(book, closed)),
            SOLD_QUANTITY.name: list(_sold_windows(book, closed)),
            **self._top_windows(book, closed),
        }
        book.forget(len((FRAUD_WINDOWS, SOLD_QUANTITY, TOP_PRODUCTS)))
        return book.totals(), tables

    def _top_windows(self, book: Book, closed: int) -> dict[str, Rows]:
        top: Rows = []
        categories: Rows = []
        lines = None
        for start, end in book.closing(TOP_PRODUCTS.name, TOP_WINDOW_S, TOP_WINDOW_S, closed):
            slots = book.between(start, end)
            book.sell(slots)
            if slots or lines is None:
                lines = list(self._top(book.products)), self._by_category(book.products)
            bounds = (start * _MICROSECONDS, end * _MICROSECONDS)
            top += [(*bounds, *line) for line in lines[0]]
            categories += [(*bounds, *line) for line in lines[1]]
        return {TOP_PRODUCTS.name: top, TOP_CATEGORIES.name: categories}

    def _top(self, sold: Mapping[str, int]) -> Iterator[tuple[int, str, str | None, int]]:
        first = heapq.nsmallest(TOP_PRODUCTS_SHOWN, sold.items(), key=lambda item: (-item[1], int(item[0])))
        for rank, (product, quantity) in enumerate(first, start=1):
            known = self.products.get(product)
            yield rank, product, known.name if known else None, quantity

    def _by_category(self, sold: Mapping[str, int]) -> list[tuple[str | None, int]]:
        sums: dict[str | None, int] = {}
        for product, quantity in sold.items():
            known = self.products.get(product)
            category = known.category if known else None
            sums[category] = min(sums.get(category, 0) + quantity, LARGEST)
        return sorted(sums.items(), key=lambda item: (item[0] is None, item[0] or ""))


def products_of(
    products: Iterable[Mapping[str, str | None]], categories: Iterable[Mapping[str, str | None]]
) -> dict[str, Product]:
    """The products by id, from the rows of product.csv and category.csv."""
    levels = {_id(row, "category_id"): row.get("cat_level1") or None for row in categories}
    return {
        _id(row, "id"): Product(row.get("productDisplayName"), levels.get(_id(row, "category_id")))
        for row in products
    }


def _id(row: Mapping[str, str | None], column: str) -> str:
    return identifier(row.get(column) or "")


def _fraud_windows(book: Book, closed: int) -> Iterator[tuple[object, ...]]:
    for start, end in book.closing(FRAUD_WINDOWS.name, FRAUD_WINDOW_S, FRAUD_SLIDE_S, closed):
        slots = book.between(start, end)
        frauds, scored = sum(slot.frauds for slot in slots), sum(slot.scored for slot in slots)
        yield start * _MICROSECONDS, end * _MICROSECONDS, frauds, scored


def _sold_windows(book: Book, closed: int) -> Iterator[tuple[object, ...]]:
    for start, end in book.closing(SOLD_QUANTITY.name, SOLD_WINDOW_S, SOLD_WINDOW_S, closed):
        quantity = min(sum(slot.quantity for slot in book.between(start, end)), LARGEST)
        book.sold = min(book.sold + quantity, LARGEST)
        yield start * _MICROSECONDS, end * _MICROSECONDS, quantity, book.sold
