"""What was sold and called fraud, counted from the predictions alone, in a way of its own."""

from array import array
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np

from streamweir.values import parse_products

LARGEST = 2**63 - 1
"""Where every sum of quantities ends."""


class Sales:
    """A run's predictions in order of `ts`. Seconds since the epoch; ends of windows are exclusive.

    rows: ts, prediction and product_metadata of each. ends: of the stream, ascending; behind each, windows
    begin anew.
    """

    def __init__(self, rows: Iterable[tuple[int, int, str]], ends: Sequence[int]) -> None:
        # Flat columns: there may be millions of rows.
        ts, frauds, lines, products, quantities = (array("q") for _ in range(5))
        for at, said, text in rows:
            ts.append(at)
            frauds.append(said == 1)
            sold = [] if said == 1 else parse_products(text)
            lines.append(len(sold))
            products.extend(line.product_id for line in sold)
            quantities.extend(line.quantity for line in sold)
        order = np.argsort(np.asarray(ts), kind="stable")
        self._ts = np.asarray(ts)[order]
        self._frauds = np.concatenate([[0], np.cumsum(np.asarray(frauds)[order])])
        places = {0, *(self._place(end + 1) for end in ends), len(order)}
        self._stretches = [(int(self._ts[a]), int(self._ts[b - 1])) for a, b in pairwise(sorted(places))]
        self._products, self._quantities = products, quantities
        begins = np.concatenate([[0], np.cumsum(np.asarray(lines))])
        self._lines = np.stack([begins[:-1][order], begins[1:][order]], axis=1)
        sums = (sum(quantities[begin:end]) for begin, end in self._lines.tolist())
        self._quantity = [0, *accumulate(sums)]

    def __len__(self) -> int:
        return len(self._ts)

    @property
    def quantity(self) -> int:
        """Products sold in all transactions that were not called fraud."""
        return min(self._quantity[-1], LARGEST)

    def starts(self, length: int, slide: int) -> list[range]:
        """The starts of all windows from the first to the last row between two ends."""
        return [
            range(first // slide * slide - length + slide, last + 1, slide) for first, last in self._stretches
        ]

    def scored_in(self, start: int, end: int) -> int:
        """Rows of a window."""
        return self._place(end) - self._place(start)

    def frauds_in(self, start: int, end: int) -> int:
        """Rows of a window with prediction 1."""
        return int(self._frauds[self._place(end)] - self._frauds[self._place(start)])

    def quantity_in(self, start: int, end: int) -> int:
        """Products sold in a window."""
        return min(self._quantity[self._place(end)] - self._quantity[self._place(start)], LARGEST)

    def products_until(self, ends: Iterable[int]) -> Iterator[tuple[int, Counter[str]]]:
        """Each of these ends in turn, and the products sold before it; the sums go on with the next end."""
        sold: Counter[str] = Counter()
        at = 0
        for end in sorted(set(ends)):
            for begin, stop in self._lines[at : self._place(end)].tolist():
                for product, quantity in zip(
                    self._products[begin:stop], self._quantities[begin:stop], strict=True
                ):
                    sold[str(product)] = min(sold[str(product)] + quantity, LARGEST)
            at = self._place(end)
            yield end, sold

    def _place(self, end: int) -> int:
        return int(np.searchsorted(self._ts, end))


def begins(starts: Iterable[range]) -> set[int]:
    """The first start of each stretch of windows."""
    return {stretch[0] for stretch in starts}


def by_category(sold: Mapping[str, int], category_of: Mapping[str, str]) -> Counter[str]:
    """Quantities of products as quantities of their categories; "" for a product without one."""
    sums: Counter[str] = Counter()
    for product, quantity in sold.items():
        category = category_of.get(product, "")
        sums[category] = min(sums[category] + quantity, LARGEST)
    return sums


def since_start(
    keys: Sequence[Hashable], found: Sequence[int], own: Sequence[int], *, first: bool
) -> list[int]:
    """What "so far" must be, given what this run alone has sold by then.

    In the first run of a stream that is all. In a later one each key started with what was sold before:
    the same in all windows, as the key's first line tells.
    """
    before: dict[Hashable, int] = {}
    for key, quantity, sold in zip(keys, found, own, strict=True):
        before.setdefault(key, 0 if first else quantity - sold)
    return [min(before[key] + sold, LARGEST) for key, sold in zip(keys, own, strict=True)]
