"""Tables against the ledger: batch by batch what was scored, reason by reason what was rejected."""

from collections.abc import Iterable

import pandas as pd

from streamweir.contracts.ecommerce_fraud.results import PREDICTIONS
from streamweir.contracts.rejected import REJECTED, Reason
from streamweir_quality.checks import Subject, between, equal, one_of, present, rows
from streamweir_quality.inputs import Inputs

_COUNTED = (Reason.MALFORMED, Reason.LATE, Reason.UNSCORABLE, Reason.DUPLICATE)


def account_subjects(inputs: Inputs) -> Iterable[Subject]:
    """Predictions per batch, rejected records, and rejected records per reason."""
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
    yield Subject(
        REJECTED.name,
        REJECTED.name,
        inputs.frame(REJECTED.name).drop(columns="raw"),
        (
            one_of("reason", [reason.value for reason in Reason], "the reason is one of the five"),
            *(present(column) for column in ("topic", "partition", "offset", "row", "reason", "detail")),
            between("rows", 0, None, "the number of records a line accounts for is not negative"),
        ),
    )
    yield Subject(
        "rejected per reason",
        REJECTED.name,
        _per_reason(inputs),
        (
            equal(
                "in_ledger", "in_rejected", "as many records were rejected for each reason as the ledger says"
            ),
        ),
    )


def _per_batch(inputs: Inputs) -> pd.DataFrame:
    topic = inputs.pipeline.scored.name
    ledger = pd.DataFrame(
        [
            (batch["batch_index"], batch["topics"][topic]["scored"], batch["unexplained"])
            for batch in inputs.ledger["batches"]
        ],
        columns=["batch_index", "in_ledger", "unexplained"],
    )
    found = inputs.frame(PREDICTIONS.name).groupby("batch_index").size().rename("in_predictions")
    merged = ledger.set_index("batch_index").join(found, how="outer").fillna(0)
    return merged.astype("int64").reset_index()


def _per_reason(inputs: Inputs) -> pd.DataFrame:
    rejected = inputs.frame(REJECTED.name)
    lines = []
    for topic, line in inputs.ledger["totals"].items():
        for reason in _COUNTED:
            mine = rejected[(rejected["topic"] == topic) & (rejected["reason"] == reason.value)]
            lines.append((topic, reason.value, line.get(reason.value, 0), int(mine["rows"].sum())))
    return pd.DataFrame(lines, columns=["topic", "reason", "in_ledger", "in_rejected"])
