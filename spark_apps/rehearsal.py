"""`spark-submit` target: does once, without a server, what makes a driver load its classes.

Set-up lets Java record them, see `infra.bootstrap.classes`.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.connections import SparkConnection, StoreConnection
from streamweir_spark.session import open_session, spark_conf

_NOWHERE = "127.0.0.1:1"
_MICRO_BATCHES = 3
_LOCAL_CHECKPOINT = (
    "org.apache.spark.sql.execution.streaming.checkpointing.FileContextBasedCheckpointFileManager"
)


def rehearse(spark: SparkSession, folder: Path) -> None:
    """Load a model, stream some micro-batches through it, and reach for a store and a broker."""
    _stream(spark, _model(spark, folder), folder)
    _reach_out(spark)


def _model(spark: SparkSession, folder: Path) -> PipelineModel:
    rows = pd.DataFrame({"word": ["a", "b"] * 10, "number": [1.0, 2.0] * 10, "label": [0.0, 1.0] * 10})
    frame = spark.createDataFrame(rows)
    stages: list[Any] = [
        StringIndexer(inputCol="word", outputCol="index"),
        OneHotEncoder(inputCols=["index"], outputCols=["bits"]),
        VectorAssembler(inputCols=["number", "bits"], outputCol="features"),
    ]
    Pipeline(stages=[*stages, LogisticRegression()]).fit(frame)
    forest = RandomForestClassifier(numTrees=2, maxDepth=2)
    path = (folder / "model").as_uri()
    Pipeline(stages=[*stages, forest]).fit(frame).save(path)
    return PipelineModel.load(path)


def _stream(spark: SparkSession, model: PipelineModel, folder: Path) -> None:
    messages = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 10).load()
    read = messages.select(F.lit("a").alias("word"), F.col("value").cast("double").alias("number"))

    def score(rows: DataFrame, _: int) -> None:
        scored = model.transform(spark.createDataFrame(rows.toArrow()))
        scored.select(vector_to_array(F.col("probability")).alias("probability"), "prediction").toArrow()

    query = (
        read.writeStream.option("checkpointLocation", (folder / "checkpoint").as_uri())
        .trigger(processingTime="200 milliseconds")
        .foreachBatch(score)
        .start()
    )
    while query.isActive and (query.lastProgress is None or query.lastProgress.batchId < _MICRO_BATCHES):
        query.awaitTermination(1)
    query.stop()


def _reach_out(spark: SparkSession) -> None:
    """Nobody answers, but what would ask is loaded."""
    java: Any = spark._jvm
    place = java.org.apache.hadoop.fs.Path("s3a://nowhere/nothing")
    with suppress(Py4JJavaError):
        place.getFileSystem(spark._jsc.hadoopConfiguration()).exists(place)
    options = {"kafka.bootstrap.servers": _NOWHERE, "subscribe": "nothing"}
    spark.readStream.format("kafka").options(**options).load()
    settings = java.java.util.HashMap()
    settings.put("bootstrap.servers", _NOWHERE)
    for part in ("key", "value"):
        settings.put(f"{part}.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer")
    java.org.apache.kafka.clients.consumer.KafkaConsumer(settings).close()


def _settings() -> SparkConf:
    """A scorer's, but for a checkpoint on the local disk and a store that nobody waits for."""
    store = StoreConnection(_NOWHERE, "nobody", "nothing", secure=False)
    conf = spark_conf("rehearsal", "UTC", SparkConnection.from_env(), store)
    conf.set("spark.sql.streaming.checkpointFileManagerClass", _LOCAL_CHECKPOINT)
    return conf.setAll([(f"spark.hadoop.fs.s3a.{name}", "1") for name in ("attempts.maximum", "retry.limit")])


if __name__ == "__main__":
    with open_session(_settings()) as session:
        rehearse(session, Path(sys.argv[1]))
