"""The products and categories sold most so far, against the predictions and the static files."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain

import pandas as pd

from streamweir.contracts.ecommerce_fraud.dataset import CATEGORIES, PRODUCTS
from streamweir.contracts.ecommerce_fraud.results import (
    TOP_CATEGORIES,
    TOP_PRODUCTS,
    TOP_PRODUCTS_SHOWN,
    TOP_WINDOW_S,
)
from streamweir_quality.checks import Subject, between, equal, rows, unique
from streamweir_quality.ecommerce_fraud.sales import Sales, begins, by_category, since_start
from streamweir_quality.ecommerce_fraud.static import read
from streamweir_quality.inputs import Inputs
from streamweir_quality.windows import seconds, window_checks, with_windows

Sold = dict[int, Counter[str]]


def top_subjects(inputs: Inputs, sales: Sales) -> Iterable[Subject]:
    """top_products and top_categories."""
    starts = sales.starts(TOP_WINDOW_S, TOP_WINDOW_S)
    products = read(inputs, PRODUCTS).set_index("id")
    level1 = read(inputs, CATEGORIES).set_index("category_id")["cat_level1"]
    category_of = products["category_id"].map(level1).dropna().to_dict()
    frames = [inputs.frame(table.name) for table in (TOP_PRODUCTS, TOP_CATEGORIES)]
    ends = [end for frame in frames for _, end in seconds(frame)]
    sold = sales.products_until([*ends, *(start + TOP_WINDOW_S for start in chain(*starts))])
    yield _products(inputs, frames[0], sold, products["productDisplayName"].to_dict(), starts)
    by = {end: by_category(counts, category_of) for end, counts in sold.items()}
    yield _categories(inputs, frames[1], by, starts)


def _products(
    inputs: Inputs, frame: pd.DataFrame, sold: Sold, names: dict[str, str], starts: list[range]
) -> Subject:
    frame = frame.sort_values(["window_start", "rank"], ignore_index=True)
    frame = _so_far(inputs, frame, frame["product_id"].tolist(), sold, starts).assign(
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
        shown = {end: min(len(counts), TOP_PRODUCTS_SHOWN) for end, counts in sold.items()}
        count = sum(shown[start + TOP_WINDOW_S] for start in chain(*starts))
        expectations += [
            rows(count, f"every window lists {TOP_PRODUCTS_SHOWN} products, or all that were sold"),
            between("better", 0, TOP_PRODUCTS_SHOWN - 1, "no product that sold better is left out"),
        ]
        frame = frame.assign(better=_better(frame, sold))
    return Subject(TOP_PRODUCTS.name, TOP_PRODUCTS.name, frame, tuple(expectations))


def _categories(inputs: Inputs, frame: pd.DataFrame, sold: Sold, starts: list[range]) -> Subject:
    frame = frame.sort_values(["window_start", "category"], ignore_index=True)
    frame = frame.assign(category=frame["category"].fillna(""))
    frame = _so_far(inputs, frame, frame["category"].tolist(), sold, starts)
    expectations = [
        unique("window_start", "category"),
        *window_checks(TOP_WINDOW_S, TOP_WINDOW_S),
        between("quantity", 1, None, "a listed category was sold"),
        equal("quantity", "expected_quantity", "quantity is what non-fraud predictions sold so far"),
    ]
    if inputs.first:
        count = sum(len(sold[start + TOP_WINDOW_S]) for start in chain(*starts))
        expectations.append(rows(count, "every window lists all categories that were sold"))
    return Subject(TOP_CATEGORIES.name, TOP_CATEGORIES.name, frame, tuple(expectations))


def _so_far(
    inputs: Inputs, frame: pd.DataFrame, keys: list[str], sold: Sold, starts: list[range]
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


def _better(frame: pd.DataFrame, sold: Sold) -> list[int]:
    """How many products had sold better than the line's by the end of its window."""
    ends = [end for _, end in seconds(frame)]
    ordered = {end: sorted(sold[end].values(), reverse=True) for end in set(ends)}
    return [
        sum(other > quantity for other in ordered[end][: TOP_PRODUCTS_SHOWN + 1])
        for end, quantity in zip(ends, frame["quantity"].tolist(), strict=True)
    ]
