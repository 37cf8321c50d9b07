"""Reading a stream's messages from Kafka, and cutting them into parts."""

import gc
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from sys import intern

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.broker import security
from streamweir.claims import Claim, fetch, most_bytes_of_env
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Column, Payload, Pipeline, Type
from streamweir.objectstore import ObjectStore
from streamweir_spark.columns import core_arrow_schema, core_schema
from streamweir_spark.core import Part, Reader, Received, Reject
from streamweir_spark.decode import decode

KEY = Column("key", Type.INT, "puts the shard into a partition of its own")
BUNDLE = Column("parts", Type.BINARY, "the shard's parts of many messages, pickled")
BUNDLE_COLUMNS = (KEY, BUNDLE)
_FETCH_WAIT_MS = "20"
"""A micro-batch ends behind a transaction's marker, which is no record: there Kafka would let the reader wait
for half a second by default, in case that something comes."""
_KEYS_TRIED = 64
"""For each shard: that none of them falls to it is out of the question."""
_FIELDS = Received._fields


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no cycles inside.

    A micro-batch makes millions of tuples, none of them in a cycle: they are freed as soon as nothing refers
    to them. The collector would walk through them again and again, for a quarter of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_messages(
    spark: SparkSession, kafka: KafkaConnection, stream: Stream, pipeline: Pipeline, max_messages: int
) -> DataFrame:
    """The stream's input topics: columns as in `core.Received`, the topic by its short name."""
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


def cut_into_parts(messages: DataFrame, reader: Reader, shards: int) -> DataFrame:
    """For many messages at once a bundle of parts for each shard: columns BUNDLE_COLUMNS.

    Bundled, because a stream may hold thousands of small messages a second: a row for each part would cost
    more than the part.
    """
    keys = shard_keys(messages.sparkSession, shards)
    schema = core_arrow_schema(BUNDLE_COLUMNS)

    def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            with collector_paused():
                bundles = _bundles(decode(received(batch), shards, reader), keys, schema)
            yield bundles

    return messages.mapInArrow(cut, core_schema(BUNDLE_COLUMNS))


def shard_keys(spark: SparkSession, shards: int) -> list[int]:
    """For each shard the smallest key (a long) that lands in the partition of the shard's own number.

    Spark sends a key to partition `pmod(hash(key), partitions)`: the keys 0, 1, 2, 3 would share partitions
    and leave others idle.
    """
    places = spark.range(0, _KEYS_TRIED * shards, 1, 1).selectExpr("id", f"pmod(hash(id), {shards}) AS shard")
    found: dict[int, int] = {}
    for key, shard in places.collect():
        found.setdefault(shard, key)
    return [found[shard] for shard in range(shards)]


def open_bundles(bundles: Iterable[bytes]) -> Iterator[Part]:
    """The parts in the bundles of one shard."""
    for bundle in bundles:
        yield from map(Part._make, pickle.loads(bundle))


def kafka_options(kafka: KafkaConnection) -> dict[str, str]:
    """The options of Spark's Kafka source; errors as in `security.checked`."""
    said = {f"kafka.{name}": value for name, value in security.java(kafka).items()}
    return {"kafka.bootstrap.servers": kafka.bootstrap, "kafka.fetch.max.wait.ms": _FETCH_WAIT_MS, **said}


def received(batch: pa.RecordBatch) -> Iterator[Received]:
    """The messages that Spark read, columns as `read_messages` gives them."""
    columns = [_READ.get(name, pa.Array.to_pylist)(batch[name]) for name in _FIELDS]
    return map(Received, *columns)


def _names(column: pa.StringArray) -> list[str]:
    """Equal names become one object, which pickle then writes once."""
    return list(map(intern, column.to_pylist()))


def _headers(column: pa.ListArray) -> list[list[tuple[str, bytes | None]] | None]:
    """The headers of each message. Arrow would make a dict of each of them, which takes most of the time."""
    pairs = list(zip(*(part.to_pylist() for part in column.flatten().flatten()), strict=True))
    lengths = column.value_lengths().to_pylist()
    ends = accumulate((length or 0 for length in lengths), initial=0)
    slices = [pairs[start:end] for start, end in pairwise(ends)]
    return [None if length is None else found for length, found in zip(lengths, slices, strict=True)]


_READ = {"topic": _names, "headers": _headers}


def _bundles(parts: Iterator[Part], keys: list[int], schema: pa.Schema) -> pa.RecordBatch:
    shares: list[list[tuple[object, ...]]] = [[] for _ in keys]
    for part in parts:
        # A plain tuple is written without the name of its class.
        shares[part.shard].append(tuple(part))
    bundles = [pickle.dumps(share, protocol=5) for share in shares]
    return pa.RecordBatch.from_arrays(
        [pa.array(keys, pa.int64()), pa.array(bundles, pa.binary())], schema=schema
    )


@dataclass(frozen=True)
class ClaimReader:
    """Gives the reader of a pipeline the objects in place of the messages that name them.

    topics: those whose batches name one; a flush has none, and a redrive carries its rows. Errors as in
    `streamweir.claims.fetch`; DependencyUnreachable when the store does not answer.
    """

    reader: Reader
    topics: frozenset[str]
    connection: StoreConnection
    most_bytes: int

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """The rows of the object as the reader finds them; of what is rejected as a whole, the message."""
        if topic not in self.topics or headers.kind is not Kind.BATCH:
            return self.reader.read(topic, headers, value, shards)
        content = fetch(_store(self.connection), Claim.read(value), self.most_bytes)
        rows, rejects = self.reader.read(topic, headers, content, shards)
        return rows, [one._replace(raw=value) if one.row == -1 else one for one in rejects]

    def read_at_once(self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int) -> None:
        """Never: each object is fetched by itself."""


def claiming(reader: Reader, pipeline: Pipeline, connection: StoreConnection) -> Reader:
    """The reader, given the objects that the pipeline's messages name; errors as in `most_bytes_of_env`."""
    topics = frozenset(read.topic.name for read in pipeline.reads if read.payload is Payload.REFERENCE)
    return ClaimReader(reader, topics, connection, most_bytes_of_env()) if topics else reader


@cache
def _store(connection: StoreConnection) -> ObjectStore:
    # Once in each worker: a client holds its connections.
    return ObjectStore(connection)
