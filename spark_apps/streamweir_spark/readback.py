"""Reading results back at the end, as anybody else would: with Spark, from the object store."""

from itertools import islice

from pyspark.sql import SparkSession

from streamweir.commits import Commit, backwards, has_file
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.objectstore import ObjectStore
from streamweir_spark.columns import spark_schema
from streamweir_spark.log import say
from streamweir_spark.tables import stored_columns

_NEWEST = 20
_SHOWN = 5


def show_results(
    spark: SparkSession, store: ObjectStore, stream: Stream, pipeline: Pipeline, newest: Commit | None
) -> None:
    """Print a sample of each table, of what the newest micro-batches wrote and committed."""
    if newest is None:
        return
    commits = list(islice(backwards(store, stream, newest), _NEWEST))[::-1]
    for table in pipeline.tables:
        there = [commit.batch_id for commit in commits if has_file(store, stream, commit, table.name)]
        if there:
            files = [store.uri(stream.table_file(table.name, batch_id)) for batch_id in there]
            rows = spark.read.schema(spark_schema(stored_columns(table))).parquet(*files)
            say(f"read back from {table.name}, the newest {len(files)} of its files:")
            rows.show(_SHOWN, truncate=24)
