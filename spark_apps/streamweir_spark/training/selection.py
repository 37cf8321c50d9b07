"""Which candidate is taken, at which threshold, and what its card says."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow
import pyspark
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from streamweir.contracts.tables import Column
from streamweir.models import metrics
from streamweir.models.card import TRAINED, Card
from streamweir.models.metrics import Numbers
from streamweir_spark.model import prepare
from streamweir_spark.training.candidates import SEED, Fitted, fit_all, frame_of, fraud_probabilities
from streamweir_spark.training.examples import LABEL, Examples, Split, category_shares, share_range

_FOLDS = 3
Say = Callable[[str], None]
SELECTION_RULE = "the largest PR-AUC on the second part of the history"
THRESHOLD_RULE = "the probability with the largest F1 on the second part of the history"
SPARSE_SELECTION_RULE = (
    "the largest PR-AUC by cross-validation on the first part of the history: the second holds no fraud"
)
SPARSE_THRESHOLD = 0.5
SPARSE_THRESHOLD_RULE = (
    f"{SPARSE_THRESHOLD}, because the second part of the history holds no fraud to choose one by"
)


def out_of_fold(spark: SparkSession, examples: Examples, columns: Sequence[Column]) -> dict[str, Numbers]:
    """By algorithm the fraud probability of each row, from a candidate that was fitted without its fold.

    Frauds and others are dealt to the folds evenly. A single fraud cannot be learnt and found: all scores of
    its fold are 0 then, as of candidates that know nothing.
    """
    fold = _dealt(examples.labels)
    scores: dict[str, Numbers] = {}
    for number in range(_FOLDS):
        others, held = examples.where(fold != number), examples.where(fold == number)
        if not others.has_both or not len(held.rows):
            continue
        for fitted in fit_all(frame_of(spark, others), others):
            ready = prepare(spark, fitted.model, Card(source=TRAINED), columns)
            found = scores.setdefault(fitted.algorithm, np.zeros(len(fold)))
            found[fold == number] = fraud_probabilities(spark, ready, held)
    return scores


def _dealt(labels: Numbers) -> np.ndarray:
    """The fold of each row."""
    fold = np.zeros(len(labels), dtype=np.int64)
    draw = np.random.default_rng(SEED)
    for kind in (0, 1):
        places = draw.permutation(np.flatnonzero(labels == kind))
        fold[places] = np.arange(len(places)) % _FOLDS
    return fold


@dataclass(frozen=True)
class Selected:
    """The candidate that was taken. report_scores: its fraud probabilities on the report part."""

    model: PipelineModel
    card: Card
    report_scores: Numbers


@dataclass(frozen=True)
class _Tried:
    """A candidate, its scores on the select and report parts, and those that it is judged by."""

    fitted: Fitted
    select: Numbers
    report: Numbers
    labels: Numbers
    judged: Numbers

    @cached_property
    def pr_auc(self) -> float:
        return metrics.pr_auc(self.labels, self.judged)

    @cached_property
    def best_threshold(self) -> float:
        return metrics.best_f1_threshold(self.labels, self.judged)

    def entry(self, selected: bool) -> dict[str, Any]:
        """What the card says of it."""
        at_best = metrics.confusion(self.labels, self.judged, self.best_threshold)
        return {
            "algorithm": self.fitted.algorithm,
            "pr_auc": self.pr_auc,
            "roc_auc": metrics.roc_auc(self.labels, self.judged),
            "best_threshold": self.best_threshold,
            "precision": at_best.precision,
            "recall": at_best.recall,
            "selected": selected,
        }


def select(spark: SparkSession, parts: Split, columns: Sequence[Column], say: Say) -> Selected:
    """Fit all candidates, take the best by PR-AUC on the select part, measure it on the report part.

    When the select part holds no fraud, the best is found by cross-validation on the train part.
    """
    by_part = parts.select.has_both
    if not by_part:
        say("the second part of the history holds no fraud: selection by cross-validation on the first")
    if not parts.report.has_both:
        say("the last part of the history holds no fraud: how good the model is cannot be measured")
    crossed = {} if by_part else out_of_fold(spark, parts.train, columns)
    tried = []
    for fitted in fit_all(frame_of(spark, parts.train), parts.train):
        tried.append(_try(spark, fitted, parts, columns, crossed))
        say(f"{fitted.algorithm}: PR-AUC {tried[-1].pr_auc:.4f} on {len(tried[-1].labels)} rows")
    best = max(tried, key=lambda candidate: candidate.pr_auc)
    threshold = best.best_threshold if by_part else SPARSE_THRESHOLD
    card = Card(
        source=TRAINED,
        features=(*parts.train.numbers, *parts.train.categories),
        label=LABEL,
        threshold=threshold,
        selection_rule=SELECTION_RULE if by_part else SPARSE_SELECTION_RULE,
        threshold_rule=THRESHOLD_RULE if by_part else SPARSE_THRESHOLD_RULE,
        algorithm=best.fitted.algorithm,
        metrics=_measured(parts.report.labels, best.report, threshold),
        candidates=tuple(one.entry(one is best) for one in tried),
        feature_importances=tuple(
            {"feature": name, "importance": value} for name, value in best.fitted.importances.items()
        ),
        fraud_share=_fraud_share(parts, best, threshold),
        category_shares=_category_shares(parts),
        rows=parts.counts,
        libraries=_libraries(),
    )
    return Selected(best.fitted.model, card, best.report)


def _try(
    spark: SparkSession,
    fitted: Fitted,
    parts: Split,
    columns: Sequence[Column],
    crossed: Mapping[str, Numbers],
) -> _Tried:
    # As the stream will score, so that the figures hold there.
    ready = prepare(spark, fitted.model, Card(source=TRAINED), columns)
    unseen = Examples(_together(parts), parts.train.numbers, parts.train.categories)
    scores = fraud_probabilities(spark, ready, unseen)
    count = len(parts.select.rows)
    first, second = scores[:count], scores[count:]
    if fitted.algorithm in crossed:
        return _Tried(fitted, first, second, parts.train.labels, crossed[fitted.algorithm])
    return _Tried(fitted, first, second, parts.select.labels, first)


def _together(parts: Split) -> pyarrow.Table:
    return pyarrow.concat_tables([parts.select.rows, parts.report.rows])


def _measured(labels: Numbers, scores: Numbers, threshold: float) -> dict[str, Any]:
    """The figures on the report part; those that need frauds are None when it holds none."""
    counts = metrics.confusion(labels, scores, threshold)
    known = bool(labels.sum())
    return {
        "pr_auc": metrics.pr_auc(labels, scores) if known else None,
        "roc_auc": metrics.roc_auc(labels, scores) if known else None,
        "precision": counts.precision,
        "recall": counts.recall if known else None,
        "alerts_per_thousand": counts.alerts_per_thousand,
        "confusion_matrix": counts._asdict(),
    }


def _fraud_share(parts: Split, best: _Tried, threshold: float) -> dict[str, float]:
    """Of rows called fraud, among those that taught the model nothing; and the share that is labelled so."""
    called = share_range(np.concatenate([best.select, best.report]) >= threshold)
    labelled = np.concatenate([part.labels for part in vars(parts).values()]).mean()
    return {
        "labelled": float(labelled),
        "predicted": called["share"],
        "low": called["low"],
        "high": called["high"],
    }


def _category_shares(parts: Split) -> dict[str, dict[str, dict[str, float]]]:
    history = pyarrow.concat_tables([part.rows for part in vars(parts).values()])
    return category_shares(history, parts.train.categories)


def _libraries() -> dict[str, str]:
    return {
        "spark": pyspark.__version__,
        "numpy": np.__version__,
        "pyarrow": pyarrow.__version__,
        "python": platform.python_version(),
    }
