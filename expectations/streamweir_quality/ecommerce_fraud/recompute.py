"""`ecommerce_fraud` again, as one batch in DuckDB: features from the messages, figures from the predictions.

What the model says is taken as it is: its predictions, and which rows it refuses;
`streamweir_quality.model_again` asks it again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from streamweir.contracts.ecommerce_fraud import (
    BROWSING_TOPIC,
    EVENT_LEVELS,
    FRAUD_SLIDE_S,
    FRAUD_WINDOW_S,
    FRAUD_WINDOWS,
    LOOKBACK_S,
    MODEL_COLUMNS,
    PREDICTIONS,
    PREDICTIONS_TOPIC,
    SESSION_TIME_ZONE,
    SOLD_QUANTITY,
    SOLD_WINDOW_S,
    TOP_CATEGORIES,
    TOP_PRODUCTS,
    TOP_PRODUCTS_SHOWN,
    TOP_WINDOW_S,
    TRANSACTIONS_TOPIC,
)
from streamweir.contracts.ecommerce_fraud.dataset import (
    BROWSING_KEY,
    IDS,
    STATIC_FILES,
    TRANSACTION_COLUMNS,
    TRANSACTION_KEY,
)
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.tables import Type
from streamweir.values import identifier, parse_number, parse_products
from streamweir_quality.ecommerce_fraud.static import read
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import Row, micros_of, reader_of, rows
from streamweir_quality.model_again import Score
from streamweir_quality.rejected import refused_by_model
from streamweir_quality.replayed import Replayed

SCORES = {
    "probability": Score.PROBABILITIES,
    "fraud_probability": Score.FRAUD,
    "prediction": Score.DECIDED,
}
"""What the columns of PREDICTIONS hold that come from the model."""

LARGEST = 2**63 - 1
_TYPES = {Type.STRING: pa.string(), Type.DOUBLE: pa.float64(), Type.TIMESTAMP: pa.timestamp("us", tz="UTC")}

_BROWSING = pa.schema(
    [
        ("session_id", pa.string()),
        ("event_type", pa.string()),
        ("t", pa.int64()),
        ("ts", pa.int64()),
        ("sequence", pa.int64()),
    ]
)
CARRIES = {
    "scored": pa.schema([("session_id", pa.string()), ("transaction_id", pa.string()), ("ts", pa.int64())]),
    "browsing": _BROWSING,
    "sold": pa.schema([("product_id", pa.int64()), ("quantity", pa.int64())]),
}
"""The ids that were scored within the retention, browsing rows within reach, and all that was sold so far."""
_LINES = pa.list_(pa.struct([("product_id", pa.int64()), ("quantity", pa.int64())]))
_BOUGHT = pa.schema(
    [
        *((column.name, _TYPES[column.type]) for column in TRANSACTION_COLUMNS),
        ("t", pa.int64()),
        ("products", _LINES),
        ("num_purchase", pa.int64()),
        ("run", pa.string()),
        ("batch_index", pa.int64()),
        ("sequence", pa.int64()),
        ("ts", pa.int64()),
        ("own_ts", pa.int64()),
        ("partition", pa.int64()),
        ("offset", pa.int64()),
        ("row", pa.int64()),
    ]
)


def recompute(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> dict[str, duckdb.DuckDBPyRelation]:
    """Predictions, as far as they do not come from the model, and all figures."""
    _register(inputs, sql)
    sql.execute((Path(__file__).parent / "recompute.sql").read_text(encoding="utf-8"))
    tables = (PREDICTIONS, FRAUD_WINDOWS, SOLD_QUANTITY, TOP_PRODUCTS, TOP_CATEGORIES)
    return {table.name: sql.table(f"batch_{table.name}") for table in tables}


def model_rows(sql: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """The columns that a model may use, of the scored transactions."""
    return sql.table("batch_predictions").select(*(column.name for column in MODEL_COLUMNS))


def _register(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> None:
    """Everything that recompute.sql begins with."""
    variables = {
        "run": inputs.replayed.run,
        "lateness_s": inputs.parameters.get("lateness_s", inputs.pipeline.lateness_s),
        "lookback_s": inputs.parameters.get("lookback_s", LOOKBACK_S),
        "retention_s": inputs.parameters.get("retention_s", RETENTION_S),
        "time_zone": inputs.parameters.get("time_zone", SESSION_TIME_ZONE),
        "fraud_window_s": FRAUD_WINDOW_S,
        "fraud_slide_s": FRAUD_SLIDE_S,
        "sold_window_s": SOLD_WINDOW_S,
        "top_window_s": TOP_WINDOW_S,
        "products_shown": TOP_PRODUCTS_SHOWN,
        "largest": LARGEST,
    }
    for name, value in variables.items():
        sql.execute(f"set variable {name} = $1", [value])
    _register_files(inputs, sql)
    tables = {
        "browsing_rows": reader_of(_browsing(inputs.replayed), _BROWSING),
        "bought_rows": reader_of(_bought(inputs.replayed), _BOUGHT),
        "levels": pd.DataFrame(EVENT_LEVELS.items(), columns=["event_type", "level"]),
        "ends": pa.table({"ts": pa.array(inputs.replayed.ends(BROWSING_TOPIC), pa.int64())}),
        **{file.name.removesuffix(".csv"): read(inputs, file) for file in STATIC_FILES},
    }
    for name, table in tables.items():
        sql.register(name, table)


def _register_files(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> None:
    sql.read_parquet(str(inputs.tables[PREDICTIONS.name])).create_view("said")
    refused_by_model(inputs, sql).create_view("refused")
    published = inputs.replayed.published.get(PREDICTIONS_TOPIC.name)
    sql.execute("create table published (run varchar, value blob)")
    if published:
        sql.read_parquet(str(published)).insert_into("published")


def _browsing(replayed: Replayed) -> Iterator[tuple[Any, ...]]:
    """The browsing rows that had to be used. t: event_time in microseconds. ts: the row's own."""
    for message in replayed.of(BROWSING_TOPIC):
        for _, row in rows(message, BROWSING_KEY):
            if (t := micros_of(row["event_time"])) is not None:
                session = identifier(row["session_id"])
                yield session, row["event_type"], t, row["ts"], message.headers.sequence


def _bought(replayed: Replayed) -> Iterator[tuple[Any, ...]]:
    """The transactions that can be scored as far as their own values go. t: created_at in microseconds.

    own_ts: the row's, which is older than the message's `ts` where a record was put back.
    """
    for message in replayed.of(TRANSACTIONS_TOPIC):
        headers = message.headers
        place = (headers.run, headers.batch, headers.sequence, headers.ts)
        for index, row in rows(message, TRANSACTION_KEY):
            if (typed := _typed(row)) is not None:
                yield *typed, *place, row["ts"], message.partition, message.offset, index


def _typed(row: Row) -> tuple[Any, ...] | None:
    """A transaction's values as _BOUGHT begins; None when one cannot be read."""
    t = micros_of(row["created_at"])
    try:
        values = {
            column.name: parse_number(row[column.name])
            if column.type is Type.DOUBLE
            else row.get(column.name)
            for column in TRANSACTION_COLUMNS
        }
        lines = parse_products(row["product_metadata"])
    except (KeyError, ValueError):
        return None
    bought = sum(line.quantity for line in lines)
    if t is None or bought > LARGEST:
        return None
    products = [{"product_id": line.product_id, "quantity": line.quantity} for line in lines]
    ids = {name: identifier(row[name]) for name in IDS.intersection(TRANSACTION_KEY)}
    return *{**values, **ids, "created_at": t}.values(), t, products, bought
