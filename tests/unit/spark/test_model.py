"""A model made ready for the stream: which rows it takes, and that it scores all of them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.classification import (
    GBTClassifier,
    LinearSVC,
    LogisticRegression,
    NaiveBayes,
    RandomForestClassifier,
)
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.feature import (
    Bucketizer,
    Imputer,
    IndexToString,
    MinMaxScaler,
    OneHotEncoder,
    QuantileDiscretizer,
    RFormula,
    SQLTransformer,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
    VectorIndexer,
    VectorSizeHint,
)
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit
from pyspark.sql import DataFrame, SparkSession

from streamweir.contracts.tables import Column, Type
from streamweir.errors import ModelUnusable
from streamweir.models.archive import unpack
from streamweir.models.card import Card, Flavour
from streamweir_spark.flow import Flow
from streamweir_spark.model import UNSCORABLE, Asked, ScoringModel, load, prepare
from streamweir_spark.spelling import spell

FIXTURES = Path(__file__).parents[2] / "fixtures"
COLUMNS = (
    Column("method", Type.STRING),
    Column("gender", Type.STRING),
    Column("amount", Type.DOUBLE),
    Column("pieces", Type.INT),
    Column("age", Type.INT),
)
TRAINING = [
    ("OVO", "M", 10.0, 1, 20, 0.0, "no"),
    ("Gopay", "F", 90.0, 2, 30, 1.0, "true"),
    ("OVO", "F", 20.0, 0, 40, 0.0, "no"),
    ("Gopay", "M", 80.0, 2, 50, 1.0, "true"),
    ("OVO", "M", 30.0, 1, 25, 0.0, "no"),
    ("Gopay", "F", 70.0, 0, 35, 1.0, "true"),
    ("OVO", "F", 40.0, 2, 45, 0.0, "no"),
]
TRAINING_SCHEMA = (
    "method string, gender string, amount double, pieces bigint, age bigint, label double, is_fraud string"
)
GOOD = ("OVO", "M", 50.0, 1, 33)
SCORES = [
    "rawPrediction",
    "probability",
    "fraud_probability",
    "prediction",
    "own_prediction",
    "model_version",
    UNSCORABLE,
]
Ready = Callable[..., ScoringModel]


def assemble(*names: str, **params: Any) -> VectorAssembler:
    return VectorAssembler(inputCols=list(names), outputCol="features", **params)


def classify(**params: Any) -> NaiveBayes:
    """The classifier that is fitted fastest."""
    return NaiveBayes(modelType="gaussian", **params)


@pytest.fixture(scope="module")
def training(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(TRAINING, TRAINING_SCHEMA).coalesce(1).cache()


@pytest.fixture
def ready(spark: SparkSession, training: DataFrame, tmp_path: Path) -> Ready:
    """Fits a pipeline of these stages and makes it ready, on request by way of a folder."""

    def make(
        *stages: Any, columns: Sequence[Column] = COLUMNS, threshold: float | None = 0.5, saved: bool = False
    ) -> ScoringModel:
        fitted = Pipeline(stages=list(stages)).fit(training)
        card = Card(source="external", version="v1", threshold=threshold)
        if not saved:
            return prepare(spark, fitted, card, columns)
        fitted.write().save(str(tmp_path / "model"))
        return load(spark, str(tmp_path / "model"), card, columns)

    return make


def score(spark: SparkSession, model: ScoringModel, *rows: tuple[Any, ...]) -> list[Any]:
    """Score rows that fulfil the model's needs, as the shards make sure of."""
    names = [column.name for column in COLUMNS]
    for row in rows:
        assert model.needs.problem(dict(zip(names, row, strict=True))) is None
    schema = ", ".join(TRAINING_SCHEMA.split(", ")[:5])
    found = model.transform(spark.createDataFrame(list(rows), schema)).collect()
    assert len(found) == len(rows)
    return found


def problem(model: ScoringModel, **values: object) -> str | None:
    names = [column.name for column in COLUMNS]
    return model.needs.problem({**dict(zip(names, GOOD, strict=True)), **values})


def test_scores_follow_the_frames_own_columns(spark: SparkSession, ready: Ready) -> None:
    model = ready(assemble("amount", "pieces"), classify(), threshold=0.0, saved=True)
    schema = "method string, gender string, amount double, pieces bigint, age bigint, features string"
    frame = spark.createDataFrame([(*GOOD, "kept")], schema)
    scored = model.transform(frame)
    assert scored.columns == [*frame.columns, *SCORES]
    types = dict(scored.dtypes)
    assert [types[name] for name in SCORES] == [
        "array<double>",
        "array<double>",
        "double",
        "bigint",
        "bigint",
        "string",
        "string",
    ]
    row = scored.collect()[0]
    assert row["features"] == "kept"
    assert row["fraud_probability"] == row["probability"][1]
    assert sum(row["probability"]) == pytest.approx(1)
    assert (row["prediction"], row["model_version"]) == (1, "v1")
    assert model.inputs == ("amount", "pieces")


def test_a_probability_below_the_threshold_is_no_fraud(spark: SparkSession, ready: Ready) -> None:
    model = ready(assemble("amount"), classify(), threshold=1.0)
    assert score(spark, model, GOOD)[0]["prediction"] == 0


def test_a_label_indexer_is_left_out_and_tells_where_fraud_is(spark: SparkSession, ready: Ready) -> None:
    model = ready(
        StringIndexer(inputCol="is_fraud", outputCol="target", stringOrderType="alphabetDesc"),
        assemble("amount"),
        classify(labelCol="target"),
        IndexToString(inputCol="prediction", outputCol="verdict", labels=["true", "no"]),
        saved=True,
    )
    assert model.inputs == ("amount",)
    low, high = score(spark, model, ("OVO", "M", 10.0, 1, 20), ("OVO", "M", 90.0, 1, 20))
    assert low["fraud_probability"] < 0.5 < high["fraud_probability"] == high["probability"][0]


def test_a_label_beside_features_in_one_indexer_is_left_out(spark: SparkSession, ready: Ready) -> None:
    model = ready(
        StringIndexer(inputCols=["is_fraud", "method"], outputCols=["target", "m"], handleInvalid="skip"),
        assemble("m"),
        classify(labelCol="target"),
    )
    assert model.inputs == ("method",)
    assert len(score(spark, model, GOOD)) == 1


@pytest.mark.parametrize("mode", ["skip", "error"])
def test_an_indexer_that_would_skip_or_refuse_becomes_a_need(
    spark: SparkSession, ready: Ready, mode: str
) -> None:
    model = ready(
        StringIndexer(inputCols=["method", "gender"], outputCols=["m", "g"], handleInvalid=mode),
        OneHotEncoder(inputCols=["m", "g"], outputCols=["mv", "gv"]),
        assemble("mv", "gv"),
        classify(),
    )
    assert model.needs.categories == {"method": {"OVO", "Gopay"}, "gender": {"M", "F"}}
    assert problem(model, method="Bitcoin") == "method is 'Bitcoin', which the model was not trained on"
    assert problem(model, gender=None) == "gender is None, which the model was not trained on"
    assert len(score(spark, model, GOOD, ("Gopay", "F", 1.0, 0, 1))) == 2


def test_an_indexer_that_keeps_takes_everything(spark: SparkSession, ready: Ready) -> None:
    model = ready(
        StringIndexer(inputCol="method", outputCol="m", handleInvalid="keep"),
        OneHotEncoder(inputCol="m", outputCol="mv"),
        assemble("mv"),
        classify(),
    )
    assert not model.needs.categories
    assert len(score(spark, model, ("Bitcoin", "M", 1.0, 1, 1), (None, "M", 1.0, 1, 1))) == 2


@pytest.mark.parametrize("mode", ["skip", "keep"])
def test_an_indexed_number_is_spelled_as_the_models_labels_spell_it(
    spark: SparkSession, training: DataFrame, mode: str
) -> None:
    # The history has integers, and doubles that are written as Spark does not write them.
    stages = [
        SQLTransformer(statement="SELECT *, cast(amount AS int) AS fee FROM __THIS__"),
        StringIndexer(inputCol="fee", outputCol="f", handleInvalid=mode),
        OneHotEncoder(inputCol="f", outputCol="fv", dropLast=False),
        assemble("fv", "fee"),
        RandomForestClassifier(numTrees=3, seed=1, maxDepth=4),
    ]
    first, *others = stages
    fitted = Pipeline(stages=others).fit(first.transform(training))
    assert list(fitted.stages[0].labelsArray[0]) == ["10", "20", "30", "40", "70", "80", "90"]
    columns = [Column("fee", Type.DOUBLE)]
    model = prepare(spark, fitted.copy(), Card(source="external"), columns)
    assert (model.needs.problem({"fee": 11.0}) is None) == (mode == "keep")
    rows = [(10.0,), (90.0,), (70.0,)] + ([(11.0,)] if mode == "keep" else [])
    found = model.transform(spark.createDataFrame(rows, "fee double")).collect()
    # What a notebook says of the integers.
    plain = fitted.transform(spark.createDataFrame([(int(fee),) for (fee,) in rows], "fee int")).collect()
    assert [row["probability"] for row in found] == [list(row["probability"]) for row in plain]
    assert found[0]["fraud_probability"] < 0.5 < found[1]["fraud_probability"]


def test_of_two_labels_of_one_number_sparks_own_spelling_goes_first(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("5.0",), ("5",), ("5",), ("07",)], "fee string").coalesce(1)
    fitted = StringIndexer(inputCol="fee", outputCol="f").fit(frame)
    ((source, text),) = spell(spark, fitted._to_java(), {"fee": Type.DOUBLE}).values()
    spelled = (
        spark.createDataFrame([(5.0,), (7.0,), (8.5,), (None,)], "fee double").selectExpr(text).collect()
    )
    assert (source, [row[0] for row in spelled]) == ("fee", ["5.0", "07", "8.5", None])


@pytest.mark.parametrize(
    ("rule", "card", "called"),
    [
        (Asked(threshold=0.0), 1.0, 1),
        (Asked(), 0.0, 1),
        (Asked(), 1.0, 0),
        (Asked(threshold=1.0), None, 0),
        (Asked(), None, 1),
    ],
    ids=[
        "the run's",
        "the card's",
        "the card's is not reached",
        "the run's is not reached",
        "the model's own",
    ],
)
def test_the_runs_threshold_goes_before_the_cards_and_the_models_own_rule_comes_last(
    spark: SparkSession, training: DataFrame, rule: Asked, card: float | None, called: int
) -> None:
    stages = [assemble("amount"), LogisticRegression(maxIter=5, regParam=0.5, threshold=0.3)]
    fitted = Pipeline(stages=stages).fit(training)
    model = prepare(spark, fitted, Card(source="external", threshold=card), COLUMNS, rule)
    row = score(spark, model, ("OVO", "M", 40.0, 1, 20))[0]
    assert 0.3 < row["fraud_probability"] < 0.5
    assert (row["prediction"], row["own_prediction"]) == (called, 1)


def test_the_models_own_thresholds_decide_without_another_rule(spark: SparkSession, ready: Ready) -> None:
    forest = RandomForestClassifier(numTrees=5, seed=1).setThresholds([0.999, 0.001])
    model = ready(assemble("amount"), forest, threshold=None)
    rows = score(spark, model, ("OVO", "M", 10.0, 1, 20), ("OVO", "M", 90.0, 1, 20))
    expected = [int(row["probability"][1] / 0.001 > row["probability"][0] / 0.999) for row in rows]
    assert [row["prediction"] for row in rows] == expected
    assert 1 in expected


def test_labels_that_nobody_knows_are_asked_for_by_name(spark: SparkSession, training: DataFrame) -> None:
    labelled = training.selectExpr("*", "if(label = 1, 'Fraudulent', 'Legitimate') AS word")
    stages = [
        StringIndexer(inputCol="word", outputCol="target"),
        assemble("amount"),
        classify(labelCol="target"),
    ]
    fitted, card = Pipeline(stages=stages).fit(labelled), Card(source="external")
    known = "'Legitimate' and 'Fraudulent'"
    with pytest.raises(ModelUnusable, match=f"labels are {known}, .*name it with fraud_label"):
        prepare(spark, fitted.copy(), card, COLUMNS)
    with pytest.raises(
        ModelUnusable, match=f"fraud_label is 'fraud', which is no label of the model: {known}"
    ):
        prepare(spark, fitted.copy(), card, COLUMNS, Asked(fraud_label="fraud"))
    model = prepare(spark, fitted, card, COLUMNS, Asked(fraud_label="Fraudulent"))
    low, high = score(spark, model, ("OVO", "M", 10.0, 1, 20), ("OVO", "M", 90.0, 1, 20))
    assert low["fraud_probability"] < 0.5 < high["fraud_probability"] == high["probability"][1]


@pytest.mark.parametrize(
    ("labels", "fraud"),
    [(("0", "1"), 1), (("1.0", "0.0"), 0), (("-1", "1"), 1), (("1", "2"), None), (("N", "Y"), None)],
)
def test_a_1_means_fraud_only_beside_what_says_that_it_does(
    training: DataFrame, labels: tuple[str, str], fraud: int | None
) -> None:
    back = IndexToString(inputCol="prediction", outputCol="said", labels=list(labels))
    fitted = Pipeline(stages=[assemble("amount"), classify(), back]).fit(training)
    if fraud is None:
        with pytest.raises(ModelUnusable, match="name it with fraud_label"):
            Flow.of(fitted)
        return
    assert Flow.of(fitted).fraud_index == fraud


def test_without_known_labels_1_is_fraud(spark: SparkSession, ready: Ready) -> None:
    row = score(spark, ready(assemble("amount"), classify()), ("OVO", "M", 90.0, 1, 20))[0]
    assert row["fraud_probability"] == row["probability"][1] > 0.5


def test_a_score_that_is_no_number_is_said_beside_the_row(spark: SparkSession, ready: Ready) -> None:
    # In Spark the logarithm of 0 is null, and NaN is larger than every threshold.
    model = ready(
        SQLTransformer(statement="SELECT *, log(amount) AS l FROM __THIS__"),
        assemble("l", handleInvalid="keep"),
        LogisticRegression(maxIter=2),
    )
    odd, good = score(spark, model, ("x", "y", 0.0, 1, 1), ("x", "y", 9.0, 1, 1))
    assert odd[UNSCORABLE] == "the model's probability is [NaN, NaN]: not a finite number"
    assert good[UNSCORABLE] is None


def test_an_infinite_raw_prediction_is_no_score(spark: SparkSession, ready: Ready) -> None:
    model = ready(
        SQLTransformer(statement="SELECT *, exp(amount) AS e FROM __THIS__"),
        assemble("e", handleInvalid="keep"),
        LogisticRegression(maxIter=2),
    )
    (odd,) = score(spark, model, ("x", "y", 800.0, 1, 1))
    assert odd[UNSCORABLE].startswith("the model's ")
    assert odd[UNSCORABLE].endswith(": not a finite number")


@pytest.mark.parametrize("mode", ["skip", "error"])
def test_an_assembler_that_would_skip_or_refuse_becomes_a_need(
    spark: SparkSession, ready: Ready, mode: str
) -> None:
    model = ready(assemble("amount", "age", handleInvalid=mode), classify())
    assert model.needs.present == {"amount", "age"}
    assert problem(model, age=None) == "age is missing, which the model refuses"
    assert len(score(spark, model, ("x", None, 1.0, None, 1))) == 1


def test_an_imputer_makes_a_missing_value_welcome(spark: SparkSession, ready: Ready) -> None:
    model = ready(Imputer(inputCols=["amount"], outputCols=["a"]), assemble("a"), classify())
    assert len(score(spark, model, ("x", None, None, None, None))) == 1


@pytest.mark.parametrize("mode", ["skip", "error", "keep"])
def test_a_bucketizer_asks_for_its_range(spark: SparkSession, ready: Ready, mode: str) -> None:
    model = ready(
        Bucketizer(splits=[0.0, 50.0, 100.0], inputCol="amount", outputCol="a", handleInvalid=mode),
        assemble("a", handleInvalid=mode),
        classify(),
    )
    assert problem(model, amount=100.5) == "amount is 100.5, outside the model's range 0 to 100"
    assert problem(model, amount=None) is not None
    assert len(score(spark, model, ("x", "y", 0.0, 1, 1), ("x", "y", 100.0, 1, 1))) == 2


def test_a_quantile_discretizer_takes_every_number(spark: SparkSession, ready: Ready) -> None:
    discretizer = QuantileDiscretizer(
        inputCols=["amount", "age"], outputCols=["a", "b"], numBuckets=2, handleInvalid="skip"
    )
    model = ready(discretizer, assemble("a", "b"), classify())
    assert len(score(spark, model, ("x", "y", -1e9, 1, 500))) == 1


def test_an_encoder_of_a_plain_number_asks_for_the_numbers_it_knows(
    spark: SparkSession, ready: Ready
) -> None:
    model = ready(OneHotEncoder(inputCol="pieces", outputCol="p"), assemble("p"), classify())
    assert problem(model, pieces=3) == "pieces is 3, which the model was not trained on"
    assert len(score(spark, model, ("x", "y", 1.0, 0, 1), ("x", "y", 1.0, 2, 1))) == 2


def test_an_encoder_that_keeps_refuses_only_what_is_no_category(spark: SparkSession, ready: Ready) -> None:
    model = ready(
        OneHotEncoder(inputCol="pieces", outputCol="p", handleInvalid="keep"), assemble("p"), classify()
    )
    assert problem(model, pieces=-1) is not None
    assert len(score(spark, model, ("x", "y", 1.0, 99, 1))) == 1


@pytest.mark.parametrize("mode", ["skip", "error"])
def test_a_vector_indexer_asks_for_the_values_of_each_element(
    spark: SparkSession, ready: Ready, mode: str
) -> None:
    model = ready(
        StringIndexer(inputCol="method", outputCol="m", handleInvalid="keep"),
        VectorAssembler(inputCols=["m", "pieces", "amount"], outputCol="plain"),
        VectorIndexer(inputCol="plain", outputCol="features", maxCategories=4, handleInvalid=mode),
        RandomForestClassifier(numTrees=2),
    )
    assert problem(model, method="Bitcoin") == "method is 'Bitcoin', which the model was not trained on"
    assert problem(model, pieces=7) == "pieces is 7, which the model was not trained on"
    assert len(score(spark, model, ("OVO", "y", 1e6, 2, 1))) == 1


def test_a_vector_indexer_of_elements_that_nobody_can_foresee_is_refused(ready: Ready) -> None:
    with pytest.raises(
        ModelUnusable, match=r"VectorIndexer_\w+ \(VectorIndexerModel\) may drop or refuse rows"
    ):
        ready(
            VectorAssembler(inputCols=["pieces"], outputCol="plain"),
            MinMaxScaler(inputCol="plain", outputCol="scaled"),
            VectorIndexer(inputCol="scaled", outputCol="features", maxCategories=4, handleInvalid="skip"),
            classify(),
        )


@pytest.mark.parametrize("mode", ["skip", "error"])
def test_a_size_hint_that_fits_refuses_nothing(spark: SparkSession, ready: Ready, mode: str) -> None:
    model = ready(
        VectorAssembler(inputCols=["pieces", "amount"], outputCol="features"),
        VectorSizeHint(inputCol="features", size=2, handleInvalid=mode),
        classify(),
    )
    assert len(score(spark, model, GOOD)) == 1


@pytest.mark.parametrize("mode", ["skip", "keep"])
def test_a_formula_is_opened(spark: SparkSession, ready: Ready, mode: str) -> None:
    formula = RFormula(
        formula="is_fraud ~ method + amount + method:age", labelCol="target", handleInvalid=mode
    )
    model = ready(formula, classify(labelCol="target"))
    assert model.inputs == ("method", "amount", "age")
    assert (problem(model, method="Bitcoin") is None) == (mode == "keep")
    assert len(score(spark, model, GOOD)) == 1


def test_nested_pipelines_and_scalers_are_opened(spark: SparkSession, ready: Ready) -> None:
    inner = Pipeline(stages=[StringIndexer(inputCol="method", outputCol="m", handleInvalid="skip"),
                             VectorAssembler(inputCols=["m", "amount"], outputCol="plain")])  # fmt: skip
    model = ready(inner, StandardScaler(inputCol="plain", outputCol="features"), GBTClassifier(maxIter=2))
    assert problem(model, method="Bitcoin") is not None
    assert len(score(spark, model, GOOD)) == 1


@pytest.mark.filterwarnings("ignore")  # Spark's tuners leave their thread pools to the garbage collector.
@pytest.mark.parametrize("tuner", [CrossValidator, TrainValidationSplit])
def test_a_tuned_stage_is_its_best_model(spark: SparkSession, ready: Ready, tuner: Any) -> None:
    nb = classify()
    inner = Pipeline(stages=[assemble("amount", handleInvalid="skip"), nb])
    search = tuner(
        estimator=inner,
        estimatorParamMaps=ParamGridBuilder().addGrid(nb.smoothing, [1.0]).build(),
        evaluator=BinaryClassificationEvaluator(),
        seed=1,
    )
    model = ready(search.setNumFolds(2) if tuner is CrossValidator else search, saved=True)
    assert model.needs.present == {"amount"}
    assert len(score(spark, model, GOOD)) == 1


def test_a_statement_that_keeps_every_row_is_welcome(spark: SparkSession, training: DataFrame) -> None:
    statement = "SELECT *, coalesce(amount / pieces, 0) AS price, upper(method) AS loud FROM __THIS__"
    stages = [
        SQLTransformer(statement=statement),
        StringIndexer(inputCol="loud", outputCol="m", handleInvalid="keep"),
        assemble("price", "m", "age"),
        classify(),
    ]
    # Fitted as before Spark 4, when a division by zero was null; made ready where it is an error.
    spark.conf.set("spark.sql.ansi.enabled", "false")
    fitted = Pipeline(stages=stages).fit(training)
    spark.conf.set("spark.sql.ansi.enabled", "true")
    model = prepare(spark, fitted, Card(source="external"), COLUMNS)
    assert model.needs.present == {"age"}
    assert len(score(spark, model, ("x", "y", 1.0, 0, 1))) == 1


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT * FROM __THIS__ WHERE amount > 0", r"may drop or multiply rows \(Filter\)"),
        ("SELECT *, explode(array(1, 2)) AS x FROM __THIS__", r"may drop or multiply rows \(Generate\)"),
        ("SELECT DISTINCT * FROM __THIS__", r"may drop or multiply rows \(Distinct\)"),
        ("SELECT amount, pieces % 2 AS label FROM __THIS__", r"SELECT \*"),
        ("SELECT *, is_fraud AS x FROM __THIS__", "is_fraud"),
    ],
)
def test_a_statement_that_does_not_fit_is_refused(ready: Ready, statement: str, sentence: str) -> None:
    with pytest.raises(ModelUnusable, match=r"SQLTransformer") as caught:
        ready(SQLTransformer(statement=statement), assemble("amount"), classify())
    assert caught.match(sentence)


@pytest.mark.parametrize(
    "stage",
    [
        lambda: StringIndexer(inputCol="loud", outputCol="m", handleInvalid="skip"),
        lambda: VectorAssembler(inputCols=["price"], outputCol="m", handleInvalid="skip"),
    ],
    ids=["indexer", "assembler"],
)
def test_a_made_column_that_may_be_skipped_is_refused(ready: Ready, stage: Any) -> None:
    statement = "SELECT *, amount / pieces AS price, upper(method) AS loud FROM __THIS__ "
    with pytest.raises(ModelUnusable, match=r"may drop or refuse rows because of (loud|price).*keep"):
        ready(SQLTransformer(statement=statement), stage(), assemble("m"), classify())


def test_a_new_value_under_an_old_name_does_not_pass_as_the_original(ready: Ready) -> None:
    statement = "SELECT * EXCEPT (method), upper(method) AS method FROM __THIS__"
    with pytest.raises(ModelUnusable, match=r"StringIndexer_\w+ .* because of method"):
        ready(
            SQLTransformer(statement=statement),
            StringIndexer(inputCol="method", outputCol="m", handleInvalid="error"),
            assemble("m"),
            classify(),
        )


def test_all_missing_inputs_are_named(ready: Ready) -> None:
    with pytest.raises(ModelUnusable, match=r"model v1 needs method, pieces, which .* not make.*amount, age"):
        ready(
            StringIndexer(inputCol="method", outputCol="m"),
            assemble("m", "amount", "pieces"),
            classify(),
            columns=[column for column in COLUMNS if column.name in ("amount", "age")],
        )


def test_an_input_of_the_wrong_type_is_named(ready: Ready) -> None:
    columns = [Column("amount", Type.STRING), Column("age", Type.INT)]
    with pytest.raises(ModelUnusable, match=r"VectorAssembler_\w+ .*string of column amount"):
        ready(assemble("amount", "age"), classify(), columns=columns)


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (
            lambda: LinearSVC(maxIter=1),
            r"no stage of the model makes a probability .*; the last is .*LinearSVC",
        ),
        (lambda: LogisticRegression(labelCol="pieces", maxIter=1), "knows 3 classes"),
        (lambda: LogisticRegression(probabilityCol="", maxIter=1), "makes no probability"),
        (
            lambda: StandardScaler(inputCol="features", outputCol="s"),
            "no stage of the model makes a probability",
        ),
    ],
)
def test_a_model_without_a_two_class_probability_is_refused(ready: Ready, stage: Any, sentence: str) -> None:
    with pytest.raises(ModelUnusable, match=sentence):
        ready(assemble("amount"), stage())


def test_a_multinomial_model_asks_for_numbers_that_are_not_negative(
    spark: SparkSession, ready: Ready
) -> None:
    model = ready(assemble("amount", "pieces"), NaiveBayes(modelType="multinomial"))
    assert problem(model, amount=-0.5) == "amount is -0.5, outside the model's range 0 to inf"
    assert len(score(spark, model, ("x", "y", 0.0, 0, 1))) == 1


def test_a_bernoulli_model_takes_categories_and_asks_numbers_to_be_0_or_1(
    spark: SparkSession, ready: Ready
) -> None:
    model = ready(
        StringIndexer(inputCol="method", outputCol="m", handleInvalid="keep"),
        OneHotEncoder(inputCol="m", outputCol="mv"),
        assemble("mv"),
        NaiveBayes(modelType="bernoulli"),
    )
    assert len(score(spark, model, ("Bitcoin", "y", 7.0, 2, 1), GOOD)) == 2
    assert not model.needs.ranges


def test_a_model_without_raw_predictions_has_null_there(spark: SparkSession, ready: Ready) -> None:
    model = ready(assemble("amount"), RandomForestClassifier(numTrees=2, rawPredictionCol=""))
    assert score(spark, model, GOOD)[0]["rawPrediction"] is None


def test_a_folder_that_is_no_model_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"model v1 cannot be loaded: .+"):
        load(spark, str(tmp_path / "nothing"), Card(source="external", version="v1"), COLUMNS)


def test_a_model_of_another_flavour_is_refused_before_it_is_read(spark: SparkSession, tmp_path: Path) -> None:
    card = Card(source="trained", flavour=Flavour.ONNX, version="v1")
    with pytest.raises(ModelUnusable, match="model v1 is of flavour onnx, and this stream scores with Spark"):
        load(spark, str(tmp_path / "v1.onnx"), card, COLUMNS)


def test_a_model_saved_by_spark_3_5_scores_as_it_did_there(spark: SparkSession, tmp_path: Path) -> None:
    expected = json.loads((FIXTURES / "spark35_scores.json").read_text())
    columns = (
        Column("payment_method", Type.STRING),
        Column("gender", Type.STRING),
        Column("L1_ratio", Type.DOUBLE),
        Column("num_purchase", Type.INT),
        Column("age", Type.INT),
    )
    folder = unpack(FIXTURES / "spark35_model.zip", tmp_path)
    model = load(spark, str(folder), Card(source="external", version="v35"), columns)
    rows = [tuple(row[column.name] for column in columns) for row in expected]
    schema = "payment_method string, gender string, L1_ratio double, num_purchase bigint, age bigint"
    scored = model.transform(spark.createDataFrame(rows, schema)).collect()
    assert len(scored) == len(expected) == 20
    for row, was in zip(scored, expected, strict=True):
        assert row["probability"] == pytest.approx(was["probability"], abs=1e-12)
        # The label's most frequent value came first in training, and it was '1'.
        assert row["fraud_probability"] == row["probability"][0]
    assert model.needs.categories["payment_method"] == {"OVO", "Gopay", "LinkAja", "Debit Card"}
    assert model.needs.present == {"L1_ratio", "num_purchase", "age"}
