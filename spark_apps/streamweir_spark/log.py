"""What a person reads in the driver's log: lines, final windows, and at the end a sample of the results."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from streamweir.commits import Commit, Vanished, backwards, files_of
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline, Table
from streamweir.objectstore import ObjectStore
from streamweir_spark.columns import spark_schema
from streamweir_spark.micro_batch import stored_columns

_WINDOW = 2
"""The first columns of a figure table: window_start and window_end."""
_NEWEST = 20
_SHOWN = 5


def show_windows(table: Table, rows: Iterable[tuple[object, ...]]) -> None:
    """Print final windows: a line for one with a single row, else a block."""
    names = table.names[_WINDOW:]
    for bounds, lines in groupby(rows, key=lambda row: row[:_WINDOW]):
        print(
            f"{table.name} {' to '.join(map(_moment, bounds))}:", *_described(names, list(lines)), flush=True
        )


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def _described(names: tuple[str, ...], lines: list[tuple[object, ...]]) -> list[str]:
    shown = [
        " ".join(f"{name}={value}" for name, value in zip(names, line[_WINDOW:], strict=True))
        for line in lines
    ]
    return shown if len(shown) == 1 else [f"\n    {line}" for line in shown]


def _moment(micros: object) -> str:
    return f"{datetime.fromtimestamp(int(str(micros)) / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}"


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
