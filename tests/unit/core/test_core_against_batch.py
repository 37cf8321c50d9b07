"""The scoring core over a generated dataset, held against the independent batch computation in DuckDB."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pandas as pd
import pytest

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.datagen import generator
from streamweir.progress import no_progress
from streamweir.replay.batches import virtual_ts
from streamweir.replay.ecommerce_fraud import batches
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.ecommerce_fraud.figures import Figures, ScoredRow, products_of
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.local import LocalBatch, outputs
from streamweir_spark.needs import ModelNeeds
from tests.oracle.ecommerce_fraud import Batch, compute
from tests.unit.core.ecommerce_stream import rejected, scored

START = 1_712_419_000
LIMIT = 145
ID = ["session_id", "transaction_id"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("dataset")
    generator("ecommerce_fraud")(found, seed=7, batches=150, history_batches=1, progress=no_progress)
    _spoil(found / "new_transactions.csv")
    return found


@pytest.fixture(scope="module")
def oracle(folder: Path) -> Batch:
    return compute(folder, START, batches=LIMIT, batch_rows=40, lookback_s=30)


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, Any]]:
    domain = Domain(customers_of(_csv(folder / "customer.csv")), ModelNeeds(), lookback_s=30)
    found = list(outputs(_replayed(folder), READER, domain))
    assert {output.reason for output in rejected(found)} == {"malformed", "unscorable", "duplicate"}
    return scored(found, domain)


def test_the_stream_scores_what_the_batch_scores_with_the_same_features(
    rows: list[dict[str, Any]], oracle: Batch
) -> None:
    expected = oracle.features().sort_values(ID).reset_index(drop=True)
    assert len(expected) > 500
    assert (expected.session_events > 1).sum() > 100
    found = pd.DataFrame(rows).sort_values(ID).reset_index(drop=True)[list(expected.columns)]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)


def test_the_figures_are_those_of_the_batch(rows: list[dict[str, Any]], oracle: Batch, folder: Path) -> None:
    predictions = pd.DataFrame(
        [{name: row[name] for name in ID} | {"prediction": _prediction(row)} for row in rows]
    )
    expected = oracle.figures(predictions, folder / "product.csv")
    products = products_of(_csv(folder / "product.csv"), _csv(folder / "category.csv"))
    said = [ScoredRow(row["ts"], _prediction(row), row["product_metadata"]) for row in rows]
    last = max(row.ts for row in said)
    _, found = Figures(products).advance(None, said, last + PIPELINE.flush_after_s)
    for name, table in expected.items():
        lines = pd.DataFrame(found[name], columns=PIPELINE.table(name).names)
        lines[["window_start", "window_end"]] //= 1_000_000
        assert len(table) > 1, name
        pd.testing.assert_frame_equal(lines, table, check_dtype=False, check_exact=True, obj=name)


def _prediction(row: dict[str, Any]) -> int:
    return int(crc32(row["transaction_id"].encode()) % 7 == 0)


def _replayed(folder: Path) -> Iterator[LocalBatch]:
    for batch in batches(folder, batch_rows=40, limit=LIMIT):
        rows = {topic: [dict(row) for row in found] for topic, found in batch.rows.items()}
        yield LocalBatch(virtual_ts(START, batch.second), rows)


def _spoil(path: Path) -> None:
    """Make some transactions repeat, some unreadable and some unscorable."""
    rows = _csv(path)
    for number, column, value in [
        (3, "total_amount", "1_0"),
        (5, "customer_id", "nobody"),
        (9, "customer_id", ""),
        (12, "product_metadata", "[{'product_id': 1, 'quantity': 0, 'item_price': 1}]"),
        (20, "shipment_fee", "NaN"),
        (31, "created_at", "soon"),
    ]:
        rows[number][column] = value
    rows[40:40] = rows[30:33]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
