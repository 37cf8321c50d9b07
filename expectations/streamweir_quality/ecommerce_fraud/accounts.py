"""Tables against the ledger: batch by batch what was scored, reason by reason what was rejected."""

from collections.abc import Iterable

import pandas as pd

from streamweir.contracts.ecommerce_fraud import PREDICTIONS
from streamweir_quality.checks import Subject, between, equal, rows
from streamweir_quality.inputs import Inputs
from streamweir_quality.rejected import rejected_subjects


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
