"""The products and categories sold most so far, against the predictions and the static files."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain

import pandas as pd

from streamweir.contracts.ecommerce_fraud import (
    TOP_CATEGORIES,
    TOP_PRODUCTS,
    TOP_PRODUCTS_SHOWN,
    TOP_WINDOW_S,
)
from streamweir.contracts.ecommerce_fraud.dataset import CATEGORIES, PRODUCTS
from streamweir_quality.checks import (
    Subject,
    between,
    equal,
    rows,
    seconds,
    unique,
    window_checks,
    with_windows,
)
from streamweir_quality.ecommerce_fraud.sales import Sales, begins, by_category, since_start
from streamweir_quality.ecommerce_fraud.static import read
from streamweir_quality.inputs import Inputs


@dataclass(frozen=True)
class Sold:
    """What was sold before the end of a window.

    products: quantities of the products that were asked for. different: how many products. best: the largest
    quantities, one more than are shown, in descending order. categories: quantities by category.
    """

    products: Counter[str]
    different: int
    best: list[int]
    categories: Counter[str]


def top_subjects(inputs: Inputs, sales: Sales) -> Iterable[Subject]:
    """top_products and top_categories."""
    starts = sales.starts(TOP_WINDOW_S, TOP_WINDOW_S)
    products = read(inputs, PRODUCTS).set_index("id")
    level1 = read(inputs, CATEGORIES).set_index("category_id")["cat_level1"]
    category_of = products["category_id"].map(level1).dropna().to_dict()
    frames = [inputs.frame(table.name) for table in (TOP_PRODUCTS, TOP_CATEGORIES)]
    ends = [end for frame in frames for _, end in seconds(frame)]
    ends += [start + TOP_WINDOW_S for start in chain(*starts)]
    sold = _sold(sales, ends, frames[0], category_of)
    yield _products(inputs, frames[0], sold, products["productDisplayName"].to_dict(), starts)
    yield _categories(inputs, frames[1], sold, starts)


def _sold(
    sales: Sales, ends: Iterable[int], shown: pd.DataFrame, category_of: Mapping[str, str]
) -> dict[int, Sold]:
    """By end of a window. No more is kept of it than is looked at: there may be many products and windows."""
    asked = defaultdict(list)
    for product, (_, end) in zip(shown["product_id"], seconds(shown), strict=True):
        asked[end].append(product)
    return {
        end: Sold(
            Counter({product: counts[product] for product in asked[end]}),
            len(counts),
            nlargest(TOP_PRODUCTS_SHOWN + 1, counts.values()),
            by_category(counts, category_of),
        )
        for end, counts in sales.products_until(ends)
    }


def _products(
    inputs: Inputs, frame: pd.DataFrame, sold: Mapping[int, Sold], names: dict[str, str], starts: list[range]
) -> Subject:
    frame = frame.sort_values(["window_start", "rank"], ignore_index=True)
    counts = {end: until.products for end, until in sold.items()}
    frame = _so_far(inputs, frame, frame["product_id"].tolist(), counts, starts).assign(
        expected_rank=_ranks(frame),
        name=frame["name"].fillna(""),
        expected_name=frame["product_id"].map(names).fillna(""),
    )
    expectations = [
        unique("window_start", "rank"),
        unique("window_start", "product_id"),
        *window_checks(TOP_WINDOW_S, TOP_WINDOW_S),
        between("rank", 1, TOP_PRODUCTS_SHOWN, f"rank is 1 to {TOP_PRODUCTS_SHOWN}"),
        between("quantity", 1, None, "a listed product was sold"),
        equal("quantity", "expected_quantity", "quantity is what non-fraud predictions sold so far"),
        equal("rank", "expected_rank", "products are ranked by quantity, ties by product id"),
        equal("name", "expected_name", f"name is productDisplayName of {PRODUCTS.name}"),
    ]
    if inputs.first:
        shown = {end: min(until.different, TOP_PRODUCTS_SHOWN) for end, until in sold.items()}
        count = sum(shown[start + TOP_WINDOW_S] for start in chain(*starts))
        expectations += [
            rows(count, f"every window lists {TOP_PRODUCTS_SHOWN} products, or all that were sold"),
            between("better", 0, TOP_PRODUCTS_SHOWN - 1, "no product that sold better is left out"),
        ]
        frame = frame.assign(better=_better(frame, sold))
    return Subject(TOP_PRODUCTS.name, TOP_PRODUCTS.name, frame, tuple(expectations))


def _categories(
    inputs: Inputs, frame: pd.DataFrame, sold: Mapping[int, Sold], starts: list[range]
) -> Subject:
    counts = {end: until.categories for end, until in sold.items()}
    frame = frame.sort_values(["window_start", "category"], ignore_index=True)
    frame = frame.assign(category=frame["category"].fillna(""))
    frame = _so_far(inputs, frame, frame["category"].tolist(), counts, starts)
    expectations = [
        unique("window_start", "category"),
        *window_checks(TOP_WINDOW_S, TOP_WINDOW_S),
        between("quantity", 1, None, "a listed category was sold"),
        equal("quantity", "expected_quantity", "quantity is what non-fraud predictions sold so far"),
    ]
    if inputs.first:
        count = sum(len(counts[start + TOP_WINDOW_S]) for start in chain(*starts))
        expectations.append(rows(count, "every window lists all categories that were sold"))
    return Subject(TOP_CATEGORIES.name, TOP_CATEGORIES.name, frame, tuple(expectations))


def _so_far(
    inputs: Inputs,
    frame: pd.DataFrame,
    keys: list[str],
    sold: Mapping[int, Counter[str]],
    starts: list[range],
) -> pd.DataFrame:
    frame = with_windows(frame, TOP_WINDOW_S, begins(starts))
    own = [sold[end][key] for key, (_, end) in zip(keys, seconds(frame), strict=True)]
    found = frame["quantity"].tolist()
    return frame.assign(expected_quantity=since_start(keys, found, own, first=inputs.first))


def _ranks(frame: pd.DataFrame) -> pd.Series:
    """Each line's place in its window by quantity, then by product id as a number."""
    ordered = frame.assign(number=frame["product_id"].map(int), most=-frame["quantity"].astype("object"))
    ordered = ordered.sort_values(["window_start", "most", "number"], kind="stable")
    return (ordered.groupby("window_start").cumcount() + 1).reindex(frame.index)


def _better(frame: pd.DataFrame, sold: Mapping[int, Sold]) -> list[int]:
    """How many products had sold better than the line's by the end of its window."""
    lines = zip(seconds(frame), frame["quantity"].tolist(), strict=True)
    return [sum(other > quantity for other in sold[end].best) for (_, end), quantity in lines]
