"""Reading results back at the end, as anybody else would: with Spark, from the object store."""

from collections.abc import Sequence
from itertools import islice

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from streamweir.commits import Commit, Vanished, backwards, files_of
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline, Table
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
    try:
        entries = list(islice(backwards(store, stream, newest), _NEWEST))[::-1] if newest else []
        for table in pipeline.tables:
            files = [key for entry in entries for key in files_of(store, stream, entry, table.name)]
            if files:
                _show(spark, table, [store.uri(key) for key in files])
    except (Vanished, AnalysisException):
        # A run that was on the stream before may be reconciled just now.
        say("reading back was given up: these micro-batches are being put together")


def _show(spark: SparkSession, table: Table, files: Sequence[str]) -> None:
    reader = spark.read.schema(spark_schema(stored_columns(table))).option("ignoreMissingFiles", True)
    say(f"read back from {table.name}, the newest {len(files)} of its files:")
    reader.parquet(*files).show(_SHOWN, truncate=24)
