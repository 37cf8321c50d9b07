"""What the scored transactions say: alerts against classes, amounts, hours. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamweir.contracts.card_fraud import EVENT_TIME, IS_ALERT
from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS
from streamweir.models import metrics
from streamweir.models.metrics import Confusion, Numbers

TOP = 100
"""How many of the most suspicious transactions somebody might look at."""
LOW_PRECISION = 0.25
"""Below this, three of four alerts are false: the threshold should be looked at."""
_SHARES = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)
_HOUR_S = 3600


@dataclass(frozen=True)
class Judged:
    """Transactions whose class is known: probability, amount, whether they raised an alert, were fraud."""

    probability: Numbers
    amount: Numbers
    alert: np.ndarray
    labels: Numbers

    @property
    def confusion(self) -> Confusion:
        """Alerts against frauds."""
        return metrics.confusion(self.labels, self.alert.astype(float), 1.0)

    @property
    def precision_of_top(self) -> float:
        """The share of frauds among the most suspicious; equals in the order of the table."""
        top = np.argsort(-self.probability, kind="stable")[:TOP]
        return float(self.labels[top].mean())

    def amount_at_risk(self, *, caught: bool) -> float:
        """What the frauds amount to that raised an alert, or raised none."""
        return float(self.amount[(self.labels == 1) & (self.alert == caught)].sum())


def judged(scored: pa.Table) -> Judged | None:
    """The transactions of the table whose class is known; None when there are none."""
    known = scored.filter(pc.is_valid(scored[CLASS.name]))
    if not known.num_rows:
        return None
    return Judged(
        known["fraud_prob"].to_numpy(),
        known[AMOUNT.name].to_numpy(),
        np.asarray(known[IS_ALERT.name].to_pylist(), dtype=bool),
        known[CLASS.name].to_numpy().astype(float),
    )


def verdicts(found: Judged) -> list[dict[str, Any]]:
    """Alerts and frauds, a measure per row."""
    counts, frauds = found.confusion, bool(found.labels.sum())
    area = metrics.pr_auc(found.labels, found.probability) if frauds else None
    precision = counts.precision if counts.tp + counts.fp else None
    rows = (
        ("alerts", counts.tp + counts.fp, "transactions that were called fraud"),
        ("true positives", counts.tp, "alerts that are frauds"),
        ("false positives", counts.fp, "alerts that are honest"),
        ("missed frauds", counts.fn, "frauds that raised no alert"),
        ("precision", precision, "of the alerts, how many are frauds"),
        ("recall", counts.recall if frauds else None, "of the frauds, how many raised an alert"),
        ("PR-AUC", area, "area under precision over recall; the share of frauds is chance"),
        (f"precision among the top {TOP}", found.precision_of_top, "by probability, whatever the threshold"),
        ("amount at risk caught", found.amount_at_risk(caught=True), "of frauds that raised an alert"),
        ("amount at risk missed", found.amount_at_risk(caught=False), "of frauds that raised none"),
    )
    return [{"measure": name, "value": value, "meaning": meaning} for name, value, meaning in rows]


def unknown() -> list[dict[str, Any]]:
    """The same of transactions whose class nobody knows."""
    meaning = "the dataset has no column Class: nobody can say which alerts are right, or what was missed"
    names = ("true and false positives", "missed frauds", "precision and recall", "PR-AUC", "amount at risk")
    return [{"measure": name, "value": None, "meaning": meaning} for name in names]


def hint(found: Judged | None) -> str:
    """What to do about a precision that is too low; empty when it is not."""
    if found is None:
        return ""
    counts = found.confusion
    if not counts.tp + counts.fp or counts.precision >= LOW_PRECISION:
        return ""
    return (
        f"Only {counts.precision:.1%} of the alerts are frauds: look at the threshold, a higher one gives "
        "fewer false alerts."
    )


def distribution(scored: pa.Table) -> list[dict[str, Any]]:
    """How probabilities and amounts are spread: the value below which a share of them lies."""
    columns = {name: scored[name].to_numpy() for name in ("fraud_prob", AMOUNT.name)}
    return [
        {
            "share": "smallest" if share == 0 else "largest" if share == 1 else f"{share:.1%} lie below",
            **{name: float(np.quantile(values, share)) for name, values in columns.items()},
        }
        for share in _SHARES
    ]


def per_hour(scored: pa.Table) -> list[dict[str, Any]]:
    """Transactions and alerts of each hour of event time, every hour from the first to the last."""
    hours = scored[EVENT_TIME.name].cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).to_numpy() // _HOUR_S
    alert = np.asarray(scored[IS_ALERT.name].to_pylist(), dtype=bool)
    first = int(hours.min())
    count = int(hours.max()) - first + 1
    transactions, alerts = (np.bincount(some - first, minlength=count) for some in (hours, hours[alert]))
    return [
        {
            "hour": datetime.fromtimestamp((first + at) * _HOUR_S, UTC),
            "transactions": int(transactions[at]),
            "alerts": int(alerts[at]),
        }
        for at in range(count)
    ]


def side_by_side(checks: Sequence[dict[str, Any]], topic: str) -> list[dict[str, Any]]:
    """The ledger's check of an output topic: rows of the table that belong on it, and records it holds."""
    return [
        {"topic": topic, "in_table": check["left"], "on_topic": check["right"], "equal": check["equal"]}
        for check in checks
        if check["name"].startswith(f"{topic}: ")
    ]
