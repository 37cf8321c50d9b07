"""Rows of the tables of a made-up run: predictions, and the figures that follow from them."""

import io
from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.arrow import cast, check_columns, schema_of
from streamweir.contracts.ecommerce_fraud import PIPELINE, PREDICTIONS
from streamweir.contracts.rejected import REJECTED, WORKED
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Table
from tests.support.memory_store import MemoryStore

START_TS = 1_767_225_600
VERSION = "20260101T000000Z-0badcafe"
THRESHOLD = 0.62
EVIL = "<script>alert('x')</script> & $T_shirt$"
PRODUCTS = [
    "Puma Men Running Shoes",
    EVIL,
    "Levis Women Blue Jeans",
    "Ünïcode Sárí 綿",
    "Casio Watch",
    None,
] + [f"Basics Shirt No {number}" for number in range(30)]
CATEGORIES = ["Apparel", "Footwear", "Accessories", "Personal Care", None]

Rows = dict[str, list[dict[str, Any]]]


class Scored(NamedTuple):
    """What the figures ask of a prediction."""

    ts: int
    flagged: int
    product: int
    quantity: int


def prediction(random: np.random.Generator, ts: int, index: int, name: str) -> tuple[dict[str, Any], Scored]:
    """A scored transaction, and what the figures take of it."""
    probability = float(random.beta(0.5, 9) if random.random() > 0.02 else random.beta(6, 2))
    flagged = int(probability >= THRESHOLD)
    quantity = int(random.integers(1, 5))
    scored = Scored(ts, flagged, int(random.zipf(1.4)) % len(PRODUCTS), quantity)
    moment = datetime.fromtimestamp(ts, UTC)
    known = {
        "created_at": moment,
        "customer_id": f"C{random.integers(10_000)}",
        "transaction_id": name,
        "session_id": f"S{name}",
        "payment_method": str(random.choice(["Credit Card", "Gopay", "OVO", "<i>LinkAja</i>"])),
        "payment_status": str(random.choice(["Success", "Fail"], p=[0.93, 0.07])),
        "total_amount": float(round(random.gamma(2, 120_000), 2)),
        "ts": ts,
        "event_ts": moment,
        "num_purchase": quantity,
        "session_events": int(random.poisson(9)),
        "probability": [1 - probability, probability],
        "fraud_probability": probability,
        "prediction": flagged,
        "model_version": VERSION,
        "batch_index": index,
        "scored_at": moment,
    }
    return {**dict.fromkeys(PREDICTIONS.names), **known}, scored


def figures(scored: list[Scored]) -> Rows:
    """The figure tables' rows, window by window."""
    first, last = scored[0].ts, scored[-1].ts
    rows: Rows = {"fraud_windows": [], "sold_quantity": [], "top_products": [], "top_categories": []}
    for start in range(first // 10 * 10 - 110, last + 1, 10):
        inside = [row for row in scored if start <= row.ts < start + 120]
        counts = {"frauds": sum(row.flagged for row in inside), "scored": len(inside)}
        rows["fraud_windows"].append({**_window(start, 120), **counts})
    so_far = 0
    for start in range(first // 30 * 30, last + 1, 30):
        quantity = sum(row.quantity for row in scored if start <= row.ts < start + 30 and not row.flagged)
        so_far += quantity
        rows["sold_quantity"].append({**_window(start, 30), "quantity": quantity, "quantity_so_far": so_far})
    for start in range(first // 60 * 60, last + 1, 60):
        _top(rows, start, [row for row in scored if row.ts < start + 60 and not row.flagged])
    return rows


def _top(rows: Rows, start: int, sold: list[Scored]) -> None:
    products: Counter[int] = Counter()
    categories: Counter[str | None] = Counter()
    for row in sold:
        products[row.product] += row.quantity
        categories[CATEGORIES[row.product % len(CATEGORIES)]] += row.quantity
    for rank, (product, quantity) in enumerate(products.most_common(20), start=1):
        line = {"rank": rank, "product_id": str(product), "name": PRODUCTS[product], "quantity": quantity}
        rows["top_products"].append({**_window(start, 60), **line})
    for category, quantity in categories.items():
        rows["top_categories"].append({**_window(start, 60), "category": category, "quantity": quantity})


def replayed(produced: list[dict[str, Any]]) -> dict[str, Any]:
    """What a manifest says of the batches and the flush that were sent."""
    facts = {"success_payments": sum(line["success_payments"] for line in produced)}
    topics = [topic.name for topic in PIPELINE.inputs]
    return {
        "batches": len(produced) - 1,
        "flush_ts": produced[-1]["ts"],
        "last_ts": produced[-2]["ts"],
        "rows": {topic: sum(line[f"{topic}_rows"] for line in produced) for topic in topics},
        "facts": facts,
        "started_at": "2026-01-01T00:00:00+00:00",
        "ended_at": "2026-01-01T00:00:30+00:00",
        "seconds": 30.4,
        "rows_per_second": 1973.0,
        "resumed_at_sequence": None,
    }


def put_rows(
    store: MemoryStore, stream: Stream, table: Table, batch_id: int, rows: list[dict[str, Any]]
) -> None:
    """Write rows as the one file that a micro-batch writes to a table."""
    schema = schema_of(table)
    if table not in (REJECTED, WORKED):
        schema = schema.append(pa.field("run", pa.string())).append(pa.field("sequence", pa.int64()))
    store.put(stream.table_file(table.name, batch_id), parquet(pa.Table.from_pylist(rows, schema)))


def conform(frame: pa.Table, table: Table) -> pa.Table:
    """The contract's columns and types, sorted by key; raises RunFailed when the frame differs."""
    check_columns(frame.column_names, table)
    typed = cast(frame.select(list(table.names)), schema_of(table), table.name)
    return typed.sort_by([(name, "ascending") for name in table.key])


def parquet(frame: pa.Table) -> bytes:
    """A frame as a parquet file."""
    buffer = io.BytesIO()
    pq.write_table(frame, buffer)
    return buffer.getvalue()


def _window(start: int, length: int) -> dict[str, datetime]:
    return {
        "window_start": datetime.fromtimestamp(start, UTC),
        "window_end": datetime.fromtimestamp(start + length, UTC),
    }
