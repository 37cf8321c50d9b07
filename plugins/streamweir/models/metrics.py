"""How good scores are: pure numpy, so that a model is scored once and measured often.

`labels` hold 1 for fraud and 0 else, `scores` the probability of fraud, row by row.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class _Curve(NamedTuple):
    """By distinct score, largest first: the rows with at least this score, and the frauds among them."""

    thresholds: Numbers
    alerts: Numbers
    hits: Numbers


class Confusion(NamedTuple):
    """Counts of rows at a threshold."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float:
        """The share of frauds among the alerts; 0 without an alert."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        """The share of the frauds that were found; 0 without a fraud."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def alerts_per_thousand(self) -> float:
        """Alerts in a thousand rows."""
        rows = sum(self)
        return 1000 * (self.tp + self.fp) / rows if rows else 0.0


def pr_auc(labels: Numbers, scores: Numbers) -> float:
    """Average precision: sum over thresholds of (R_n - R_{n-1}) * P_n, without interpolation.

    The step-wise area under precision and recall (Manning et al., Introduction to Information Retrieval,
    8.4); a straight line between two points would flatter (Davis and Goadrich 2006). 0 without a fraud.
    """
    curve = _curve(labels, scores)
    frauds = labels.sum()
    if not frauds:
        return 0.0
    gained = np.diff(curve.hits, prepend=0.0) / frauds
    return float(np.sum(gained * curve.hits / curve.alerts))


def precision_recall(labels: Numbers, scores: Numbers) -> tuple[Numbers, Numbers]:
    """Precision and recall at every threshold, the largest first; nothing without a fraud."""
    frauds = labels.sum()
    if not frauds:
        return np.zeros(0), np.zeros(0)
    curve = _curve(labels, scores)
    return curve.hits / curve.alerts, curve.hits / frauds


def roc_auc(labels: Numbers, scores: Numbers) -> float:
    """The probability that a fraud scores higher than an honest row, ties counted half (Mann-Whitney U).

    0.5 when all rows are of one kind.
    """
    frauds, honest = labels.sum(), (1 - labels).sum()
    if not frauds or not honest:
        return 0.5
    curve = _curve(labels, scores)
    true, false = curve.hits / frauds, (curve.alerts - curve.hits) / honest
    return float(np.trapezoid(np.append(0.0, true), np.append(0.0, false)))


def best_f1_threshold(labels: Numbers, scores: Numbers) -> float:
    """The score at and above which calling a row fraud gives the largest F1; the highest of equals."""
    curve = _curve(labels, scores)
    f1 = 2 * curve.hits / (curve.alerts + labels.sum())
    return float(curve.thresholds[int(np.argmax(f1))])


def confusion(labels: Numbers, scores: Numbers, threshold: float) -> Confusion:
    """Counts when a row is called fraud at `threshold` and above."""
    called, fraud = scores >= threshold, labels == 1
    return Confusion(
        tp=int(np.sum(called & fraud)),
        fp=int(np.sum(called & ~fraud)),
        fn=int(np.sum(~called & fraud)),
        tn=int(np.sum(~called & ~fraud)),
    )


def _curve(labels: Numbers, scores: Numbers) -> _Curve:
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last_of_equals = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    hits = np.cumsum(labels[order])[last_of_equals]
    return _Curve(ordered[last_of_equals], last_of_equals + 1.0, hits)
