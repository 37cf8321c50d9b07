"""`spark-submit` target: does once, without a server, what makes a driver load its classes.

Set-up lets Java record them, see `infra.bootstrap.classes`.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout

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
    parts = messages.mapInArrow(_cut, "key long, parts binary")
    shares = parts.groupBy("key").applyInPandasWithState(
        _work, "word string, number double", "memory binary", "append", GroupStateTimeout.NoTimeout
    )

    def score(share: DataFrame, _: int) -> None:
        scored = model.transform(spark.createDataFrame(share.toArrow()))
        scored.select(vector_to_array(F.col("probability")).alias("probability"), "prediction").toArrow()

    query = (
        shares.writeStream.option("checkpointLocation", (folder / "checkpoint").as_uri())
        .trigger(processingTime="200 milliseconds")
        .foreachBatch(score)
        .start()
    )
    while query.isActive and (query.lastProgress is None or query.lastProgress.batchId < _MICRO_BATCHES):
        query.awaitTermination(1)
    query.stop()


def _cut(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"key": [0] * len(batch), "parts": [b""] * len(batch)})


def _work(_: tuple[Any, ...], frames: Iterator[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
    rows = sum(map(len, frames))
    state.update((b"memory",))
    yield pd.DataFrame({"word": ["a"], "number": [float(rows)]})


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
