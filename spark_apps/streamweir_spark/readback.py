"""Reading results back at the end, as anybody else would: with Spark, from the object store."""

from pyspark.sql import SparkSession

from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.objectstore import ObjectStore
from streamweir_spark.columns import spark_schema
from streamweir_spark.log import say
from streamweir_spark.tables import stored_columns

_NEWEST = 20
_SHOWN = 5


def show_results(spark: SparkSession, store: ObjectStore, stream: Stream, pipeline: Pipeline) -> None:
    """Print a sample of each table, of what the newest micro-batches wrote and committed."""
    committed = [int(key.key.rpartition("/")[2].removesuffix(".json")) for key in store.list(stream.commits)]
    for table in pipeline.tables:
        there = {key.key for key in store.list(stream.table(table.name))}
        files = [stream.table_file(table.name, batch_id) for batch_id in committed]
        newest = [store.uri(key) for key in files if key.key in there][-_NEWEST:]
        if newest:
            rows = spark.read.schema(spark_schema(stored_columns(table))).parquet(*newest)
            say(f"read back from {table.name}, the newest {len(newest)} of its files:")
            rows.show(_SHOWN, truncate=24)
