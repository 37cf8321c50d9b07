"""What Spark carries between the functions of the core: messages, parts, shares of shards."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.commits import Commit
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir_spark import decode
from streamweir_spark.columns import core_arrow_schema
from streamweir_spark.core import Output, OutputKind, Part, Received
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.outputs import PLACE, scored_columns
from streamweir_spark.placement import InDriver, OnExecutors, Outputs
from streamweir_spark.shard import Shard
from streamweir_spark.source import BUNDLE_COLUMNS, cut_into_parts, open_bundles, shard_keys
from streamweir_spark.transform import unpack, work_on
from tests.unit.core.ecommerce_stream import (
    batch,
    browsing,
    domain,
    message,
    plain,
    run_apart,
    transaction,
    without_frontiers,
)

SHARDS = PIPELINE.shards
MANY = 600
"""Rows that are read at once."""
MESSAGES = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int64()),
        ("offset", pa.int64()),
        ("appended_at", pa.int64()),
        ("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        ("value", pa.binary()),
    ]
)


def stream() -> list[list[Received]]:
    """Two micro-batches: the second holds the browsing rows that a transaction of the first waits for."""
    foreign = Received("transactions", 0, 5000, 7, None, b"not the replay's")
    first = [
        *batch(0, [browsing("s1"), browsing("s2")], [transaction("t1", "s1"), transaction("t2", "s2")]),
        message("transactions", 1, [transaction("t3", "s1"), {"transaction_id": "t4"}]),
        foreign,
    ]
    second = [
        message("browsing", 1, [browsing("s1", "AP")]),
        *batch(2, [], [transaction("t1", "s1")]),
        *batch(3, [browsing(f"s{number % 50}") for number in range(MANY)], []),
    ]
    return [first, second]


def as_file(messages: list[Received], path: Path) -> None:
    rows = [
        {**one._asdict(), "headers": one.headers and [{"key": k, "value": v} for k, v in one.headers]}
        for one in messages
    ]
    pq.write_table(pa.Table.from_pylist(rows, MESSAGES), path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "messages"
    folder.mkdir()
    for number, messages in enumerate(stream()):
        as_file(messages, folder / f"{number}.parquet")
    return folder


def test_the_keys_put_every_shard_into_its_own_partition(spark: SparkSession) -> None:
    for shards in (1, 2, SHARDS, 7):
        frame = spark.createDataFrame([(key,) for key in shard_keys(spark, shards)], "key bigint")
        found = frame.select(F.expr(f"pmod(hash(key), {shards})").alias("place")).collect()
        assert [row.place for row in found] == list(range(shards))


def test_a_message_is_cut_into_the_parts_that_the_core_cuts(spark: SparkSession, files: Path) -> None:
    bundles = cut_into_parts(spark.read.parquet(str(files)), READER, SHARDS).toArrow()
    expected = [part for messages in stream() for part in decode.decode(messages, SHARDS, READER)]
    assert len(expected) == 8 * SHARDS + 1
    assert bundles.schema.names == [column.name for column in BUNDLE_COLUMNS]
    for shard, key in enumerate(shard_keys(spark, SHARDS)):
        parts = list(open_bundles(bundles.filter(pc.field("key") == key)["parts"].to_pylist()))
        assert _sorted(parts) == _sorted([part for part in expected if part.shard == shard])


def test_shards_in_spark_put_out_what_the_core_puts_out(
    spark: SparkSession, files: Path, tmp_path: Path
) -> None:
    dom = domain()
    shares = _run_stream(spark, files, tmp_path)
    schema = core_arrow_schema(scored_columns(dom))
    scored, lines = unpack(pa.concat_tables(shares), schema)
    expected = run_apart(stream(), dom, SHARDS)
    assert [row["transaction_id"] for row in scored.to_pylist()] == ["t1", "t2", "t3"]
    assert scored.to_pylist() == _scored(expected, schema)
    others = [Output(**line) for line in lines]
    assert without_frontiers(others) == without_frontiers(o for o in expected if o.kind != OutputKind.SCORED)
    frontiers = [(line["sequence"], line["ts"]) for line in lines if line["kind"] == "frontier"]
    assert max(frontiers) == max((o.sequence, o.ts) for o in expected if o.kind == "frontier")


def test_a_driver_puts_out_what_executors_put_out(spark: SparkSession, files: Path) -> None:
    place = InDriver(spark.read.parquet(str(files)), READER, domain(), Stream("ecommerce_fraud", "s"))
    found = list[Outputs]()
    for number in range(2):
        messages = spark.read.parquet(str(files / f"{number}.parquet")).toArrow()
        # The next driver has nothing but what was kept.
        found.append(place.outputs(messages))
        place = InDriver(place.frame, READER, domain(), Stream("ecommerce_fraud", "s"))
        place.go_on(Commit(number, state_bytes=found[-1].state_bytes), found[-1].memory)
    expected = run_apart(stream(), domain(), SHARDS)
    scored = pa.concat_tables([outputs.scored for outputs in found])
    assert [row["transaction_id"] for row in scored.to_pylist()] == ["t1", "t2", "t3"]
    assert scored.to_pylist() == _scored(expected, place.scored_schema)
    others = without_frontiers(Output(**line) for outputs in found for line in outputs.lines)
    assert others == without_frontiers(one for one in expected if one.kind != OutputKind.SCORED)


def test_a_stream_stays_where_its_memory_is(spark: SparkSession, files: Path) -> None:
    messages, shop = spark.read.parquet(str(files)), Stream("ecommerce_fraud", "s")
    by_executors = Commit(7, state_bytes=900)
    with pytest.raises(BadConfiguration, match=r"ecommerce_fraud\.s is kept by executors"):
        InDriver(messages, READER, domain(), shop).go_on(by_executors, None)
    by_a_driver = Commit(7, state_bytes=900, memory_sha256="0" * 64)
    memory = Shard(domain()).dump()
    with pytest.raises(BadConfiguration, match=r"ecommerce_fraud\.s is kept by its driver"):
        OnExecutors(messages, READER, domain(), shop, SHARDS).go_on(by_a_driver, memory)


def test_outputs_without_scored_rows_keep_the_columns_of_scored_rows() -> None:
    schema = core_arrow_schema(scored_columns(domain()))
    nothing = pa.table({"scored": pa.array([], pa.binary()), "lines": pa.array([], pa.binary())})
    scored, lines = unpack(nothing, schema)
    assert (scored.num_rows, scored.schema, lines) == (0, schema, [])


def _run_stream(spark: SparkSession, files: Path, tmp_path: Path) -> list[pa.Table]:
    shares: list[pa.Table] = []
    messages = (
        spark.readStream.schema(spark.read.parquet(str(files)).schema)
        .option("maxFilesPerTrigger", 1)
        .parquet(str(files))
    )

    def collect(frame: DataFrame, batch_id: int) -> None:
        shares.append(frame.toArrow())

    query = (
        work_on(cut_into_parts(messages, READER, SHARDS), domain(), SHARDS)
        .writeStream.foreachBatch(collect)
        .option("checkpointLocation", str(tmp_path / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    assert len(shares) == 2
    return shares


def _scored(outputs: list[Output], schema: pa.Schema) -> list[dict[str, Any]]:
    rows = [
        dict(zip(schema.names, (*(getattr(o, name) for name in PLACE), *o.values), strict=True))
        for o in outputs
        if o.kind == OutputKind.SCORED
    ]
    return sorted(rows, key=lambda row: (row["sequence"], row["row"]))


def _sorted(parts: list[Part]) -> list[tuple[Part, object, object]]:
    """The parts with what their blobs hold."""
    in_order = sorted(parts, key=lambda part: (part.topic, part.partition, part.offset))
    opened = [decode.unpack(part.blob) for part in in_order]
    return [
        (part._replace(blob=b""), rejects, plain(rows))
        for part, (rejects, rows) in zip(in_order, opened, strict=True)
    ]
