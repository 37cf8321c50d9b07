"""The rejected records against the ledger, the same for every pipeline: reason by reason."""

from collections.abc import Iterable

import pandas as pd

from streamweir.contracts.rejected import REJECTED, Reason
from streamweir_quality.checks import Subject, between, equal, one_of, present
from streamweir_quality.inputs import Inputs

_COUNTED = (Reason.MALFORMED, Reason.LATE, Reason.UNSCORABLE, Reason.DUPLICATE)


def rejected_subjects(inputs: Inputs) -> Iterable[Subject]:
    """The rejected records, and how many there are per reason."""
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


def _per_reason(inputs: Inputs) -> pd.DataFrame:
    rejected = inputs.frame(REJECTED.name)
    lines = []
    for topic, line in inputs.ledger["totals"].items():
        for reason in _COUNTED:
            mine = rejected[(rejected["topic"] == topic) & (rejected["reason"] == reason.value)]
            lines.append((topic, reason.value, line.get(reason.value, 0), int(mine["rows"].sum())))
    return pd.DataFrame(lines, columns=["topic", "reason", "in_ledger", "in_rejected"])
