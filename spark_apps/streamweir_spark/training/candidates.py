"""The models that are tried: the same features for all, one classifier each."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.ml import Estimator, Pipeline, PipelineModel, Transformer
from pyspark.ml.classification import GBTClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.models.metrics import Numbers
from streamweir_spark.model import ScoringModel
from streamweir_spark.training.examples import LABEL, PLACE, Examples

SEED = 42
_WEIGHT = "weight"
_FEATURES = "features"
_SCALED = "scaled"


class Fitted(NamedTuple):
    """A fitted candidate, feature transformers included. importances: by feature, adding up to 1."""

    algorithm: str
    model: PipelineModel
    importances: dict[str, float]


def fit_all(train: DataFrame, examples: Examples) -> Iterator[Fitted]:
    """Fit every candidate to the frame of `examples`, one after the other.

    A fraud weighs the square root of how many honest rows there are to one. At full balance the few
    mislabelled rows decide: measured, every candidate's PR-AUC is lower then.
    """
    # Spark gives each category a name in the features, and none may be empty: an empty text is a missing one.
    named = train.replace({"": None}, subset=list(examples.categories)) if examples.categories else train
    prepared = _features(examples).fit(named)
    slots = _slots(prepared, examples)
    labels = examples.labels
    weight = math.sqrt((len(labels) - labels.sum()) / labels.sum())
    vectors = (
        prepared.transform(train)
        .withColumn(_WEIGHT, F.when(F.col(LABEL) == 1, weight).otherwise(1.0))
        .select(_FEATURES, LABEL, _WEIGHT)
        .cache()
    )
    for algorithm, stages in _candidates():
        fitted = Pipeline(stages=stages).fit(vectors)
        model = PipelineModel([*prepared.stages, *fitted.stages])
        yield Fitted(algorithm, model, _importances(fitted, slots))
    vectors.unpersist()


def _features(examples: Examples) -> Pipeline:
    indices = [f"{name}_index" for name in examples.categories]
    vectors = [f"{name}_vector" for name in examples.categories]
    # An unseen or missing category is a category of its own, so that every row can be scored.
    encoding: list[Estimator[Any] | Transformer] = [
        StringIndexer(inputCols=list(examples.categories), outputCols=indices, handleInvalid="keep"),
        OneHotEncoder(inputCols=indices, outputCols=vectors),
    ]
    together = VectorAssembler(inputCols=[*examples.numbers, *vectors], outputCol=_FEATURES)
    return Pipeline(stages=[*encoding, together] if examples.categories else [together])


def _candidates() -> list[tuple[str, list[Estimator[Any] | Transformer]]]:
    return [
        (
            "logistic regression",
            [
                StandardScaler(inputCol=_FEATURES, outputCol=_SCALED),
                LogisticRegression(
                    featuresCol=_SCALED, labelCol=LABEL, weightCol=_WEIGHT, maxIter=50, regParam=0.01
                ),
            ],
        ),
        (
            "random forest",
            [
                RandomForestClassifier(
                    featuresCol=_FEATURES,
                    numTrees=40,
                    maxDepth=10,
                    minInstancesPerNode=3,
                    seed=SEED,
                    labelCol=LABEL,
                    weightCol=_WEIGHT,
                )
            ],
        ),
        (
            "gradient-boosted trees",
            [
                GBTClassifier(
                    featuresCol=_FEATURES,
                    maxIter=20,
                    maxDepth=4,
                    stepSize=0.2,
                    subsamplingRate=0.8,
                    seed=SEED,
                    labelCol=LABEL,
                    weightCol=_WEIGHT,
                )
            ],
        ),
    ]


def _slots(prepared: PipelineModel, examples: Examples) -> list[str]:
    """The feature that each element of the vector belongs to."""
    if not examples.categories:
        return list(examples.numbers)
    encoder: Any = prepared.stages[1]
    sizes = encoder.categorySizes
    encoded = [name for name, size in zip(examples.categories, sizes, strict=True) for _ in range(size - 1)]
    return [*examples.numbers, *encoded]


def _importances(fitted: PipelineModel, slots: list[str]) -> dict[str, float]:
    """Of trees: Spark's own. Of the regression: the coefficients' sizes, the features being scaled alike."""
    classifier: Any = fitted.stages[-1]
    of_trees = hasattr(classifier, "featureImportances")
    values = classifier.featureImportances.toArray() if of_trees else abs(classifier.coefficients.toArray())
    total = float(values.sum()) or 1.0
    found = dict.fromkeys(slots, 0.0)
    for slot, value in zip(slots, values, strict=True):
        found[slot] += float(value) / total
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def frame_of(spark: SparkSession, examples: Examples) -> DataFrame:
    """The inputs and the label of the pipeline's own models."""
    return spark.createDataFrame(examples.rows.select([*examples.numbers, *examples.categories, LABEL]))


def fraud_probabilities(spark: SparkSession, model: ScoringModel, examples: Examples) -> Numbers:
    """The probability of fraud of each row, in the rows' order; 0 for a row that the model refuses."""
    found = np.zeros(len(examples.rows))
    taken = pa.array([model.needs.problem(row) is None for row in examples.rows.to_pylist()], pa.bool_())
    places = pa.array(range(len(found)), pa.int64())
    rows = examples.rows.select(model.inputs).append_column(PLACE, places).filter(taken)
    if len(rows):
        scored = model.transform(spark.createDataFrame(rows)).select(PLACE, "fraud_probability").toArrow()
        found[scored[PLACE].to_numpy()] = scored["fraud_probability"].to_numpy()
    return found
