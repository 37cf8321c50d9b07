"""The plots of `ecommerce_fraud`: frauds, sales, products, and the model's probabilities."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from streamweir.contracts.ecommerce_fraud import (
    FRAUD_WINDOW_S,
    FRAUD_WINDOWS,
    PREDICTIONS,
    SOLD_QUANTITY,
    SOLD_WINDOW_S,
    TOP_CATEGORIES,
    TOP_PRODUCTS,
)
from streamweir.reporting import style
from streamweir.reporting.inputs import Bundle

_BINS = 50


def frauds(bundle: Bundle) -> Figure | None:
    """Flagged and scored transactions in sliding windows of two minutes, over event time."""
    frame = _some(bundle, FRAUD_WINDOWS.name)
    if frame is None:
        return None
    ends = style.moments(frame["window_end"].to_pylist())
    figure, (upper, lower) = style.panels(2, height=4.2, ratios=(3, 2))
    for axes, column, colour in ((upper, "frauds", style.RED), (lower, "scored", style.BLUE)):
        values = frame[column].to_numpy()
        axes.fill_between(ends, values, color=colour, alpha=0.18, linewidth=0)
        axes.plot(ends, values, color=colour, linewidth=1.8)
        axes.set_ylim(0, max(1, values.max() * 1.12))
    style.heading(upper, f"Flagged as fraud in the last {FRAUD_WINDOW_S // 60} minutes", "transactions")
    style.heading(lower, f"Scored in the last {FRAUD_WINDOW_S // 60} minutes", "transactions")
    style.event_time_axis(lower)
    return figure


def sold(bundle: Bundle) -> Figure | None:
    """Products sold in each 30 seconds, and so far."""
    frame = _some(bundle, SOLD_QUANTITY.name)
    if frame is None:
        return None
    starts = np.array(style.moments(frame["window_start"].to_pylist()))
    ends = np.array(style.moments(frame["window_end"].to_pylist()))
    figure, (upper, lower) = style.panels(2, height=4.2, ratios=(3, 2))
    upper.bar(
        starts, frame["quantity"].to_numpy(), width=(ends - starts) * 0.86, align="edge", color=style.GREEN
    )
    lower.plot(ends, frame["quantity_so_far"].to_numpy(), color=style.GREEN, linewidth=1.8)
    lower.set_ylim(bottom=0)
    style.heading(upper, f"Sold in {SOLD_WINDOW_S} seconds, frauds left out", "products")
    style.heading(lower, "Sold so far", "products")
    style.event_time_axis(lower)
    return figure


def top_products(bundle: Bundle) -> Figure | None:
    """The products sold most, as of the last minute."""
    rows = last_window(bundle, TOP_PRODUCTS.name)
    if not rows:
        return None
    figure, (axes,) = style.panels(height=0.27 * len(rows) + 0.8)
    names = [f"{style.plain(row['name'] or 'unknown product')}  ·  {row['product_id']}" for row in rows]
    style.bars(axes, names, [row["quantity"] for row in rows], style.GREEN)
    axes.set_title("Sold most so far, frauds left out (products)")
    return figure


def categories(bundle: Bundle) -> Figure | None:
    """Products sold so far by category, as of the last minute."""
    rows = categories_sold(bundle)
    if not rows:
        return None
    figure, (axes,) = style.panels(height=0.27 * len(rows) + 0.8)
    style.bars(axes, [_category(row) for row in rows], [row["quantity"] for row in rows], style.SKY)
    axes.set_title("Sold so far by category (products)")
    return figure


def probabilities(bundle: Bundle) -> Figure | None:
    """How many transactions got which probability of fraud, and where the threshold cuts."""
    frame = _some(bundle, PREDICTIONS.name)
    if frame is None:
        return None
    values = frame["fraud_probability"].to_numpy()
    flagged = frame["prediction"].to_numpy() == 1
    edges = np.linspace(0, 1, _BINS + 1)
    figure, (axes,) = style.panels(height=3.2)
    axes.hist(
        [values[~flagged], values[flagged]],
        bins=[*edges],
        stacked=True,
        color=[style.BLUE, style.RED],
        label=["not flagged", "flagged as fraud"],
    )
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    style.heading(axes, "Probability of fraud", "transactions (log)")
    axes.set_xlabel("fraud_probability")
    threshold = bundle.model.get("threshold")
    if threshold is not None:
        axes.axvline(
            threshold, color=style.INK, linestyle="--", linewidth=1.2, label=f"threshold {threshold:.3f}"
        )
    style.legend(axes)
    return figure


def categories_sold(bundle: Bundle) -> list[dict[str, Any]]:
    """The categories as of the last minute, the one sold most first."""
    return sorted(last_window(bundle, TOP_CATEGORIES.name), key=lambda row: -row["quantity"])


def last_window(bundle: Bundle, table: str) -> list[dict[str, Any]]:
    """The rows of the table's last window, in the order of its key."""
    frame = _some(bundle, table)
    if frame is None:
        return []
    rows: list[dict[str, Any]] = frame.filter(
        pc.field("window_end") == pc.max(frame["window_end"])
    ).to_pylist()
    return rows


def _some(bundle: Bundle, table: str) -> pa.Table | None:
    frame = bundle.tables.get(table)
    return frame if frame is not None and frame.num_rows else None


def _category(row: dict[str, Any]) -> str:
    return style.plain(row["category"] or "no known category")
