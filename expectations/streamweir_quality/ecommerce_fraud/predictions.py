"""The predictions: keys, ranges, the model, and that they follow from what was sent.

Then their shares against training, and the tables against the ledger.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from great_expectations.expectations.expectation import Expectation

from streamweir.contracts.ecommerce_fraud import PIPELINE, PREDICTIONS, TRANSACTIONS_TOPIC
from streamweir.contracts.ecommerce_fraud.dataset import TRANSACTION_KEY, TRANSACTIONS
from streamweir.contracts.messages import RETENTION_S, Kind
from streamweir.replay.csvfile import text_rows
from streamweir.values import identifier, parse_products
from streamweir_quality.checks import (
    KEY_AGAIN,
    WARNING,
    Subject,
    between,
    equal,
    keys_again,
    mean_between,
    one_of,
    present,
    rows,
    unique_key,
)
from streamweir_quality.ecommerce_fraud.sales import LARGEST
from streamweir_quality.inputs import Inputs, Stored
from streamweir_quality.messages import reader_of
from streamweir_quality.messages import rows as rows_of
from streamweir_quality.rejected import rejected_subjects

CENT = 0.005
SHARES = "predictions and training"
Numbers = npt.NDArray[Any]
_TIMES_OF_DAY = ("morning", "afternoon", "evening", "night")
_NOT_PLAIN = re.compile(r"[^\w .,-]")


def predictions_subject(inputs: Inputs) -> Subject:
    """The predictions, with what can be worked out again beside them."""
    scored = inputs.ledger["totals"][TRANSACTIONS_TOPIC.name]["scored"]
    expectations = (
        rows(scored, "the table has as many rows as the ledger counts as scored"),
        unique_key(PREDICTIONS),
        between(
            "since_scored",
            inputs.parameters.get("retention_s", RETENTION_S) + 1,
            None,
            "a session_id and transaction_id is scored again only after the retention",
        ),
        *(present(key) for key in (*TRANSACTION_KEY, "ts", "batch_index", "scored_at")),
        one_of(
            "row_in_dataset",
            [True],
            "the transaction is a row of the dataset's live file, or was put back by hand",
        ),
        present("fraud_probability"),
        between("fraud_probability", 0, 1, "fraud_probability lies in [0, 1]"),
        between("probability_sum", 1 - 1e-6, 1 + 1e-6, "the model's probabilities of a row sum up to 1"),
        one_of("prediction", [0, 1], "prediction is 0 or 1"),
        *_decided(inputs.threshold),
        one_of("model_version", [inputs.version], "model_version is the run's model"),
        equal("ts", "event_ts_seconds", "event_ts is ts as a timestamp"),
        between("L1_ratio", 0, 100, "L1_ratio is a percentage"),
        between("L2_ratio", 0, 100, "L2_ratio is a percentage"),
        between("session_events", 0, None, "session_events is not negative"),
        one_of("time_of_day", _TIMES_OF_DAY, "time_of_day is morning, afternoon, evening or night"),
        equal("num_purchase", "expected_purchases", "num_purchase is the sum of the quantities"),
        between(
            "amount_missing",
            -CENT,
            CENT,
            "total_amount is what the products, the fee and the promo add up to",
            WARNING,
        ),
    )
    return Subject(
        PREDICTIONS.name,
        PREDICTIONS.name,
        Stored(inputs.tables[PREDICTIONS.name], _worked_out(inputs), few=["model_version", "time_of_day"]),
        expectations,
    )


def _worked_out(inputs: Inputs) -> dict[str, Any]:
    """What the predictions must agree with, row by row."""
    amounts = ["shipment_fee", "promo_amount", "total_amount"]
    frame = inputs.frame(PREDICTIONS.name, ["ts", "event_ts", "fraud_probability", *amounts])
    bought, goods = _products(inputs)
    return {
        KEY_AGAIN: keys_again(inputs.tables[PREDICTIONS.name], PREDICTIONS),
        "row_in_dataset": _is_known(inputs),
        "since_scored": _since_scored(inputs),
        "probability_sum": _sums(inputs),
        "expected_prediction": _called_fraud(frame, inputs.threshold),
        "event_ts_seconds": frame["event_ts"].dt.as_unit("s").astype("int64"),
        "expected_purchases": bought,
        "amount_missing": goods + frame["shipment_fee"] - frame["promo_amount"] - frame["total_amount"],
    }


def _since_scored(inputs: Inputs) -> pd.Series:
    frame = inputs.frame(PREDICTIONS.name, [*PIPELINE.identity, "ts"])
    return frame.sort_values("ts", kind="stable").groupby(list(PIPELINE.identity))["ts"].diff()


def _products(inputs: Inputs) -> tuple[Numbers, Numbers]:
    """How many products each prediction's metadata holds, and what they cost."""
    bought, goods = array("q"), array("d")
    for (text,) in inputs.each(PREDICTIONS.name, ["product_metadata"]):
        lines = parse_products(text)
        bought.append(min(sum(line.quantity for line in lines), LARGEST))
        goods.append(sum(line.quantity * line.item_price for line in lines))
    return np.asarray(bought), np.asarray(goods)


def _sums(inputs: Inputs) -> Numbers:
    sums = array("d", (sum(values) for (values,) in inputs.each(PREDICTIONS.name, ["probability"])))
    return np.asarray(sums)


def _is_known(inputs: Inputs) -> Numbers:
    """Whether each prediction is of a transaction of the dataset's live file, or of one that was put back."""
    keys = ", ".join(PIPELINE.identity)
    schema = pa.schema([(name, pa.string()) for name in PIPELINE.identity])
    with duckdb.connect() as sql:
        sql.register("known", reader_of(chain(_sent(inputs), _put_back(inputs)), schema))
        predictions = sql.read_parquet(str(inputs.tables[PREDICTIONS.name]), file_row_number=True)
        # Column names are the contract's, never the data's.
        known = f"({keys}) in (select ({keys}) from known) as known"  # noqa: S608
        found = predictions.select(f"{known}, file_row_number")
        return found.order("file_row_number").fetchnumpy()["known"]


def _decided(threshold: float | None) -> Iterator[Expectation]:
    """Nothing where the model's own prediction decides: only the model can check that."""
    if threshold is not None:
        sentence = f"prediction is 1 exactly where the threshold {threshold:.6g} is reached"
        yield equal("prediction", "expected_prediction", sentence)


def _called_fraud(frame: pd.DataFrame, threshold: float | None) -> pd.Series | None:
    return None if threshold is None else (frame["fraud_probability"] >= threshold).astype("int64")


def _sent(inputs: Inputs) -> Iterator[tuple[str, ...]]:
    """The keys of the transactions of the dataset's live file."""
    for row in text_rows(inputs.dataset / TRANSACTIONS.name):
        yield tuple(identifier(row[name]) for name in PIPELINE.identity)


def _put_back(inputs: Inputs) -> Iterator[tuple[str, ...]]:
    """The keys of the transactions that were put back: whoever mended one may have mended its key."""
    for message in inputs.replayed.of(TRANSACTIONS_TOPIC):
        if message.headers.kind is Kind.REDRIVE:
            yield from (
                tuple(identifier(row[name]) for name in PIPELINE.identity)
                for _, row in rows_of(message, TRANSACTION_KEY)
            )


def share_subjects(inputs: Inputs) -> Iterable[Subject]:
    """One subject, or none when the model's card says nothing of shares, as for a model from elsewhere."""
    card = inputs.card
    if card is None or not inputs.rows(PREDICTIONS.name) or not (inputs.fraud_share or card.category_shares):
        return
    frame = inputs.frame(PREDICTIONS.name, ["prediction", *card.category_shares])
    shares: dict[str, pd.Series] = {}
    expectations = []
    if inputs.fraud_share:
        shares["called fraud"] = (frame["prediction"] == 1).astype(float)
        expectations.append(_share("called fraud", inputs.fraud_share))
    for column, seen in card.category_shares.items():
        expectations.append(one_of(column, seen, f"training has seen every {column}", WARNING))
        for category, share in seen.items():
            name = f"{column} {_NOT_PLAIN.sub('_', category)}"
            shares[name] = (frame[column] == category).astype(float)
            expectations.append(_share(name, share))
    columns = frame[list(card.category_shares)]
    yield Subject(SHARES, PREDICTIONS.name, columns.assign(**shares), tuple(expectations))


def _share(name: str, seen: Mapping[str, float]) -> Expectation:
    low, high = seen["low"], seen["high"]
    sentence = f"the share of {name!r} is in the range that training saw, {low:.2%} to {high:.2%}"
    return mean_between(name, low, high, sentence)


def account_subjects(inputs: Inputs) -> Iterable[Subject]:
    """Predictions per batch, and the rejected records."""
    batches = inputs.ledger["batches"]
    yield Subject(
        "predictions per batch",
        PREDICTIONS.name,
        _per_batch(inputs),
        (
            rows(len(batches), "predictions come from no batch that the ledger does not know"),
            equal("in_ledger", "in_predictions", "each batch has as many predictions as the ledger says"),
            between("unexplained", 0, 0, "no row of the batch is unexplained"),
        ),
    )
    yield from rejected_subjects(inputs)


def _per_batch(inputs: Inputs) -> pd.DataFrame:
    topic = inputs.pipeline.leading.topic.name
    ledger = pd.DataFrame(
        [
            (batch["batch_index"], batch["topics"][topic]["scored"], batch["unexplained"])
            for batch in inputs.ledger["batches"]
        ],
        columns=["batch_index", "in_ledger", "unexplained"],
    )
    # A line of the ledger sums up so many batches, in the place of the first.
    per_line = inputs.ledger["batches_per_line"]
    first = inputs.frame(PREDICTIONS.name, ["batch_index"])["batch_index"] // per_line * per_line
    found = first.groupby(first).size().rename("in_predictions")
    merged = ledger.set_index("batch_index").join(found, how="outer").fillna(0)
    return merged.astype("int64").reset_index()
