"""The scored transactions: keys, ranges, the deciding rule, the model; and the share of alerts."""

from collections.abc import Iterable

import pandas as pd

from streamweir.contracts.card_fraud import EVENT_TIME, IS_ALERT, SCORED, TRANSACTIONS_TOPIC
from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS, FILE, NUMBER_NAMES
from streamweir.replay.csvfile import CsvFile
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
from streamweir_quality.inputs import Inputs, Stored

_ALWAYS = (EVENT_TIME.name, AMOUNT.name, "fraud_prob", "prediction", IS_ALERT.name, "scored_at")


def scored_subject(inputs: Inputs) -> Subject:
    """The table `scored`, with what its alerts must be beside it."""
    scored = inputs.ledger["totals"][TRANSACTIONS_TOPIC.name]["scored"]
    last = sum(1 for _ in CsvFile(inputs.dataset / FILE, NUMBER_NAMES).rows()) - 1
    expectations = (
        rows(scored, "the table has as many rows as the ledger counts as scored"),
        unique_key(SCORED),
        *(present(name) for name in (*SCORED.key, *_ALWAYS)),
        between("transaction_id", 0, last, "the transaction is a row of the dataset"),
        between(AMOUNT.name, 0, None, "no amount is negative", WARNING),
        one_of(CLASS.name, [0, 1], "the class is 0 or 1 where the dataset has classes"),
        between("fraud_prob", 0, 1, "fraud_prob lies in [0, 1]"),
        one_of("prediction", [0, 1], "prediction is 0 or 1"),
        equal(IS_ALERT.name, "expected_alert", _sentence_of_alerts(inputs)),
        one_of("model_version", [inputs.version], "model_version is the run's model"),
    )
    file = inputs.tables[SCORED.name]
    worked_out = {"expected_alert": _expected_alert(inputs), KEY_AGAIN: keys_again(file, SCORED)}
    return Subject(SCORED.name, SCORED.name, Stored(file, worked_out, few=["model_version"]), expectations)


def share_subjects(inputs: Inputs) -> Iterable[Subject]:
    """The share of alerts; none for a model that says nothing of shares, as one from elsewhere."""
    share = inputs.fraud_share
    if not share or not inputs.rows(SCORED.name):
        return
    low, high = share["low"], share["high"]
    sentence = f"the share of alerts is in the range that training saw, {low:.3%} to {high:.3%}"
    is_alert = inputs.frame(SCORED.name, [IS_ALERT.name])[IS_ALERT.name]
    alerts = pd.DataFrame({"alerts": is_alert.astype("int8")})
    yield Subject("alerts and training", SCORED.name, alerts, (mean_between("alerts", low, high, sentence),))


def _expected_alert(inputs: Inputs) -> pd.Series:
    decides = "prediction" if inputs.threshold is None else "fraud_prob"
    value = inputs.frame(SCORED.name, [decides])[decides]
    return value == 1 if inputs.threshold is None else value >= inputs.threshold


def _sentence_of_alerts(inputs: Inputs) -> str:
    if inputs.threshold is None:
        return "is_alert is true exactly where the model's own prediction is 1"
    return f"is_alert is true exactly where the threshold {inputs.threshold:.6g} is reached"
