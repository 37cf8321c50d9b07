"""Reading results back at the end, as anybody else would: with Spark, from the object store."""

from pyspark.sql import SparkSession

from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.objectstore import ObjectStore
from streamweir_spark.columns import spark_schema
from streamweir_spark.log import say
from streamweir_spark.sink import stored_columns

_NEWEST = 20
_SHOWN = 5


def show_results(spark: SparkSession, store: ObjectStore, stream: Stream, pipeline: Pipeline) -> None:
    """Print a sample of each table that the newest micro-batches wrote; files without a commit record do not count."""
    committed = [int(key.key.rpartition("/")[2].removesuffix(".json")) for key in store.list(stream.commits)]
    for table in pipeline.tables:
        there = {key.key for key in store.list(stream.table(table.name))}
        files = [stream.table_file(table.name, batch_id) for batch_id in committed]
        newest = [store.uri(key) for key in files if key.key in there][-_NEWEST:]
        if newest:
            rows = spark.read.schema(spark_schema(stored_columns(table))).parquet(*newest)
            say(f"read back {table.name}: {rows.count()} rows in the newest {len(newest)} micro-batches, such as")
            rows.show(_SHOWN, truncate=24)
