"""Cross-validation: what each kind of candidate says of rows that it did not learn from."""

from collections.abc import Sequence

import numpy as np
from pyspark.sql import SparkSession

from streamweir.contracts.tables import Column
from streamweir.models.card import TRAINED, Card
from streamweir.models.metrics import Numbers
from streamweir_spark.model import prepare
from streamweir_spark.training.candidates import SEED, fit_all
from streamweir_spark.training.examples import Examples
from streamweir_spark.training.scoring import frame_of, fraud_probabilities

_FOLDS = 3


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
