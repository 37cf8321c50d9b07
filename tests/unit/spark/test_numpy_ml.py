"""Saved stages evaluated with numpy, against Spark's own transform of the same rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import (
    GBTClassifier,
    LogisticRegression,
    MultilayerPerceptronClassifier,
    RandomForestClassifier,
)
from pyspark.ml.feature import (
    Bucketizer,
    Imputer,
    OneHotEncoder,
    RobustScaler,
    StringIndexer,
)
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS
from streamweir.models.archive import unpack
from streamweir.models.card import Card
from streamweir_spark.columns import UNSCORABLE
from streamweir_spark.flow import Flow
from streamweir_spark.model import prepare
from streamweir_spark.numpy_ml import classifiers, evaluator
from streamweir_spark.numpy_ml.stages import NotEvaluated, Numbers, RowRefused, SavedStage
from streamweir_spark.numpy_model import NumpyModel, proven
from streamweir_spark.proving import prove
from tests.unit.spark.test_every_stage import (
    COLUMNS,
    EXACT,
    PIPELINES,
    Stages,
    history,
    plain,
    scaled,
    stream_rows,
    together,
)

__all__ = ["history"]
FIXTURES = Path(__file__).parents[2] / "fixtures"


def mixed(classifier: Callable[[], Any]) -> Callable[[], Stages]:
    """An index, which trees split by categories, beside bits and numbers."""
    return lambda: [
        StringIndexer(inputCols=["method"], outputCols=["m"], handleInvalid="keep"),
        OneHotEncoder(inputCols=["m"], outputCols=["mv"], dropLast=False),
        together("m", "mv", "amount", "fee"),
        classifier(),
    ]


MORE: dict[str, Callable[[], Stages]] = {
    "forest of categories": mixed(lambda: RandomForestClassifier(numTrees=10, maxDepth=6, seed=2)),
    "boosted trees of categories": mixed(lambda: GBTClassifier(maxIter=5, maxDepth=3, seed=2)),
    "thresholds": mixed(lambda: LogisticRegression(maxIter=5, thresholds=[0.3, 0.7])),
    "multinomial": mixed(lambda: LogisticRegression(maxIter=5, family="multinomial", threshold=0.1)),
    "no raw prediction": mixed(lambda: LogisticRegression(maxIter=5, threshold=0.3, rawPredictionCol="")),
    "layers": mixed(lambda: MultilayerPerceptronClassifier(layers=[7, 5, 2], maxIter=5, seed=2)),
    "median": lambda: scaled(RobustScaler(withCentering=True)),
    "a missing value of its own": lambda: [
        Imputer(inputCols=["fee", "year", "amount"], outputCols=["f", "y", "a"], missingValue=0.0),
        together("f", "y", "a"),
        plain(),
    ],
    "all numbers in buckets": lambda: [
        Imputer(inputCols=["fee"], outputCols=["f"]),
        Bucketizer(inputCol="f", outputCol="b", splits=[-np.inf, 0.0, 5000.0, np.inf], handleInvalid="keep"),
        together("b", "amount"),
        plain(),
    ],
}
KNOWN = (*evaluator._TRANSFORMERS, *evaluator._CLASSIFIERS)
EVALUATED = {
    name: stages
    for name, stages in PIPELINES.items()
    # Of these pipelines those with an indexer index numbers as texts.
    if name.partition(" ")[0] in (*KNOWN, "IndexToString") and not name.startswith("StringIndexer")
} | MORE


def saved(model: PipelineModel, folder: Path) -> Path:
    model.write().save((folder / "model").as_uri())
    return folder / "model"


def by_numpy(folder: Path, proof: dict[str, Any]) -> NumpyModel:
    assert proof["proven"], proof["why"]
    return proven(folder, Card(source="external", version="v1", numpy=proof), None)


def wanted(model: PipelineModel, rows: DataFrame) -> list[dict[str, Any]]:
    """The plain transform's scores of rows that it takes, one after the other."""
    frame = model.transform(rows.coalesce(1))
    raw = vector_to_array("rawPrediction") if "rawPrediction" in frame.columns else F.lit(None)
    scores = frame.select(
        "number", vector_to_array("probability").alias("probability"), "prediction", raw.alias("raw")
    )
    return [row.asDict() for row in scores.collect()]


@pytest.mark.parametrize("name", EVALUATED)
def test_numpy_scores_as_sparks_own_transform_does(
    spark: SparkSession, history: DataFrame, tmp_path: Path, name: str
) -> None:
    fitted = Pipeline(stages=EVALUATED[name]()).fit(history)
    folder = saved(fitted, tmp_path)
    rows = pa.concat_tables([stream_rows(f"{name} {number}") for number in range(3)])
    proof = prove(spark, folder, PipelineModel.load(folder.as_uri()), COLUMNS, rows)
    model = by_numpy(folder, proof)
    assert proof["rows"] > 400
    assert proof["largest_difference"] <= EXACT
    taken = rows.filter(pa.array([model.needs.problem(row) is None for row in rows.to_pylist()]))
    found = model.predict(taken)
    good = found.filter(found[UNSCORABLE].is_null())
    assert len(good) >= 15
    again = wanted(fitted, spark.createDataFrame(good.select(taken.column_names)))
    for row, other in zip(good.to_pylist(), again, strict=True):
        assert row["number"] == other["number"]
        assert row["own_prediction"] == row["prediction"] == other["prediction"]
        assert row["probability"] == pytest.approx(other["probability"], abs=EXACT)
        if row["rawPrediction"] is not None:
            assert row["rawPrediction"] == pytest.approx(other["raw"], abs=EXACT, rel=EXACT)


@pytest.mark.parametrize("name", ["forest of categories", "thresholds", "layers", "NaiveBayesModel gaussian"])
def test_a_rows_scores_do_not_depend_on_the_rows_beside_it(
    spark: SparkSession, history: DataFrame, tmp_path: Path, name: str
) -> None:
    fitted = Pipeline(stages=EVALUATED[name]()).fit(history)
    folder = saved(fitted, tmp_path)
    model = by_numpy(folder, prove(spark, folder, fitted, COLUMNS))
    rows = pa.concat_tables([stream_rows(str(number)) for number in range(200)])
    rows = rows.filter(pa.array([model.needs.problem(row) is None for row in rows.to_pylist()]))
    assert len(rows) > 4096
    beside = model.predict(rows)
    apart = [model.predict(rows.slice(start, 7)) for start in range(0, 700, 7)]
    found = np.array(pa.concat_tables(apart)["probability"].to_pylist())
    np.testing.assert_array_equal(found, np.array(beside["probability"].to_pylist()[:700]), strict=True)


NOT_EVALUATED = (
    "FMClassificationModel",
    "Normalizer",
    "RFormulaModel",
    "SQLTransformer",
    "StringIndexerModel",
)


@pytest.mark.parametrize("name", NOT_EVALUATED)
def test_what_numpy_does_not_evaluate_is_said_and_never_proven(
    spark: SparkSession, history: DataFrame, tmp_path: Path, name: str
) -> None:
    fitted = Pipeline(stages=PIPELINES[name]()).fit(history)
    proof = prove(spark, saved(fitted, tmp_path), fitted, COLUMNS)
    assert proof["proven"] is False
    assert "numpy does not" in proof["why"]


def test_a_setting_that_is_not_known_is_not_evaluated(history: DataFrame, tmp_path: Path) -> None:
    fitted = Pipeline(stages=PIPELINES["Bucketizer"]()).fit(history)
    fitted.stages[0]._set(handleInvalid="keep")
    folder = saved(fitted, tmp_path)
    part = next((folder / "stages").glob("0_*/metadata/part-*"))
    part.write_text(part.read_text().replace('"keep"', '"guess"'))
    uids = [str(step.stage.uid()) for step in Flow.of(fitted).steps]
    with pytest.raises(NotEvaluated, match="has handleInvalid='guess', which numpy does not evaluate"):
        evaluator.load(folder, uids)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: found + 1e-11, "the probability differs in"),
        (lambda found: np.where(found[:1] > 0.45, np.nan, found), "which rows have scores differs in"),
    ],
)
def test_another_score_is_found_and_the_model_not_proven(
    spark: SparkSession,
    history: DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Numbers], Numbers],
    why: str,
) -> None:
    def wrong(stage: SavedStage) -> classifiers.Scores:
        raw, probability = classifiers.logistic_regression(stage)
        return raw, lambda found: change(probability(found))

    monkeypatch.setitem(evaluator._CLASSIFIERS, "LogisticRegressionModel", wrong)
    fitted = Pipeline(stages=PIPELINES["LogisticRegressionModel"]()).fit(history)
    proof = prove(spark, saved(fitted, tmp_path), fitted, COLUMNS)
    assert (proof["proven"], proof["why"].startswith(why)) == (False, True), proof["why"]


def test_stages_that_do_not_fit_together_are_not_proven(
    spark: SparkSession, history: DataFrame, tmp_path: Path
) -> None:
    forest = RandomForestClassifier(numTrees=5, maxDepth=4, seed=2)
    fitted = Pipeline(stages=[together("amount", "fee", "year"), forest]).fit(history)
    fitted.stages[0].setInputCols(["amount"])
    proof = prove(spark, saved(fitted, tmp_path), fitted, COLUMNS)
    assert (proof["proven"], proof["why"].startswith("numpy fails on it: IndexError")) == (False, True), (
        proof["why"]
    )


def test_a_row_that_spark_would_refuse_is_refused(
    spark: SparkSession, history: DataFrame, tmp_path: Path
) -> None:
    fitted = Pipeline(stages=PIPELINES["NaiveBayesModel"]()).fit(history)
    folder = saved(fitted, tmp_path)
    model = by_numpy(folder, prove(spark, folder, fitted, COLUMNS))
    row = {"number": 1, "method": "card", "fee": -1.0, "year": 1, "amount": 1.0}
    with pytest.raises(RowRefused, match="takes no negative and no missing number"):
        model.predict(pa.Table.from_pylist([row], stream_rows("x").schema))


def test_a_score_that_is_no_number_is_said_as_spark_says_it(
    spark: SparkSession, history: DataFrame, tmp_path: Path
) -> None:
    fitted = Pipeline(stages=PIPELINES["ElementwiseProduct"]()).fit(history)
    folder = saved(fitted, tmp_path)
    proof = prove(spark, folder, PipelineModel.load(folder.as_uri()), COLUMNS)
    by_spark = prepare(spark, fitted, Card(source="external", version="v1"), COLUMNS)
    rows = pa.Table.from_pylist(
        [
            {"number": 1, "method": "card", "fee": 1.7e308, "year": 1, "amount": -1.7e308},
            {"number": 2, "method": "card", "fee": 1.0, "year": 1, "amount": 1.0},
        ],
        stream_rows("x").schema,
    )
    spoken = [model.predict(rows)[UNSCORABLE].to_pylist() for model in (by_numpy(folder, proof), by_spark)]
    assert "not a finite number" in spoken[1][0]
    assert spoken[0] == spoken[1]


@pytest.mark.parametrize("file", ["small_model.zip", "spark35_model.zip"])
def test_the_fixtures_models_are_proven(spark: SparkSession, tmp_path: Path, file: str) -> None:
    folder = unpack(FIXTURES / file, tmp_path)
    proof = prove(spark, folder, PipelineModel.load(folder.as_uri()), MODEL_COLUMNS)
    assert (proof["proven"], proof["why"]) == (True, "")
    assert proof["rows"] > 400
