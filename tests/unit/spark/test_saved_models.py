"""What Spark saves of a model, against what is read of it without Spark."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel, classification
from pyspark.ml import feature as ft
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.tuning import (
    CrossValidator,
    CrossValidatorModel,
    ParamGridBuilder,
    TrainValidationSplitModel,
)
from pyspark.sql import DataFrame, SparkSession

from streamweir.errors import ModelUnusable
from streamweir.models import saved
from streamweir.models.registry import Registry
from streamweir.models.rule import own_rule
from tests.support.file_store import FileStore


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    generator = np.random.default_rng(5)
    made = [
        (float(amount), "OVO" if amount > 0.4 else "Gopay", float(amount + noise > 0.7))
        for amount, noise in zip(generator.random(120), 0.3 * generator.normal(size=120), strict=True)
    ]
    return spark.createDataFrame(made, "amount double, method string, label double").cache()


@pytest.fixture(scope="module")
def before(rows: DataFrame) -> PipelineModel:
    stages = [
        ft.StringIndexer(inputCol="method", outputCol="index"),
        ft.OneHotEncoder(inputCol="index", outputCol="coded", dropLast=False),
        ft.Imputer(inputCols=["amount"], outputCols=["filled"]),
        ft.QuantileDiscretizer(inputCol="filled", outputCol="bucket", numBuckets=3),
        ft.RFormula(formula="label ~ filled + bucket", featuresCol="formed", labelCol="also"),
        ft.VectorAssembler(inputCols=["filled", "coded", "bucket"], outputCol="raw"),
        ft.MinMaxScaler(inputCol="raw", outputCol="scaled"),
        ft.PCA(k=2, inputCol="scaled", outputCol="turned"),
    ]
    return Pipeline(stages=stages).fit(rows)


def save(model: Any, folder: Path) -> Path:
    model.write().overwrite().save((folder / "model").as_uri())
    return folder / "model"


CLASSIFIERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("LogisticRegression", {}, {}),
    ("LogisticRegression", {"threshold": 0.1}, {"threshold": 0.1}),
    ("LogisticRegression", {"thresholds": [0.8, 0.2]}, {"thresholds": [0.8, 0.2]}),
    ("LogisticRegression", {"family": "multinomial", "threshold": 0.1}, {}),
    ("RandomForestClassifier", {"numTrees": 3, "thresholds": [0.7, 0.3]}, {"thresholds": [0.7, 0.3]}),
    ("GBTClassifier", {"maxIter": 2}, {}),
    ("DecisionTreeClassifier", {"thresholds": [0.0, 1.0]}, {"thresholds": [0.0, 1.0]}),
    ("NaiveBayes", {}, {}),
    ("MultilayerPerceptronClassifier", {"layers": [4, 2], "maxIter": 2}, {}),
    ("FMClassifier", {"maxIter": 2}, {}),
]


@pytest.mark.parametrize(("kind", "params", "expected"), CLASSIFIERS)
def test_the_own_rule_says_what_spark_predicts_from_the_probabilities(
    before: PipelineModel,
    rows: DataFrame,
    tmp_path: Path,
    kind: str,
    params: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    estimator = getattr(classification, kind)(featuresCol="scaled")
    for name, value in params.items():
        estimator.set(estimator.getParam(name), value)
    fitted = estimator.fit(before.transform(rows))
    folder = save(PipelineModel(stages=[*before.stages, fitted]), tmp_path)
    rule = own_rule(saved.stages(folder))
    assert rule == expected
    scored = fitted.transform(before.transform(rows)).select("probability", "prediction").collect()
    assert [row.prediction for row in scored] == [decide(rule, [*row.probability]) for row in scored]


@pytest.mark.parametrize("kind", [CrossValidatorModel, TrainValidationSplitModel])
def test_of_a_tuned_model_the_best_is_read_and_not_what_was_tuned(
    before: PipelineModel, rows: DataFrame, tmp_path: Path, kind: Any
) -> None:
    estimator = classification.LogisticRegression(featuresCol="nowhere", threshold=0.9, maxIter=2)
    grid = ParamGridBuilder().baseOn({estimator.featuresCol: "scaled", estimator.threshold: 0.2}).build()
    tuned = kind(estimator.fit(before.transform(rows), grid[0]), [0.5])
    tuned.set(tuned.estimator, estimator)
    tuned.set(tuned.estimatorParamMaps, grid)
    tuned.set(tuned.evaluator, BinaryClassificationEvaluator())
    folder = save(PipelineModel(stages=[*before.stages, tuned]), tmp_path)
    assert len(list(folder.rglob("estimator"))) == len(list(folder.rglob("evaluator"))) == 1
    card = Registry(FileStore(), "card_fraud").register_external(folder)  # type: ignore[arg-type]
    assert (card.algorithm, card.own_rule) == ("LogisticRegressionModel", {"threshold": 0.2})
    assert card.features == ("amount", "method")


def test_what_is_not_fitted_is_told_to_be_fitted(spark: SparkSession, tmp_path: Path) -> None:
    estimator = classification.LogisticRegression()
    tuning = CrossValidator(
        estimator=estimator,
        estimatorParamMaps=ParamGridBuilder().build(),
        evaluator=BinaryClassificationEvaluator(),
    )
    said = "is a org.apache.spark.ml"
    with pytest.raises(
        ModelUnusable, match=f"{said}.tuning.CrossValidator, which is not fitted: save the best"
    ):
        saved.stages(save(tuning, tmp_path))
    with pytest.raises(ModelUnusable, match=f"{said}.Pipeline, which is not fitted: save what its fit"):
        saved.stages(save(Pipeline(stages=[estimator]), tmp_path))
    with pytest.raises(ModelUnusable, match=f"{said}.classification.LogisticRegression: fit a Pipeline"):
        saved.stages(save(estimator, tmp_path))


def test_no_stage_can_lose_what_it_learnt_unnoticed(
    before: PipelineModel, rows: DataFrame, tmp_path: Path
) -> None:
    forest = classification.RandomForestClassifier(featuresCol="scaled", numTrees=2)
    folder = save(PipelineModel(stages=[*before.stages, forest.fit(before.transform(rows))]), tmp_path)
    learnt = sorted({path.parent for path in folder.rglob("*.parquet")})
    assert len(learnt) > 8
    for part in learnt:
        part.rename(tmp_path / "away")
        with pytest.raises(ModelUnusable, match=f"{part.relative_to(folder)} holds no parquet file"):
            saved.stages(folder)
        (tmp_path / "away").rename(part)
    assert len(saved.stages(folder)) > 9


def decide(rule: dict[str, Any], probabilities: Sequence[float]) -> float:
    """The prediction that the rule's description promises."""
    if "threshold" in rule:
        return float(probabilities[1] > rule["threshold"])
    limits = rule.get("thresholds", [1.0, 1.0])
    shares = [
        probability / limit if limit else np.inf if probability else 0.0
        for probability, limit in zip(probabilities, limits, strict=True)
    ]
    return float(np.argmax(shares))
