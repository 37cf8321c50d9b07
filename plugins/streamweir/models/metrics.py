"""How good scores are, by scikit-learn, with an answer also where all rows are of one kind.

`labels` hold 1 for fraud and 0 else, `scores` the probability of fraud, row by row.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

Numbers = NDArray[np.float64]
Interval = tuple[float, float]
_Z = 1.959964
"""How many standard deviations hold 95 % of a normal distribution, to either side."""


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


def pr_auc(labels: Numbers, scores: Numbers, weights: Numbers | None = None) -> float:
    """Average precision: sum over thresholds of (R_n - R_{n-1}) * P_n, without interpolation.

    The step-wise area under precision and recall (Manning et al., Introduction to Information Retrieval,
    8.4); a straight line between two points would flatter (Davis and Goadrich 2006). 0 without a fraud.
    weights: how many rows each one stands for; one by default.
    """
    if not (labels if weights is None else labels * weights).any():
        return 0.0
    return float(metrics.average_precision_score(labels, scores, sample_weight=weights))


def precision_recall(labels: Numbers, scores: Numbers) -> tuple[Numbers, Numbers]:
    """Precision and recall at every threshold, the largest first; nothing without a fraud."""
    if not labels.any():
        return np.zeros(0), np.zeros(0)
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    # Without the point at the end that belongs to no threshold.
    return precision[-2::-1], recall[-2::-1]


def roc_auc(labels: Numbers, scores: Numbers) -> float:
    """The probability that a fraud scores higher than an honest row, ties counted half (Mann-Whitney U).

    0.5 when all rows are of one kind.
    """
    return float(metrics.roc_auc_score(labels, scores)) if 0 < labels.mean() < 1 else 0.5


def best_f1_threshold(labels: Numbers, scores: Numbers) -> float:
    """The score at and above which calling a row fraud gives the largest F1; the highest of equals."""
    if not labels.any():
        return float(scores.max())
    _, recall, thresholds = metrics.precision_recall_curve(labels, scores)
    # Counts, because rounded rates would tell equals apart.
    hits = np.rint(recall[:-1] * labels.sum())
    alerts = len(scores) - np.searchsorted(np.sort(scores), thresholds)
    f1 = 2 * hits / (alerts + labels.sum())
    return float(thresholds[np.flatnonzero(f1 == f1.max())[-1]])


def confusion(labels: Numbers, scores: Numbers, threshold: float) -> Confusion:
    """Counts when a row is called fraud at `threshold` and above."""
    tn, fp, fn, tp = metrics.confusion_matrix(labels, scores >= threshold, labels=[0, 1]).ravel().tolist()
    return Confusion(tp, fp, fn, tn)


def share_interval(hits: int, of: int) -> Interval:
    """The 95 % interval of a share of which `of` draws showed `hits` (Wilson 1927); 0 to 1 without a draw."""
    if not of:
        return 0.0, 1.0
    share, squared = hits / of, _Z**2
    middle = (share + squared / (2 * of)) / (1 + squared / of)
    half = _Z * math.sqrt(share * (1 - share) / of + squared / (4 * of**2)) / (1 + squared / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def pr_auc_interval(area: float, frauds: int) -> Interval:
    """The 95 % interval of an area under precision over recall, by its logit (Boyd, Eng and Page 2013).

    An area of 0 or 1 counts as half a fraud away from it. 0 to 1 without a fraud.
    """
    if not frauds:
        return 0.0, 1.0
    inside = min(max(area, 0.5 / frauds), 1 - 0.5 / frauds)
    middle, half = math.log(inside / (1 - inside)), _Z / math.sqrt(frauds * inside * (1 - inside))
    low, high = (1 / (1 + math.exp(-at)) for at in (middle - half, middle + half))
    return low, high
