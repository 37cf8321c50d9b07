"""Reading a stream's messages from Kafka, and cutting them into parts."""

from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.connections import KafkaConnection
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Column, Pipeline, Type
from streamweir_spark.columns import core_arrow_schema, core_schema
from streamweir_spark.decode import decode
from streamweir_spark.parts import PART_COLUMNS, Message, Part, Reader
from streamweir_spark.shards import SHARDS, shard_keys

KEY = Column("key", Type.INT, "puts the shard into a partition of its own")
KEYED_COLUMNS = (KEY, *PART_COLUMNS)

_SASL = {"sasl_plain_username", "sasl_plain_password"}
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


def read_messages(
    spark: SparkSession, kafka: KafkaConnection, stream: Stream, pipeline: Pipeline, max_messages: int
) -> DataFrame:
    """The stream's input topics: columns as in `parts.Message`, the topic by its short name."""
    topics = [stream.topic(topic.name) for topic in pipeline.inputs]
    records = (
        spark.readStream.format("kafka")
        .options(**kafka_options(kafka))
        .option("subscribe", ",".join(topics))
        .option("startingOffsets", "earliest")
        .option("includeHeaders", "true")
        .option("maxOffsetsPerTrigger", max_messages)
        .option("kafka.isolation.level", "read_committed")
        .load()
    )
    return records.select(
        F.substring_index("topic", ".", -1).alias("topic"),
        F.col("partition").cast("long").alias("partition"),
        "offset",
        F.unix_micros("timestamp").alias("appended_at"),
        "headers",
        "value",
    )


def cut_into_parts(messages: DataFrame, reader: Reader) -> DataFrame:
    """For each message a part per shard: columns KEYED_COLUMNS."""
    keys = shard_keys(SHARDS)
    schema = core_arrow_schema(KEYED_COLUMNS)

    def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _keyed(decode(_messages(batch), SHARDS, reader), keys, schema)

    return messages.mapInArrow(cut, core_schema(KEYED_COLUMNS))


def kafka_options(kafka: KafkaConnection) -> dict[str, str]:
    """The options of Spark's Kafka source for a connection in kafka-python's words."""
    security = kafka.security
    options = {"kafka.bootstrap.servers": kafka.bootstrap}
    for name in ("security_protocol", "sasl_mechanism"):
        if name in security:
            options[f"kafka.{name.replace('_', '.')}"] = security[name]
    if security.keys() >= _SASL:
        options["kafka.sasl.jaas.config"] = _jaas(security)
    for name, kind in (("ssl_cafile", "truststore"), ("ssl_certfile", "keystore")):
        if name in security:
            options[f"kafka.ssl.{kind}.type"] = "PEM"
            options[f"kafka.ssl.{kind}.location"] = security[name]
    return options


def _jaas(security: Mapping[str, str]) -> str:
    module = _LOGIN_MODULES[security.get("sasl_mechanism", "PLAIN")]
    name, password = (_quoted(security[f"sasl_plain_{part}"]) for part in ("username", "password"))
    return f"{module} required username={name} password={password};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _messages(batch: pa.RecordBatch) -> Iterator[Message]:
    for record in batch.to_pylist():
        headers = record["headers"]
        record["headers"] = headers and [(header["key"], header["value"]) for header in headers]
        yield Message(**record)


def _keyed(parts: Iterator[Part], keys: list[int], schema: pa.Schema) -> pa.RecordBatch:
    rows = [(keys[part.shard], *part) for part in parts]
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
