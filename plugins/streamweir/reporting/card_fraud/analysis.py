"""What the scored transactions say: alerts against classes, amounts, hours. Pure.

What the alerts are worth is told of transactions that the model did not learn from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamweir.contracts.card_fraud import EVENT_TIME, IS_ALERT
from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS
from streamweir.models import metrics
from streamweir.models.card import Card
from streamweir.models.metrics import Confusion, Interval, Numbers

TOP = 100
"""How many of the most suspicious transactions somebody might look at."""
LOW_PRECISION = 0.25
"""Below this, three of four alerts are false: the threshold should be looked at."""
FEW = 30
"""A share of fewer than these is told as an interval: one more or less would change it by much."""
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

    def where(self, wanted: np.ndarray) -> "Judged":
        """Those of them for which `wanted` is true."""
        return Judged(*(values[wanted] for values in vars(self).values()))


@dataclass(frozen=True)
class Apart:
    """Transactions whose class is known: those that the model did not learn from, and those that taught it or
    chose its threshold."""

    new: Judged
    seen: Judged


def judged(scored: pa.Table, taught: int = 0) -> Apart | None:
    """The transactions of the table whose class is known, in its order; None when there are none.

    taught: how many of them, the first that were sent, the model was made from.
    """
    known = scored.filter(pc.is_valid(scored[CLASS.name]))
    if not known.num_rows:
        return None
    found = Judged(
        known["fraud_prob"].to_numpy(),
        known[AMOUNT.name].to_numpy(),
        np.asarray(known[IS_ALERT.name].to_pylist(), dtype=bool),
        known[CLASS.name].to_numpy().astype(float),
    )
    seen = np.zeros(known.num_rows, dtype=bool)
    seen[np.argsort(known["batch_index"].to_numpy(), kind="stable")[:taught]] = True
    return Apart(found.where(~seen), found.where(seen))


def taught_by(card: Mapping[str, Any] | None, dataset: Mapping[str, Any]) -> int:
    """How many of a dataset's labelled transactions, the first in order of time, a model was made from."""
    return Card.from_json(card).taught_by(dataset.get("history_fingerprint")) if card else 0


_MEASURES = {
    "transactions": "whose class is known",
    "alerts": "transactions that were called fraud",
    "true positives": "alerts that are frauds",
    "false positives": "alerts that are honest",
    "missed frauds": "frauds that raised no alert",
    "precision": "of the alerts, how many are frauds",
    "recall": "of the frauds, how many raised an alert",
    "PR-AUC": "area under precision over recall; the share of frauds is chance",
    f"precision among the top {TOP}": "by probability, whatever the threshold",
    "amount at risk caught": "of frauds that raised an alert",
    "amount at risk missed": "of frauds that raised none",
}


def verdicts(found: Apart) -> list[dict[str, Any]]:
    """Alerts and frauds, a measure per row: `value`, with the 95 % interval `low` to `high`, on transactions
    that the model did not learn from; `seen`: on the others."""
    new, seen, between = _measured(found.new), _measured(found.seen), _intervals(found.new)
    return [
        {
            "measure": name,
            "value": new.get(name),
            "low": between[name][0] if name in between else None,
            "high": between[name][1] if name in between else None,
            "seen": seen.get(name),
            "meaning": meaning,
        }
        for name, meaning in _MEASURES.items()
    ]


def _measured(found: Judged) -> dict[str, float | None]:
    """The measures of some transactions; None for one that takes a fraud or an alert that is not there."""
    if not len(found.labels):
        return {}
    counts, frauds = found.confusion, bool(found.labels.sum())
    return {
        "transactions": len(found.labels),
        "alerts": counts.tp + counts.fp,
        "true positives": counts.tp,
        "false positives": counts.fp,
        "missed frauds": counts.fn,
        "precision": counts.precision if counts.tp + counts.fp else None,
        "recall": counts.recall if frauds else None,
        "PR-AUC": metrics.pr_auc(found.labels, found.probability) if frauds else None,
        f"precision among the top {TOP}": found.precision_of_top,
        "amount at risk caught": found.amount_at_risk(caught=True),
        "amount at risk missed": found.amount_at_risk(caught=False),
    }


def _intervals(found: Judged) -> dict[str, Interval]:
    if not len(found.labels):
        return {}
    counts, frauds = found.confusion, int(found.labels.sum())
    between = {}
    if counts.tp + counts.fp:
        between["precision"] = metrics.share_interval(counts.tp, counts.tp + counts.fp)
    if frauds:
        between["recall"] = metrics.share_interval(counts.tp, frauds)
        area = metrics.pr_auc(found.labels, found.probability)
        between["PR-AUC"] = metrics.pr_auc_interval(area, frauds)
    return between


def share_in_words(hits: int, of: int) -> str:
    """A share in per cent; of few as the 95 % interval, and of none as what is not known."""
    if not of:
        return "not known"
    if of >= FEW:
        return f"{hits / of:.1%}"
    low, high = metrics.share_interval(hits, of)
    return f"{low:.0%} to {high:.0%}"


def unknown() -> list[dict[str, Any]]:
    """The same of transactions whose class nobody knows."""
    meaning = "the dataset has no column Class: nobody can say which alerts are right, or what was missed"
    names = ("true and false positives", "missed frauds", "precision and recall", "PR-AUC", "amount at risk")
    return [_nothing_of(name, meaning) for name in names]


def count_of_alerts(alerts: int) -> dict[str, Any]:
    """The one measure that is known without classes."""
    return {**_nothing_of("alerts", "whether they are right is unknown"), "value": alerts}


def _nothing_of(measure: str, meaning: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("value", "low", "high", "seen"))
    return {"measure": measure, **nothing, "meaning": meaning}


def hint(found: Judged) -> str:
    """What to do about a precision that is too low; empty when it is not."""
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
