"""The running totals of the figures: sums of what is closed, slots of what is not."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from typing import Any

LARGEST = 2**63 - 1
"""Sums end here: what the tables' integers can hold. Only absurd quantities get there."""


@dataclass
class Slot:
    """The scored rows of a few seconds. quantity, products: of the rows that are not fraud."""

    scored: int = 0
    frauds: int = 0
    quantity: int = 0
    products: dict[str, int] = field(default_factory=dict)


@dataclass
class Stretch:
    """The scored rows between two ends, mostly those of a run: between their windows there is no gap.

    begin: no row of it lies before. first, last: smallest and largest ts of its rows, None without any.
    """

    begin: int
    first: int | None = None
    last: int | None = None

    def add(self, ts: int) -> None:
        """Enter the ts of a row."""
        self.first = ts if self.first is None else min(self.first, ts)
        self.last = ts if self.last is None else max(self.last, ts)


class Book:
    """All that later windows need of the rows so far; `totals` writes it down, the constructor reads it.

    stretches: by begin, those with windows to come, and the newest. cursors: by table the start of the next
    window. sold, products: quantities before the cursor of the table that shows them.
    """

    def __init__(self, totals: dict[str, Any] | None, slot_s: int) -> None:
        found = totals or {"stretches": [(0,)], "cursors": {}, "sold": 0, "products": {}, "slots": []}
        self.slot_s = slot_s
        self.stretches = [Stretch(*stretch) for stretch in found.get("stretches") or _before_ends(found)]
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
            "stretches": [list(astuple(stretch)) for stretch in self.stretches],
            "cursors": self.cursors,
            "sold": self.sold,
            "products": self.products,
            "slots": [[start, *vars(slot).values()] for start, slot in sorted(self.slots.items())],
        }

    def end(self, ts: int) -> None:
        """Enter an end, in order and before the rows: those behind it begin anew."""
        self.stretches.append(Stretch(ts + 1))

    def add(self, ts: int, scored: int, frauds: int, sold: Iterable[tuple[int, int]]) -> None:
        """Enter scored rows of a ts; sold: id and quantity of each product of those that are not fraud."""
        place = bisect_right(self.stretches, ts, key=lambda stretch: stretch.begin)
        self.stretches[max(place - 1, 0)].add(ts)
        slot = self.slots.setdefault(ts // self.slot_s * self.slot_s, Slot())
        slot.scored += scored
        slot.frauds += frauds
        for product, quantity in sold:
            slot.quantity = min(slot.quantity + quantity, LARGEST)
            _sell(slot.products, str(product), quantity)

    def closing(self, table: str, length: int, slide: int, closed: int) -> Iterator[tuple[int, int]]:
        """Start and end of each window that was not put out yet and ends at `closed` or before, in order.

        Of each stretch all windows that hold a row of it, and those between them; nothing between stretches,
        nothing after the last row so far.
        """
        for stretch in self.stretches:
            if stretch.first is None or stretch.last is None:
                continue
            first = stretch.first // slide * slide - length + slide
            start = max(first, self.cursors.get(table, first))
            while start <= stretch.last and start + length <= closed:
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
        """Drop the slots and stretches that all of the `tables` tables have put out."""
        oldest = min(self.cursors.values()) if len(self.cursors) == tables else 0
        self.slots = {start: slot for start, slot in self.slots.items() if start >= oldest}
        *earlier, newest = self.stretches
        self.stretches = [*(one for one in earlier if one.last is not None and one.last >= oldest), newest]


def _before_ends(totals: dict[str, Any]) -> list[tuple[int | None, ...]]:
    """The stretch of totals that were written when ends were not known: one whose windows are all out has
    ended."""
    first, last = totals["first"], totals["last"]
    is_done = last is None or min(totals["cursors"].values(), default=0) > last
    return [(0,) if is_done else (0, first, last)]


def _sell(products: dict[str, int], product: str, quantity: int) -> None:
    products[product] = min(products.get(product, 0) + quantity, LARGEST)
