"""Which candidate is taken, at which threshold, and what its card says."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyspark
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from streamweir.contracts.tables import Column
from streamweir.models.card import TRAINED, Card
from streamweir_spark.model import prepare
from streamweir_spark.training import metrics
from streamweir_spark.training.candidates import Fitted, fit_all
from streamweir_spark.training.examples import LABEL, Examples, Split
from streamweir_spark.training.metrics import Numbers
from streamweir_spark.training.scoring import frame_of, fraud_probabilities
from streamweir_spark.training.shares import category_shares, share_range

Say = Callable[[str], None]

THRESHOLD_RULE = "the probability with the largest F1 on the second part of the history"


@dataclass(frozen=True)
class Selected:
    """The candidate that was taken. report_scores: its fraud probabilities on the report part."""

    model: PipelineModel
    card: Card
    report_scores: Numbers


@dataclass(frozen=True)
class _Tried:
    fitted: Fitted
    select: Numbers
    report: Numbers
    pr_auc: float


def select(spark: SparkSession, parts: Split, columns: Sequence[Column], say: Say) -> Selected:
    """Fit all candidates, take the best by PR-AUC on the select part, measure it on the report part."""
    tried = []
    for fitted in fit_all(frame_of(spark, parts.train), parts.train):
        tried.append(_try(spark, fitted, parts, columns))
        say(f"{fitted.algorithm}: PR-AUC {tried[-1].pr_auc:.4f} on {len(parts.select.rows)} rows")
    best = max(tried, key=lambda candidate: candidate.pr_auc)
    threshold = metrics.best_f1_threshold(parts.select.labels, best.select)
    card = Card(
        source=TRAINED,
        features=(*parts.train.numbers, *parts.train.categories),
        label=LABEL,
        threshold=threshold,
        threshold_rule=THRESHOLD_RULE,
        algorithm=best.fitted.algorithm,
        metrics=_measured(parts.report.labels, best.report, threshold),
        candidates=tuple(
            {"algorithm": one.fitted.algorithm, "pr_auc": one.pr_auc, "selected": one is best}
            for one in tried
        ),
        feature_importances=tuple(
            {"feature": name, "importance": value} for name, value in best.fitted.importances.items()
        ),
        fraud_share=_fraud_share(parts, best, threshold),
        category_shares=_category_shares(parts),
        rows=parts.counts,
        libraries=_libraries(),
    )
    return Selected(best.fitted.model, card, best.report)


def _try(spark: SparkSession, fitted: Fitted, parts: Split, columns: Sequence[Column]) -> _Tried:
    # As the stream will score, so that the figures hold there.
    ready = prepare(spark, fitted.model, Card(source=TRAINED), columns)
    unseen = Examples(_together(parts), parts.train.numbers, parts.train.categories)
    scores = fraud_probabilities(spark, ready, unseen)
    count = len(parts.select.rows)
    first, second = scores[:count], scores[count:]
    return _Tried(fitted, first, second, metrics.pr_auc(parts.select.labels, first))


def _together(parts: Split) -> pyarrow.Table:
    return pyarrow.concat_tables([parts.select.rows, parts.report.rows])


def _measured(labels: Numbers, scores: Numbers, threshold: float) -> dict[str, Any]:
    counts = metrics.confusion(labels, scores, threshold)
    return {
        "pr_auc": metrics.pr_auc(labels, scores),
        "roc_auc": metrics.roc_auc(labels, scores),
        "precision": counts.precision,
        "recall": counts.recall,
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
