"""Examples to learn fraud from: the history, as a replay would send it, through the scorer's own core."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from streamweir.arrow import arrow_schema
from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS
from streamweir.contracts.ecommerce_fraud.dataset import CUSTOMERS, FRAUD_LABELS, HISTORY_FILES
from streamweir.datasets.checks import refuse
from streamweir.replay.batches import virtual_ts
from streamweir.replay.csvfile import CsvFile, text_rows
from streamweir.replay.ecommerce_fraud import history_batches
from streamweir.values import identifier, parse_class
from streamweir_spark.core import OutputKind
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.local import LocalBatch, outputs
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.training.examples import LABEL, Examples

FILES = (CUSTOMERS.name, *(file.name for file in HISTORY_FILES))
"""What training reads of a dataset."""

NUMBERS = (
    "L1_ratio",
    "L2_ratio",
    "session_events",
    "num_purchase",
    "age",
    "first_join_year",
    "promo_amount",
    "shipment_fee",
    "shipment_location_lat",
    "shipment_location_long",
    "total_amount",
)
CATEGORIES = ("time_of_day", "gender", "payment_method", "payment_status", "clear_payment")

_START_TS = 1_600_000_000
"""Any start of the virtual clock will do: no input of the models depends on it."""


def examples(folder: Path) -> Examples:
    """The history's scorable transactions in order of created_at, with the label from fraud_transaction.csv.

    A transaction that the file does not list is not fraud. Raises DatasetUnusable with file, line and column.
    """
    frauds = _labels(folder)
    rows = list(_scored(folder))
    columns = zip(*rows, strict=True) if rows else ([] for _ in MODEL_COLUMNS)
    schema = arrow_schema(MODEL_COLUMNS)
    table = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema
    )
    table = table.sort_by([("created_at", "ascending"), ("transaction_id", "ascending")])
    label = [frauds.get(transaction, 0.0) for transaction in table["transaction_id"].to_pylist()]
    return Examples(table.append_column(LABEL, pa.array(label, pa.float64())), NUMBERS, CATEGORIES)


def _scored(folder: Path) -> Iterator[tuple[object, ...]]:
    domain = Domain(customers_of(text_rows(folder / CUSTOMERS.name)), ModelNeeds())
    names = [column.name for column in domain.scored_columns]
    for output in outputs(_batches(folder), READER, domain):
        if output.kind == OutputKind.SCORED and output.values is not None:
            values = dict(zip(names, output.values, strict=True)) | {"ts": output.ts}
            yield tuple(values[column.name] for column in MODEL_COLUMNS)


def _batches(folder: Path) -> Iterator[LocalBatch]:
    for batch in history_batches(folder):
        rows = {topic: [dict(row) for row in found] for topic, found in batch.rows.items()}
        yield LocalBatch(virtual_ts(_START_TS, batch.second), rows)


def _labels(folder: Path) -> dict[str, float]:
    path = folder / FRAUD_LABELS.name
    found = {}
    for number, row in enumerate(text_rows(path), start=1):
        try:
            found[identifier(row["transaction_id"])] = float(parse_class(row[LABEL]))
        except ValueError as error:
            refuse(CsvFile(path, ()), number, LABEL, str(error))
    return found
