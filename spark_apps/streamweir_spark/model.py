"""A model version made ready for a stream: it says beforehand which rows it takes, and scores all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.ml.wrapper import JavaWrapper
from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.contracts.rejected import BY_MODEL
from streamweir.contracts.tables import Column
from streamweir.errors import ModelUnusable
from streamweir.models.card import Card, Flavour
from streamweir.models.rule import deciding
from streamweir_spark.columns import UNSCORABLE, quoted, spark_schema, struct
from streamweir_spark.flow import Flow, Step
from streamweir_spark.ml_stages import Examiner
from streamweir_spark.needs import UNKNOWN, ModelNeeds, Origin
from streamweir_spark.scala import INDEXER, SQL, Stage, kind_of, title
from streamweir_spark.spelling import numbers_of, spell

ROW = "__streamweir_row"
"""The struct that carries the frame's own columns through the stages, out of the way of the model's names."""

_KEEPS_ROWS = frozenset(("Project", "SubqueryAlias", "View", "LogicalRDD", "LocalRelation"))
"""Nodes of a logical plan that give one row for each row."""
_CANNOT_LOAD = (Py4JError, PySparkException, AttributeError, ImportError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class ScoringModel:
    """A loaded version. `inputs` are the columns it reads; `needs` is what a row must fulfil to be scored.

    threshold: the probability at which a row is called fraud; None where the model's own rule decides.
    """

    version: str
    threshold: float | None
    needs: ModelNeeds
    inputs: tuple[str, ...]
    fraud_index: int
    _read: tuple[str, ...] = field(repr=False)
    _pipeline: Stage = field(repr=False)
    _scores: tuple[Expression, ...] = field(repr=False)
    _spark: SparkSession = field(repr=False)

    def predict(self, rows: pa.Table) -> pa.Table:
        """The same as `transform`, of a table."""
        return self.transform(self._spark.createDataFrame(rows)).toArrow()

    def transform(self, frame: DataFrame) -> DataFrame:
        """All columns of the frame, then `rawPrediction` and `probability` (arrays of doubles; rawPrediction
        is null when the model makes none), `fraud_probability` (double), `prediction` (long, 1 where the row
        is called fraud), `own_prediction` (the same by the model's own rule), `model_version`, and
        UNSCORABLE: why a row has no score, else null. As many rows as the frame has, if all fulfil `needs`.
        """
        carried = frame.selectExpr(f"{struct(frame.columns)} AS {ROW}", *self._read)
        scored = DataFrame(self._pipeline.transform(carried._jdf), frame.sparkSession)
        return scored.select(*self._scores)


@dataclass(frozen=True)
class Asked:
    """What a run asks of a model's decision: another threshold, and the label that means fraud where the
    model's own labels do not say it. None: nothing is asked."""

    threshold: float | None = None
    fraud_label: str | None = None


def load(
    spark: SparkSession, location: str, card: Card, columns: Sequence[Column], asked: Asked = Asked()
) -> ScoringModel:
    """Load the model at `location` (a folder that Registry.fetch made, or any address that Spark reads).

    `columns` are the columns that the stream will offer, e.g. MODEL_COLUMNS.
    Raises ModelUnusable with the missing input, or the stage that cannot be used and why.
    """
    return prepare(spark, saved(location, card), card, columns, asked)


def saved(location: str, card: Card) -> PipelineModel:
    """The model as Spark loads it; raises ModelUnusable."""
    if card.flavour is not Flavour.SPARK:
        raise ModelUnusable(
            f"model {card.version} is of flavour {card.flavour}, and this stream scores with Spark's "
            "PipelineModels: take another `model`"
        )
    try:
        return PipelineModel.load(location)
    except _CANNOT_LOAD as error:
        raise ModelUnusable(f"model {card.version} cannot be loaded: {_sentence(error)}") from error


def prepare(
    spark: SparkSession, model: PipelineModel, card: Card, columns: Sequence[Column], asked: Asked = Asked()
) -> ScoringModel:
    """Make a fitted pipeline ready; its stages are then set never to drop a row. Raises as `load` does."""
    flow = Flow.of(model, asked.fraud_label)
    offered = [column.name for column in columns]
    flow.require(offered, card.version)
    flow.suit(spark)
    inputs = offered if flow.has_sql else [name for name in offered if name in flow.reads]
    examiner = Examiner({name: Origin(column=name, same=True) for name in inputs})
    empty = spark.createDataFrame([], spark_schema(columns))
    frame = empty.select(F.struct(*offered).alias(ROW), *inputs)
    numbers = numbers_of(columns)
    read = [quoted(name) for name in inputs]
    for step in flow.steps:
        if kind_of(step.stage) == INDEXER:
            same = {name: kind for name, kind in numbers.items() if examiner.is_original(name)}
            for name, (source, text) in spell(spark, step.stage, same).items():
                read.append(f"{text} AS {quoted(name)}")
                frame = frame.selectExpr("*", read[-1])
                examiner.origins[name] = examiner.origins[source]
        frame = _pass(step, frame, examiner)
    threshold = deciding(asked.threshold, card).threshold
    return ScoringModel(
        version=card.version,
        threshold=threshold,
        needs=examiner.needs,
        inputs=tuple(inputs),
        fraud_index=flow.fraud_index,
        _read=tuple(read),
        _pipeline=_pipeline(spark, flow.steps),
        _scores=_scores(flow, card.version, threshold),
        _spark=spark,
    )


def _scores(flow: Flow, version: str, threshold: float | None) -> tuple[Expression, ...]:
    """What `ScoringModel.transform` selects; made once, because PySpark takes long to make an expression."""
    raw = flow.classifier.getRawPredictionCol()
    raws = vector_to_array(F.col(raw)) if raw else F.lit(None).cast("array<double>")
    probability = vector_to_array(F.col(flow.classifier.getProbabilityCol()))
    fraud = probability[flow.fraud_index]
    own = F.col(flow.classifier.getPredictionCol()) == flow.fraud_index
    return (
        F.col(f"{ROW}.*"),
        raws.alias("rawPrediction"),
        probability.alias("probability"),
        fraud.alias("fraud_probability"),
        (own if threshold is None else fraud >= threshold).cast("long").alias("prediction"),
        own.cast("long").alias("own_prediction"),
        F.lit(version).alias("model_version"),
        F.coalesce(_no_number("probability", probability), _no_number("raw prediction", raws)).alias(
            UNSCORABLE
        ),
    )


def _no_number(name: str, scores: Expression) -> Expression:
    """A sentence when a score is NaN or infinite. In Spark NaN is larger than every threshold."""
    odd = F.exists(scores, lambda score: F.isnan(score) | (F.abs(score) == float("inf")))
    shown = F.concat(F.lit(f"{BY_MODEL}'s {name} is "), scores.cast("string"))
    return F.when(odd, F.concat(F.substring(shown, 1, 200), F.lit(": not a finite number")))


def _pass(step: Step, frame: DataFrame, examiner: Examiner) -> DataFrame:
    """Send an empty frame through a stage: Spark's analysis shows what it makes and whether it drops rows."""
    stage = step.stage
    for name in step.reads:
        if name not in examiner.origins:
            raise ModelUnusable(f"{title(stage)} needs {name}, which the stages before it do not make")
    made = examiner.examine(stage)
    try:
        after = DataFrame(stage.transform(frame._jdf), frame.sparkSession)
    except (Py4JError, PySparkException) as error:
        raise ModelUnusable(f"{title(stage)} cannot be used: {_sentence(error)}") from error
    dropping = _plan_nodes(after) - _KEEPS_ROWS
    if dropping:
        raise ModelUnusable(f"{title(stage)} may drop or multiply rows ({', '.join(sorted(dropping))})")
    if ROW not in after.columns:
        raise ModelUnusable(f"{title(stage)} drops columns: let its statement begin with SELECT *")
    examiner.origins = _origins_after(stage, frame, after, examiner.origins) | made
    return after


def _origins_after(
    stage: Stage, before: DataFrame, after: DataFrame, origins: dict[str, Origin]
) -> dict[str, Origin]:
    if kind_of(stage) != SQL:
        return origins
    # A statement may give a new value an old name: only Spark's own ids of the expressions tell.
    known = {identity: origins.get(name, UNKNOWN) for name, identity in _identities(before)}
    nullable = {part.name: part.nullable for part in after.schema.fields}
    return {
        name: known.get(identity, Origin(sure=not nullable[name])) for name, identity in _identities(after)
    }


def _identities(frame: DataFrame) -> list[tuple[str, str]]:
    output = frame._jdf.queryExecution().analyzed().output()
    parts = [output.apply(place) for place in range(output.size())]
    return [(part.name(), part.exprId().toString()) for part in parts]


def _plan_nodes(frame: DataFrame) -> set[str]:
    found, waiting = set(), [frame._jdf.queryExecution().analyzed()]
    while waiting:
        node = waiting.pop()
        found.add(str(node.nodeName()))
        children = node.children()
        waiting += [children.apply(place) for place in range(children.size())]
    return found


def _pipeline(spark: SparkSession, steps: Sequence[Step]) -> Stage:
    kind = spark._jvm.org.apache.spark.ml.Transformer  # type: ignore[union-attr]
    stages = JavaWrapper._new_java_array([step.stage for step in steps], kind)
    return JavaWrapper._new_java_obj("org.apache.spark.ml.PipelineModel", "streamweir", stages)


def _sentence(error: BaseException) -> str:
    """The first line that says something, without Java's class names."""
    text = str(getattr(error, "java_exception", None) or error)
    return text.strip().partition("\n")[0].rpartition("Exception: ")[2][:300]
