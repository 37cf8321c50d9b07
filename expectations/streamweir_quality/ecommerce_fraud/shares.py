"""What training saw against what the run brought: shares of fraud and of each category, as warnings."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd
from great_expectations.expectations.expectation import Expectation

from streamweir.contracts.ecommerce_fraud import PREDICTIONS
from streamweir_quality.checks import WARNING, Subject, mean_between, one_of
from streamweir_quality.inputs import Inputs

_NOT_PLAIN = re.compile(r"[^\w .,-]")
SUITE = "predictions and training"


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
    yield Subject(SUITE, PREDICTIONS.name, columns.assign(**shares), tuple(expectations))


def _share(name: str, seen: Mapping[str, float]) -> Expectation:
    low, high = seen["low"], seen["high"]
    sentence = f"the share of {name!r} is in the range that training saw, {low:.2%} to {high:.2%}"
    return mean_between(name, low, high, sentence)
