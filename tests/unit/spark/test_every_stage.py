"""Every classifier and transformer of Spark ML: the stream's scores against a plain batch `transform`.

Each model is fitted on rows of other number types than the stream's, and is given rows that it may refuse.
"""

import inspect
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.ml import (
    Model,
    Pipeline,
    PipelineModel,
    Transformer,
    classification,
    clustering,
    fpm,
    recommendation,
    regression,
)
from pyspark.ml import feature as features
from pyspark.ml.classification import (
    DecisionTreeClassifier,
    FMClassifier,
    GBTClassifier,
    LinearSVC,
    LogisticRegression,
    MultilayerPerceptronClassifier,
    NaiveBayes,
    OneVsRest,
    RandomForestClassifier,
)
from pyspark.ml.clustering import BisectingKMeans, GaussianMixture, KMeans
from pyspark.ml.feature import (
    DCT,
    IDF,
    PCA,
    Binarizer,
    Bucketizer,
    ChiSqSelector,
    CountVectorizer,
    ElementwiseProduct,
    FeatureHasher,
    HashingTF,
    Imputer,
    IndexToString,
    Interaction,
    MaxAbsScaler,
    MinMaxScaler,
    NGram,
    Normalizer,
    OneHotEncoder,
    PolynomialExpansion,
    RegexTokenizer,
    RFormula,
    RobustScaler,
    SQLTransformer,
    StandardScaler,
    StopWordsRemover,
    StringIndexer,
    TargetEncoder,
    Tokenizer,
    UnivariateFeatureSelector,
    VarianceThresholdSelector,
    VectorAssembler,
    VectorIndexer,
    VectorSizeHint,
    VectorSlicer,
    Word2Vec,
)
from pyspark.ml.regression import (
    AFTSurvivalRegression,
    DecisionTreeRegressor,
    FMRegressor,
    GBTRegressor,
    GeneralizedLinearRegression,
    IsotonicRegression,
    LinearRegression,
    RandomForestRegressor,
)
from pyspark.sql import DataFrame, SparkSession

from streamweir.arrow import arrow_schema
from streamweir.contracts.tables import Column, Type
from streamweir.errors import ModelUnusable
from streamweir.models.card import Card
from streamweir_spark.evaluating import RowByRow
from streamweir_spark.model import UNSCORABLE, prepare
from streamweir_spark.spelling import spell_all

COLUMNS = (
    Column("number", Type.INT),
    Column("method", Type.STRING),
    Column("fee", Type.DOUBLE),
    Column("year", Type.INT),
    Column("amount", Type.DOUBLE),
)
METHODS = ("card", "cash or card", "voucher")
EXACT = 1e-12
Stages = list[Any]


def together(*names: str, to: str = "features", **params: Any) -> VectorAssembler:
    return VectorAssembler(inputCols=list(names), outputCol=to, **params)


def plain() -> LogisticRegression:
    return LogisticRegression(maxIter=3)


def scaled(scaler: Any) -> Stages:
    return [together("fee", "amount", to="v"), scaler.setInputCol("v").setOutputCol("features"), plain()]


def selected(selector: Any) -> Stages:
    return [together("fee", "amount", to="v"), selector.setFeaturesCol("v").setOutputCol("features"), plain()]


def words(*stages: Any) -> Stages:
    return [Tokenizer(inputCol="method", outputCol="words"), *stages, plain()]


def foreseen(model: Any) -> Stages:
    """A model whose prediction is one of the features."""
    first = together("fee", "amount", to="v")
    return [first, model.setFeaturesCol("v").setPredictionCol("p"), together("p", "amount"), plain()]


def classified(classifier: Any) -> Stages:
    return [together("fee", "amount"), classifier]


def indexed(mode: str) -> Stages:
    """Indexed numbers: the history has them as integers, the stream one of them as a double."""
    return [
        StringIndexer(inputCols=["fee", "year", "method"], outputCols=["f", "y", "m"], handleInvalid=mode),
        OneHotEncoder(inputCols=["f", "y", "m"], outputCols=["fv", "yv", "mv"]),
        together("fv", "yv", "mv", "fee"),
        plain(),
    ]


PIPELINES: dict[str, Callable[[], Stages]] = {
    "DecisionTreeClassificationModel": lambda: classified(DecisionTreeClassifier(maxDepth=3)),
    "FMClassificationModel": lambda: classified(FMClassifier(maxIter=2, factorSize=2)),
    "GBTClassificationModel": lambda: classified(GBTClassifier(maxIter=2, maxDepth=2)),
    "LogisticRegressionModel": lambda: classified(LogisticRegression(maxIter=3, threshold=0.2)),
    "MultilayerPerceptronClassificationModel": lambda: classified(
        MultilayerPerceptronClassifier(layers=[2, 2, 2], maxIter=3, seed=1)
    ),
    "NaiveBayesModel": lambda: classified(NaiveBayes(modelType="multinomial")),
    "NaiveBayesModel complement": lambda: classified(NaiveBayes(modelType="complement")),
    "NaiveBayesModel gaussian": lambda: classified(NaiveBayes(modelType="gaussian")),
    "NaiveBayesModel bernoulli": lambda: [
        StringIndexer(inputCol="method", outputCol="m", handleInvalid="keep"),
        OneHotEncoder(inputCol="m", outputCol="features"),
        NaiveBayes(modelType="bernoulli"),
    ],
    "RandomForestClassificationModel": lambda: classified(
        RandomForestClassifier(numTrees=3, seed=1).setThresholds([0.8, 0.2])
    ),
    "Binarizer": lambda: [
        Binarizer(inputCol="amount", outputCol="b", threshold=5.0),
        together("b", "fee"),
        plain(),
    ],
    "Bucketizer": lambda: [
        Bucketizer(inputCol="amount", outputCol="b", splits=[0.0, 5.0, 20.0], handleInvalid="error"),
        together("b", "fee"),
        plain(),
    ],
    "ChiSqSelectorModel": lambda: selected(ChiSqSelector(numTopFeatures=1)),
    "CountVectorizerModel": lambda: words(CountVectorizer(inputCol="words", outputCol="features")),
    "DCT": lambda: scaled(DCT()),
    "ElementwiseProduct": lambda: scaled(ElementwiseProduct(scalingVec=[2.0, 0.5])),
    "FeatureHasher": lambda: [
        FeatureHasher(inputCols=["method", "amount"], outputCol="features", numFeatures=16),
        plain(),
    ],
    "HashingTF": lambda: words(HashingTF(inputCol="words", outputCol="features", numFeatures=16)),
    "IDFModel": lambda: words(
        HashingTF(inputCol="words", outputCol="tf", numFeatures=16), IDF(inputCol="tf", outputCol="features")
    ),
    "ImputerModel": lambda: [
        Imputer(inputCols=["fee", "amount"], outputCols=["f", "a"]),
        together("f", "a"),
        plain(),
    ],
    "IndexToString": lambda: [
        StringIndexer(inputCol="method", outputCol="m", handleInvalid="keep"),
        together("m", "fee"),
        plain(),
        IndexToString(inputCol="prediction", outputCol="said", labels=["0", "1"]),
    ],
    "Interaction": lambda: [
        together("fee", to="v"),
        together("amount", to="w"),
        Interaction(inputCols=["v", "w"], outputCol="features"),
        plain(),
    ],
    "MaxAbsScalerModel": lambda: scaled(MaxAbsScaler()),
    "MinMaxScalerModel": lambda: scaled(MinMaxScaler()),
    "NGram": lambda: words(
        NGram(inputCol="words", outputCol="pairs"),
        HashingTF(inputCol="pairs", outputCol="features", numFeatures=16),
    ),
    "Normalizer": lambda: scaled(Normalizer()),
    "OneHotEncoderModel": lambda: [
        OneHotEncoder(inputCol="year", outputCol="y", handleInvalid="keep"),
        together("y", "fee"),
        plain(),
    ],
    "PCAModel": lambda: scaled(PCA(k=1)),
    "PolynomialExpansion": lambda: scaled(PolynomialExpansion()),
    "RegexTokenizer": lambda: [
        RegexTokenizer(inputCol="method", outputCol="words"),
        HashingTF(inputCol="words", outputCol="features", numFeatures=16),
        plain(),
    ],
    "RFormulaModel": lambda: [RFormula(formula="label ~ method + amount", handleInvalid="keep"), plain()],
    "RobustScalerModel": lambda: scaled(RobustScaler()),
    "SQLTransformer": lambda: [
        SQLTransformer(statement="SELECT *, log(amount) AS l, fee / amount AS q FROM __THIS__"),
        together("l", "q", handleInvalid="keep"),
        plain(),
    ],
    "StandardScalerModel": lambda: scaled(StandardScaler(withMean=True)),
    "StopWordsRemover": lambda: words(
        StopWordsRemover(inputCol="words", outputCol="few"),
        HashingTF(inputCol="few", outputCol="features", numFeatures=16),
    ),
    "StringIndexerModel": lambda: indexed("error"),
    "StringIndexerModel keep": lambda: indexed("keep"),
    "StringIndexerModel skip": lambda: indexed("skip"),
    "TargetEncoderModel": lambda: [
        TargetEncoder(inputCols=["year"], outputCols=["y"], targetType="binary"),
        together("y", "fee"),
        plain(),
    ],
    "Tokenizer": lambda: words(HashingTF(inputCol="words", outputCol="features", numFeatures=16)),
    "UnivariateFeatureSelectorModel": lambda: selected(
        UnivariateFeatureSelector().setFeatureType("continuous").setLabelType("categorical")
    ),
    "VarianceThresholdSelectorModel": lambda: selected(VarianceThresholdSelector()),
    "VectorAssembler": lambda: [together("fee", "amount", "year", handleInvalid="skip"), plain()],
    "VectorIndexerModel": lambda: [
        together("year", "amount", to="v"),
        VectorIndexer(inputCol="v", outputCol="features", maxCategories=3, handleInvalid="skip"),
        plain(),
    ],
    "VectorSizeHint": lambda: [
        together("fee", "amount"),
        VectorSizeHint(inputCol="features", size=2, handleInvalid="skip"),
        plain(),
    ],
    "VectorSlicer": lambda: scaled(VectorSlicer(indices=[1])),
    "Word2VecModel": lambda: words(
        Word2Vec(inputCol="words", outputCol="features", vectorSize=2, minCount=0, seed=1)
    ),
    "LinearSVCModel": lambda: foreseen(LinearSVC(maxIter=2, rawPredictionCol="r")),
    "OneVsRestModel": lambda: [
        *foreseen(OneVsRest(classifier=LogisticRegression(maxIter=2)))[:-1],
        LogisticRegression(maxIter=3, rawPredictionCol="own"),
    ],
    "BisectingKMeansModel": lambda: foreseen(BisectingKMeans(k=2, seed=1)),
    "GaussianMixtureModel": lambda: foreseen(GaussianMixture(k=2, seed=1).setProbabilityCol("share")),
    "KMeansModel": lambda: foreseen(KMeans(k=2, seed=1)),
    "AFTSurvivalRegressionModel": lambda: foreseen(
        AFTSurvivalRegression(maxIter=2, labelCol="span", censorCol="label")
    ),
    "DecisionTreeRegressionModel": lambda: foreseen(DecisionTreeRegressor(maxDepth=2)),
    "FMRegressionModel": lambda: foreseen(FMRegressor(maxIter=2, factorSize=2)),
    "GBTRegressionModel": lambda: foreseen(GBTRegressor(maxIter=2)),
    "GeneralizedLinearRegressionModel": lambda: foreseen(GeneralizedLinearRegression(maxIter=2)),
    "IsotonicRegressionModel": lambda: foreseen(IsotonicRegression()),
    "LinearRegressionModel": lambda: foreseen(LinearRegression(maxIter=2)),
    "RandomForestRegressionModel": lambda: foreseen(RandomForestRegressor(numTrees=2, seed=1)),
}
"""By class of stage a pipeline that has one; a word behind the class tells several apart."""

REFUSED = {
    "ALSModel",
    "BucketedRandomProjectionLSHModel",
    "DistributedLDAModel",
    "FPGrowthModel",
    "LDAModel",
    "LocalLDAModel",
    "MinHashLSHModel",
}
"""Stages whose output no classifier can use, or that drop or refuse rows."""


def known_classes() -> set[str]:
    """The transformers of Spark ML, as PySpark has them."""
    packages = (features, classification, clustering, regression, recommendation, fpm)
    found = (getattr(package, name) for package in packages for name in package.__all__)
    made = (one for one in found if inspect.isclass(one) and issubclass(one, Transformer | Model))
    return {one.__name__ for one in made}


def test_every_transformer_of_spark_ml_is_known_here() -> None:
    covered = {name.partition(" ")[0] for name in PIPELINES}
    assert known_classes() == covered | REFUSED


@pytest.fixture(scope="module")
def history(spark: SparkSession) -> DataFrame:
    """Labelled rows; `fee` is an integer here."""
    draw = random.Random(3)
    rows = [
        (number, draw.choice(METHODS), draw.choice((5000, 7000)), draw.choice((0, 1, 2)), draw.uniform(0, 20),
         float(number % 2), draw.uniform(1, 9))
        for number in range(24)
    ]  # fmt: skip
    schema = "number int, method string, fee int, year int, amount double, label double, span double"
    return spark.createDataFrame(rows, schema).coalesce(1).cache()


def stream_rows(seed: str) -> pa.Table:
    """Rows as a stream brings them: known values, unknown ones, missing ones, and numbers of all sizes."""
    draw = random.Random(seed)
    rows = [
        {
            "number": number,
            "method": draw.choice((*METHODS, *METHODS, "bitcoin", "", None)),
            "fee": draw.choice((5000.0, 7000.0, 5000.0, 5000.5, -1.0, None)),
            "year": draw.choice((0, 1, 2, 7, None)),
            "amount": draw.choice((0.0, 1.5, 5.0, 19.0, -3.0, 1e308, draw.uniform(0, 20))),
        }
        for number in range(40)
    ]
    return pa.Table.from_pylist(rows, arrow_schema(COLUMNS))


@pytest.mark.filterwarnings("ignore")  # One against the rest leaves its threads to the garbage collector.
@pytest.mark.parametrize("name", PIPELINES)
def test_the_streams_scores_are_those_of_a_plain_transform(
    spark: SparkSession, history: DataFrame, name: str
) -> None:
    fitted = Pipeline(stages=PIPELINES[name]()).fit(history)
    assert name.partition(" ")[0] in {type(stage).__name__ for stage in fitted.stages}
    batch = fitted.copy()
    model = prepare(spark, fitted, Card(source="external", version="v1", threshold=None), COLUMNS)
    rows = stream_rows(name)
    refused = [model.needs.problem(row) is not None for row in rows.to_pylist()]
    taken = rows.filter(pa.array([not one for one in refused]))
    probes = [pa.Table.from_pylist([row], rows.schema) for row in model.needs.probes(COLUMNS)]
    found = RowByRow(lambda some: model.transform(spark.createDataFrame(some)).toArrow())(taken, probes)
    good = [row for row in found.rows.to_pylist() if row[UNSCORABLE] is None]
    assert len(good) >= 5, found.failed
    again = {row["number"]: row for row in transformed(spark, batch, good)}
    assert len(again) == len(good)
    for row in good:
        other = again[row["number"]]
        assert row["own_prediction"] == row["prediction"] == other["prediction"]
        assert row["probability"] == pytest.approx(other["probability"].toArray().tolist(), abs=EXACT)


def transformed(spark: SparkSession, model: PipelineModel, rows: list[dict[str, Any]]) -> list[Any]:
    """What a notebook would get, from a frame that spells numbers as the labels do."""
    plain_rows = pa.Table.from_pylist(rows, arrow_schema(COLUMNS))
    texts = spell_all(spark, model, COLUMNS)
    frame = spark.createDataFrame(plain_rows).selectExpr("*", *texts)
    ansi = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    try:
        return model.transform(frame).select("number", "prediction", "probability").collect()
    finally:
        spark.conf.set("spark.sql.ansi.enabled", ansi)


@pytest.mark.parametrize("name", ["StringIndexerModel", "VectorAssembler", "Bucketizer", "NaiveBayesModel"])
def test_what_is_refused_beforehand_is_what_a_plain_transform_refuses_or_drops(
    spark: SparkSession, history: DataFrame, name: str
) -> None:
    fitted = Pipeline(stages=PIPELINES[name]()).fit(history)
    batch = fitted.copy()
    model = prepare(spark, fitted, Card(source="external"), COLUMNS)
    refused = [row for row in stream_rows(name).to_pylist() if model.needs.problem(row) is not None]
    assert refused
    for row in refused[:4]:
        try:
            assert transformed(spark, batch, [row]) == []
        except (Py4JError, PySparkException):
            continue


def test_a_model_that_is_no_classifier_is_called_what_it_is(spark: SparkSession, history: DataFrame) -> None:
    for model, what in ((KMeans(k=2, seed=1), "a clustering"), (LinearRegression(maxIter=1), "a regression")):
        fitted = Pipeline(stages=[together("fee", "amount"), model]).fit(history)
        with pytest.raises(ModelUnusable, match=rf"the last is stage \w+ \(\w+\), which is {what}"):
            prepare(spark, fitted, Card(source="external"), COLUMNS)
