"""What was sold and called fraud, counted from the predictions alone, in a way of its own."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise

import pandas as pd

from streamweir.values import parse_products

LARGEST = 2**63 - 1
"""Where every sum of quantities ends."""


class Sales:
    """The run's predictions in order of `ts`. Seconds since the epoch; ends of windows are exclusive.

    ends: of the stream, ascending; behind each, windows begin anew.
    """

    def __init__(self, predictions: pd.DataFrame, ends: Sequence[int]) -> None:
        ordered = predictions.sort_values("ts", kind="stable")
        self._ts: list[int] = ordered["ts"].astype("int64").tolist()
        places = {0, *(bisect_right(self._ts, end) for end in ends), len(self._ts)}
        self._stretches = [(self._ts[a], self._ts[b - 1]) for a, b in pairwise(sorted(places))]
        frauds = [int(said == 1) for said in ordered["prediction"]]
        self._frauds = [0, *accumulate(frauds)]
        self._sold = [
            [] if fraud else [(str(line.product_id), line.quantity) for line in parse_products(text)]
            for fraud, text in zip(frauds, ordered["product_metadata"], strict=True)
        ]
        self._quantity = [0, *accumulate(sum(quantity for _, quantity in sold) for sold in self._sold)]

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
        return self._frauds[self._place(end)] - self._frauds[self._place(start)]

    def quantity_in(self, start: int, end: int) -> int:
        """Products sold in a window."""
        return min(self._quantity[self._place(end)] - self._quantity[self._place(start)], LARGEST)

    def products_until(self, ends: Iterable[int]) -> dict[int, Counter[str]]:
        """Products sold before each of these ends."""
        sold: Counter[str] = Counter()
        until, at = {}, 0
        for end in sorted(set(ends)):
            for lines in self._sold[at : self._place(end)]:
                for product, quantity in lines:
                    sold[product] = min(sold[product] + quantity, LARGEST)
            at = self._place(end)
            until[end] = sold.copy()
        return until

    def _place(self, end: int) -> int:
        return bisect_left(self._ts, end)


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
