"""The report of `ecommerce_fraud`: what it found, its plots, and a few rows of each table."""

from collections.abc import Sequence

import pyarrow.compute as pc

from streamweir.contracts.ecommerce_fraud import (
    FRAUD_WINDOWS,
    PREDICTIONS,
    SOLD_QUANTITY,
    TOP_CATEGORIES,
    TOP_PRODUCTS,
)
from streamweir.reporting.ecommerce_fraud import plots
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.pieces import Content, Fact, Plot, Row, Sample

_SHOWN = 10


def _most_suspicious(bundle: Bundle) -> Sequence[Row]:
    frame = bundle.tables[PREDICTIONS.name].sort_by([("fraud_probability", "descending")])
    rows: list[Row] = frame.slice(0, _SHOWN).to_pylist()
    return rows


def _most_frauds(bundle: Bundle) -> Sequence[Row]:
    order = [("frauds", "descending"), ("window_start", "ascending")]
    rows: list[Row] = bundle.tables[FRAUD_WINDOWS.name].sort_by(order).slice(0, _SHOWN).to_pylist()
    return rows


def _last_sold(bundle: Bundle) -> Sequence[Row]:
    frame = bundle.tables[SOLD_QUANTITY.name]
    rows: list[Row] = frame.slice(max(0, frame.num_rows - _SHOWN)).to_pylist()
    return rows


def _flagged(bundle: Bundle) -> tuple[int, int]:
    frame = bundle.tables.get(PREDICTIONS.name)
    return (0, 0) if frame is None else (pc.sum(frame["prediction"]).as_py() or 0, frame.num_rows)


def _finding(bundle: Bundle) -> str:
    flagged, scored = _flagged(bundle)
    if not scored:
        return "No transaction was scored."
    return f"{flagged:,} of {scored:,} scored transactions ({flagged / scored:.2%}) were flagged as fraud."


def _facts(bundle: Bundle) -> Sequence[Fact]:
    flagged, scored = _flagged(bundle)
    facts = []
    if scored:
        facts.append(Fact("flagged as fraud", f"{flagged:,}", f"{flagged / scored:.2%} of the scored"))
    if bundle.ledger and "success_payments" in bundle.ledger:
        facts.append(Fact("successful payments", f"{bundle.ledger['success_payments']:,}"))
    return facts


CONTENT = Content(
    finding=_finding,
    facts=_facts,
    plots=(
        Plot(
            "success_payments",
            "Successful payments",
            "Drawn live by a plain Kafka consumer while the replay ran, from the transactions topic alone: "
            "how many payments of each batch succeeded. The ledger holds the same numbers.",
        ),
        Plot(
            "frauds",
            "Frauds",
            "A window of two minutes that moves on by ten seconds. The lower panel counts the scored, "
            "so that a rise in frauds can be told from a rise in trade.",
            plots.frauds,
        ),
        Plot(
            "probabilities",
            "Probability of fraud",
            "The model's probability for each transaction. The count is logarithmic: most are honest.",
            plots.probabilities,
        ),
        Plot(
            "sold_quantity",
            "Sold quantity",
            "Products in transactions that were not flagged as fraud. Failed payments are counted, too.",
            plots.sold,
        ),
        Plot(
            "top_products",
            "Top products",
            "The twenty products sold most by the end of the run.",
            plots.top_products,
        ),
        Plot(
            "top_categories",
            "Categories",
            "The same sales by the products' first category.",
            plots.categories,
        ),
    ),
    samples=(
        Sample(
            PREDICTIONS.name,
            "Scored transactions",
            "the ten with the highest probability of fraud",
            {
                "transaction_id": "transaction",
                "customer_id": "customer",
                "created_at": "created at (UTC)",
                "total_amount": "amount",
                "payment_method": "paid by",
                "payment_status": "payment",
                "num_purchase": "products",
                "session_events": "events in session",
                "fraud_probability": "probability",
                "prediction": "flagged",
            },
            _most_suspicious,
        ),
        Sample(
            FRAUD_WINDOWS.name,
            "Frauds in two minutes",
            "the ten windows with the most frauds",
            {"window_start": "from (UTC)", "window_end": "to", "frauds": "frauds", "scored": "scored"},
            _most_frauds,
        ),
        Sample(
            SOLD_QUANTITY.name,
            "Sold quantity",
            "the last ten windows",
            {
                "window_start": "from (UTC)",
                "window_end": "to",
                "quantity": "sold",
                "quantity_so_far": "sold so far",
            },
            _last_sold,
        ),
        Sample(
            TOP_PRODUCTS.name,
            "Top products",
            "as of the last minute",
            {"rank": "rank", "product_id": "product", "name": "name", "quantity": "sold so far"},
            lambda bundle: plots.last_window(bundle, TOP_PRODUCTS.name),
        ),
        Sample(
            TOP_CATEGORIES.name,
            "Categories",
            "as of the last minute",
            {"category": "category", "quantity": "sold so far"},
            plots.categories_sold,
        ),
    ),
)
