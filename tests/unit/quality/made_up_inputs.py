"""A made-up run as the suites see it: generated data, predictions by dice, figures by the scorer's code."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from streamweir.contracts.ecommerce_fraud import PIPELINE, dataset
from streamweir.contracts.ecommerce_fraud.results import PREDICTIONS
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import Table, Type
from streamweir.datagen import generator
from streamweir.ledger.arrow import conform, schema_of
from streamweir.models.card import Card
from streamweir.progress import no_progress
from streamweir.values import parse_products, parse_time
from streamweir_quality.inputs import Inputs
from streamweir_spark.ecommerce_fraud.figures import Figures, ScoredRow, products_of

START_TS = 1_700_000_017
SECONDS = 400
VERSION = "20260101T000000Z-0badcafe"
THRESHOLD = 0.9
LATE = 3


def made_up_dataset(folder: Path) -> Path:
    """A small dataset in `folder`."""
    generator(PIPELINE.name)(folder, seed=11, batches=20, history_batches=60, progress=no_progress)
    return folder


def made_up_inputs(folder: Path) -> Inputs:
    """A run of that dataset in which everything is right: some rows late, the others scored."""
    sent = pd.read_csv(folder / dataset.TRANSACTIONS.name, dtype=str, keep_default_na=False)
    predictions = _predictions(sent.iloc[LATE:])
    late = pd.DataFrame([_late(number, row) for number, row in enumerate(sent.iloc[:LATE].transaction_id)])
    tables = {
        PREDICTIONS.name: conform(pa.Table.from_pandas(predictions, preserve_index=False), PREDICTIONS),
        REJECTED.name: conform(pa.Table.from_pandas(late, preserve_index=False), REJECTED),
        **_figures(folder, predictions),
    }
    return Inputs(
        pipeline=PIPELINE,
        tables=tables,
        ledger=_ledger(predictions),
        dataset=folder,
        card=_card(predictions),
        version=VERSION,
        first=True,
    )


def with_frame(inputs: Inputs, table: str, frame: pd.DataFrame) -> Inputs:
    """The same run with another table."""
    arrow = pa.Table.from_pandas(frame, schema=schema_of(PIPELINE.table(table)), preserve_index=False)
    return replace(inputs, tables={**inputs.tables, table: arrow})


def _predictions(rows: pd.DataFrame) -> pd.DataFrame:
    dice = np.random.default_rng(3)
    probability = dice.random(len(rows))
    batch = np.sort(dice.integers(0, SECONDS, len(rows)))
    numbers = {column.name: float for column in dataset.TRANSACTION_COLUMNS if column.type is Type.DOUBLE}
    return rows.astype(numbers).assign(
        created_at=pd.to_datetime([parse_time(text) for text in rows.created_at], unit="us", utc=True),
        ts=START_TS + batch,
        event_ts=pd.to_datetime(START_TS + batch, unit="s", utc=True),
        L1_ratio=50.0,
        L2_ratio=25.0,
        time_of_day="night",
        num_purchase=[sum(line.quantity for line in parse_products(text)) for text in rows.product_metadata],
        age=30,
        first_join_year=2020,
        gender="F",
        session_events=4,
        rawPrediction=[[-value, value] for value in probability],
        probability=[[1 - value, value] for value in probability],
        fraud_probability=probability,
        prediction=(probability >= THRESHOLD).astype(int),
        model_version=VERSION,
        batch_index=batch,
        scored_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _late(number: int, identity: str) -> dict[str, Any]:
    place = {"topic": "transactions", "partition": 0, "offset": number, "row": 0, "rows": 1}
    why = {"reason": "late", "detail": "90 s behind", "raw": b"{}", "id": identity}
    return {"run": "r", "batch_index": 0, "sequence": 0, **place, **why}


def _figures(folder: Path, predictions: pd.DataFrame) -> dict[str, pa.Table]:
    rows = {
        file: pd.read_csv(folder / file.name, dtype=str, keep_default_na=False).to_dict("records")
        for file in (dataset.PRODUCTS, dataset.CATEGORIES)
    }
    figures = Figures(products_of(rows[dataset.PRODUCTS], rows[dataset.CATEGORIES]))
    scored = [
        ScoredRow(*values)
        for values in predictions[["ts", "prediction", "product_metadata"]].itertuples(index=False, name=None)
    ]
    _, tables = figures.advance(None, scored, START_TS + 10 * SECONDS)
    return {name: _table(PIPELINE.table(name), lines) for name, lines in tables.items()}


def _table(table: Table, lines: list[tuple[object, ...]]) -> pa.Table:
    columns = zip(*lines, strict=True)
    schema = schema_of(table)
    arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, schema, strict=True)]
    return conform(pa.Table.from_arrays(arrays, schema=schema), table)


def _ledger(predictions: pd.DataFrame) -> dict[str, Any]:
    scored = Counter(predictions.batch_index)
    batches = [
        {"batch_index": index, "topics": {"transactions": {"scored": scored[index]}}, "unexplained": 0}
        for index in range(SECONDS)
    ]
    return {"totals": {"transactions": {"scored": len(predictions), "late": LATE}}, "batches": batches}


def _card(predictions: pd.DataFrame) -> Card:
    found = predictions.payment_method.value_counts(normalize=True)
    shares = {
        name: {"share": share, "low": share - 0.01, "high": share + 0.01} for name, share in found.items()
    }
    return Card(
        source="trained",
        version=VERSION,
        threshold=THRESHOLD,
        fraud_share={"labelled": 0.0165, "predicted": 0.1, "low": 0.05, "high": 0.15},
        category_shares={"payment_method": shares},
    )
