"""The running totals of the figures: sums of what is closed, slots of what is not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from streamweir.values import ProductLine

LARGEST = 2**63 - 1
"""Sums end here: what the tables' integers can hold. Only absurd quantities get there."""


@dataclass
class Slot:
    """The scored rows of a few seconds. quantity, products: of the rows that are not fraud."""

    scored: int = 0
    frauds: int = 0
    quantity: int = 0
    products: dict[str, int] = field(default_factory=dict)


class Book:
    """All that later windows need of the rows so far; `totals` writes it down, the constructor reads it.

    first, last: smallest and largest ts of the scored rows. cursors: by table the start of the next window.
    sold, products: quantities before the cursor of the table that shows them.
    """

    def __init__(self, totals: dict[str, Any] | None, slot_s: int) -> None:
        found = totals or {"first": None, "last": None, "cursors": {}, "sold": 0, "products": {}, "slots": []}
        self.slot_s = slot_s
        self.first: int | None = found["first"]
        self.last: int | None = found["last"]
        self.cursors: dict[str, int] = dict(found["cursors"])
        self.sold: int = found["sold"]
        self.products: dict[str, int] = dict(found["products"])
        self.slots = {
            start: Slot(scored, frauds, quantity, dict(products))
            for start, scored, frauds, quantity, products in found["slots"]
        }

    def totals(self) -> dict[str, Any]:
        """The book as JSON can hold it."""
        return {
            "first": self.first,
            "last": self.last,
            "cursors": self.cursors,
            "sold": self.sold,
            "products": self.products,
            "slots": [[start, *vars(slot).values()] for start, slot in sorted(self.slots.items())],
        }

    def add(self, ts: int, is_fraud: bool, products: Iterable[ProductLine]) -> None:
        """Enter a scored row."""
        self.first = ts if self.first is None else min(self.first, ts)
        self.last = ts if self.last is None else max(self.last, ts)
        slot = self.slots.setdefault(ts // self.slot_s * self.slot_s, Slot())
        slot.scored += 1
        if is_fraud:
            slot.frauds += 1
            return
        for line in products:
            slot.quantity = min(slot.quantity + line.quantity, LARGEST)
            _sell(slot.products, str(line.product_id), line.quantity)

    def closing(self, table: str, length: int, slide: int, closed: int) -> Iterator[tuple[int, int]]:
        """Start and end of each window that was not put out yet and ends at `closed` or before, in order.

        All windows that hold a scored row, and those between them; nothing after the last row so far.
        """
        if self.first is None or self.last is None:
            return
        start = self.cursors.get(table, self.first // slide * slide - length + slide)
        while start <= self.last and start + length <= closed:
            self.cursors[table] = start + slide
            yield start, start + length
            start += slide

    def between(self, start: int, end: int) -> list[Slot]:
        """The slots of a window."""
        return [self.slots[at] for at in range(start, end, self.slot_s) if at in self.slots]

    def sell(self, slots: list[Slot]) -> None:
        """Add the products of closed slots to the products so far."""
        for slot in slots:
            for product, quantity in slot.products.items():
                _sell(self.products, product, quantity)

    def forget(self, tables: int) -> None:
        """Drop the slots that all of the `tables` tables have put out."""
        if len(self.cursors) == tables:
            oldest = min(self.cursors.values())
            self.slots = {start: slot for start, slot in self.slots.items() if start >= oldest}


def _sell(products: dict[str, int], product: str, quantity: int) -> None:
    products[product] = min(products.get(product, 0) + quantity, LARGEST)
