"""A model's own `transform` of rows: what comes out, what does not, and models that want a label."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import NaiveBayes
from pyspark.ml.feature import Binarizer, IndexToString, StringIndexer, VectorAssembler
from pyspark.sql import SparkSession

from streamweir.contracts.models import ROW, SCORES
from streamweir.errors import ModelUnusable
from streamweir.models.archive import unpack
from streamweir_spark import score_again
from streamweir_spark.score_again import score

FIXTURES = Path(__file__).parents[2] / "fixtures"
COLUMNS = "method string, amount double, fraud string, class double"
TRAINING = [
    ("OVO", 10.0, "no", 0.0),
    ("Gopay", 90.0, "yes", 1.0),
    ("OVO", 20.0, "no", 0.0),
    ("Gopay", 80.0, "yes", 1.0),
]
ROWS = pa.table({"method": ["OVO", "Gopay", "OVO", "Gopay"], "amount": [15.0, 85.0, 30.0, 60.0]})


def fitted(spark: SparkSession, *stages: Any) -> PipelineModel:
    return Pipeline(stages=list(stages)).fit(spark.createDataFrame(TRAINING, COLUMNS).coalesce(1))


def indexer(column: str = "method", **params: Any) -> StringIndexer:
    return StringIndexer(inputCol=column, outputCol=f"{column}_index", **params)


def classifier(*columns: str, label: str = "class") -> list[Any]:
    assembler = VectorAssembler(inputCols=list(columns), outputCol="features")
    return [assembler, NaiveBayes(modelType="gaussian", labelCol=label)]


def with_method(place: int, method: str) -> pa.Table:
    methods = ROWS["method"].to_pylist()
    methods[place] = method
    return ROWS.set_column(0, "method", pa.array(methods))


def scores_of(spark: SparkSession, model: PipelineModel, rows: pa.Table) -> list[dict[str, Any]]:
    return sorted(score(spark, model, rows).to_pylist(), key=lambda one: one[ROW])


def test_a_small_models_scores_are_those_of_its_formula(spark: SparkSession, tmp_path: Path) -> None:
    model = PipelineModel.load(unpack(FIXTURES / "small_model.zip", tmp_path / "model").as_uri())
    places = [98.5, 107.25, 108.5, 135.0]
    scores = scores_of(spark, model, pa.table({"shipment_location_long": places, "gender": ["F"] * 4}))
    expected = [1 / (1 + math.exp(-(0.3 * place - 32.4))) for place in places]
    assert [one["fraud_probability"] for one in scores] == pytest.approx(expected, rel=0, abs=1e-14)
    assert [sum(one["probability"]) for one in scores] == pytest.approx([1] * 4)
    assert [one["prediction"] for one in scores] == [0, 0, 1, 1]
    assert [tuple(one) for one in scores] == [tuple(column.name for column in SCORES)] * 4


def test_a_foreign_models_scores_are_those_that_its_own_spark_gave(
    spark: SparkSession, tmp_path: Path
) -> None:
    model = PipelineModel.load(unpack(FIXTURES / "spark35_model.zip", tmp_path / "model").as_uri())
    known = json.loads((FIXTURES / "spark35_scores.json").read_text())
    names = [name for name in known[0] if name not in ("is_fraud", "probability")]
    scores = scores_of(spark, model, pa.table({name: [row[name] for row in known] for name in names}))
    assert len(scores) == len(known) == 20
    for found, row in zip(scores, known, strict=True):
        assert found["probability"] == pytest.approx(row["probability"], rel=0, abs=1e-12)
        # Fraud is the label's most frequent value, index 0.
        assert found["fraud_probability"] == found["probability"][0]
        assert found["prediction"] == int(found["probability"][0] > 0.5)


def test_a_row_that_the_model_skips_does_not_come_out(spark: SparkSession) -> None:
    model = fitted(spark, indexer(handleInvalid="skip"), *classifier("method_index", "amount"))
    scores = scores_of(spark, model, with_method(2, "LinkAja"))
    assert [one[ROW] for one in scores] == [0, 1, 3]


@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_row_that_the_model_refuses_is_found_among_the_others(spark: SparkSession, place: int) -> None:
    model = fitted(spark, indexer(), *classifier("method_index", "amount"))
    scores = scores_of(spark, model, with_method(place, "LinkAja"))
    assert [one[ROW] for one in scores] == [0, 1, 2, 3]
    assert "LinkAja" in scores.pop(place)["refusal"]
    assert all(one["refusal"] is None and one["fraud_probability"] is not None for one in scores)


def test_rows_that_are_not_looked_for_any_longer_are_refused_together(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_again, "_TRIES", 1)
    model = fitted(spark, indexer(), *classifier("method_index", "amount"))
    scores = scores_of(spark, model, with_method(3, "LinkAja"))
    assert [one["refusal"] is None for one in scores] == [True, True, False, False]


@pytest.mark.parametrize(
    "stage",
    [
        lambda: indexer("fraud"),
        lambda: indexer("fraud", handleInvalid="skip"),
        lambda: StringIndexer(
            inputCols=["fraud", "method"], outputCols=["fraud_index", "index"], handleInvalid="skip"
        ),
        lambda: Binarizer(inputCol="class", outputCol="fraud_index", threshold=0.5),
    ],
    ids=["indexer", "skip", "several", "binarizer"],
)
def test_a_model_that_wants_a_label_scores_rows_without_one(
    spark: SparkSession, stage: Callable[[], Any]
) -> None:
    named = IndexToString(inputCol="prediction", outputCol="said", labels=["no", "yes"])
    model = fitted(spark, stage(), *classifier("amount", label="fraud_index"), named)
    scores = scores_of(spark, model, ROWS)
    alone = fitted(spark, *classifier("amount"))
    assert [one["probability"] for one in scores] == [
        one["probability"] for one in scores_of(spark, alone, ROWS)
    ]
    assert [one["prediction"] for one in scores] == [0, 1, 0, 1]


def test_no_rows_give_no_scores(spark: SparkSession) -> None:
    assert score(spark, fitted(spark, *classifier("amount")), ROWS.slice(0, 0)).num_rows == 0


def test_a_model_that_takes_no_frame_of_a_stream_is_unusable(spark: SparkSession) -> None:
    model = fitted(spark, *classifier("amount", "class"))
    with pytest.raises(ModelUnusable, match="makes no column probability"):
        score(spark, model, ROWS)


def test_indexed_numbers_are_spelled_as_the_model_learnt_them(spark: SparkSession) -> None:
    history = spark.createDataFrame([(10, 0.0), (90, 1.0), (10, 0.0), (90, 1.0)], "amount int, class double")
    stages = [indexer("amount", handleInvalid="error"), *classifier("amount_index")]
    model = Pipeline(stages=stages).fit(history.coalesce(1))
    found = scores_of(spark, model, pa.table({"amount": [90.0, 10.0, 11.0]}))
    assert [one["prediction"] for one in found] == [1, 0, None]
    assert "Unseen label: 11.0" in found[2]["refusal"]


def test_a_classifier_that_keeps_its_prediction_to_itself_is_heard_all_the_same(spark: SparkSession) -> None:
    assembler, _ = classifier("amount")
    model = fitted(spark, assembler, NaiveBayes(modelType="gaussian", labelCol="class", predictionCol=""))
    assert [one["prediction"] for one in scores_of(spark, model, ROWS)] == [0, 1, 0, 1]
