"""A registered model's scores as Spark's own `transform` makes them: without what a stream does to it."""

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.arrow import arrow_schema
from streamweir.contracts.models import ROW, SCORES
from streamweir.contracts.tables import Column, Type
from streamweir.errors import ModelUnusable
from streamweir_spark.evaluating import blames_values
from streamweir_spark.failures import sentence
from streamweir_spark.flow import Flow, flatten, leaves
from streamweir_spark.log import say
from streamweir_spark.scala import Stage, inputs_of, kind_of, title
from streamweir_spark.spelling import spell_all

_SCHEMA = arrow_schema(SCORES)
_NUMBERS = {pa.int64(): Type.INT, pa.float64(): Type.DOUBLE}
_TRIES = 50
"""How often a part of the rows is halved to find those that the model refuses."""
_REFUSED = (PySparkException, Py4JJavaError)


def score(spark: SparkSession, model: PipelineModel, rows: pa.Table, fraud_label: str = "") -> pa.Table:
    """What comes out of the model's own `transform`, as `contracts.models.SCORES`; the columns of `rows` are
    those that the model may use, and beside them indexed numbers are spelled as the model's labels do.

    A row that the model drops is missing, one that it multiplies is there more than once. Rows that it
    refuses are looked for by halves; what is in one part after many tries counts as refused together.
    Raises ModelUnusable when no probability comes out.
    """
    flow = Flow.of(model, fraud_label)
    for stage in leaves(model):
        # Before each use PySpark gives its own copy of the parameters to the Java object.
        stage._transfer_params_from_java()
    flow.suit(spark)
    numbers = [Column(field.name, _NUMBERS[field.type]) for field in rows.schema if field.type in _NUMBERS]
    texts = spell_all(spark, model, numbers)
    numbered = rows.append_column(ROW, pa.array(range(rows.num_rows), pa.int64()))
    waiting, found, tries = [numbered], [_SCHEMA.empty_table()], _TRIES
    while waiting:
        part = waiting.pop()
        frame = spark.createDataFrame(part).selectExpr("*", *texts)
        scored = _scores(transformed(model, frame), flow)
        try:
            found.append(scored.toArrow().cast(_SCHEMA))
        except _REFUSED as error:
            if not blames_values(error):
                raise
            if part.num_rows == 1 or tries == 0:
                found.append(_refused(part, sentence(str(error))))
            else:
                tries, half = tries - 1, part.num_rows // 2
                waiting += [part.slice(0, half), part.slice(half)]
    return pa.concat_tables(found)


def transformed(model: PipelineModel, frame: DataFrame) -> DataFrame:
    """The frame after Spark's own `transform`.

    A stream has no label, without which some models take no frame. Their stages are then gone through one by
    one: an indexer of the label is given a label, and a stage that still takes no frame is left out.
    """
    try:
        return _through(model._to_java(), frame)
    except _REFUSED as error:
        say(f"the model takes no such frame as a whole: {sentence(str(error))}")
    for stage in flatten(model):
        try:
            frame = _through(stage, _with_label(stage, frame))
        except _REFUSED as error:
            say(f"left out: {title(stage)}: {sentence(str(error))}")
    return frame


def _through(stage: Stage, frame: DataFrame) -> DataFrame:
    return DataFrame(stage.transform(frame._jdf), frame.sparkSession)


def _with_label(stage: Stage, frame: DataFrame) -> DataFrame:
    """Spark passes over a column that an indexer does not find, but not when the indexer skips."""
    if kind_of(stage) == "StringIndexerModel":
        for name, labels in zip(inputs_of(stage), stage.labelsArray(), strict=True):
            if name not in frame.columns:
                frame = frame.withColumn(name, F.lit(labels[0]))
    return frame


def _scores(frame: DataFrame, flow: Flow) -> DataFrame:
    """The columns of SCORES."""
    name = flow.classifier.getProbabilityCol()
    if name not in frame.columns:
        raise ModelUnusable(
            f"the model's own transform makes no column {name}; the log lines above say which stages take no "
            "frame with the columns of a stream"
        )
    probability = vector_to_array(F.col(name))
    own = F.col(flow.classifier.getPredictionCol()) == flow.fraud_index
    fraud, no_refusal = probability[flow.fraud_index], F.lit(None).cast("string")
    values = (F.col(ROW), probability, fraud, own.cast("long"), no_refusal)
    return frame.select(*(value.alias(column.name) for value, column in zip(values, SCORES, strict=True)))


def _refused(rows: pa.Table, why: str) -> pa.Table:
    return pa.Table.from_pylist([{ROW: row, "refusal": why} for row in rows[ROW].to_pylist()], _SCHEMA)
