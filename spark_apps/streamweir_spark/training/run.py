"""A training's life: arguments, session, result, exit code."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from streamweir.connections import SparkConnection, StoreConnection
from streamweir.contracts.streams import BUCKETS, ObjectKey
from streamweir.contracts.tables import Column, Pipeline
from streamweir.datasets import store as datasets
from streamweir.errors import BadConfiguration, StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.scorer.arguments import Parser
from streamweir_spark.failures import give_up
from streamweir_spark.log import say
from streamweir_spark.session import open_session, spark_conf
from streamweir_spark.training.job import Training

Door = Callable[[Training], None]
"""What a pipeline's training app does: read, select, publish."""

_HERE = "local[*]"
_SAME_EVERYWHERE = {"spark.default.parallelism": "2"}
"""Trees are grown from samples drawn by partition: their number, not the machine's, decides the model."""


class _Arguments(NamedTuple):
    dataset: str
    promote: bool
    result: ObjectKey


def run(
    pipeline: Pipeline,
    columns: Sequence[Column],
    time_zone: str,
    door: Door,
    argv: Sequence[str] | None = None,
) -> int:
    """Train a version on a dataset's history; returns the exit code, which is 0 when one was published.

    The result is written as a JSON object. Every other end is said in one line that begins with `error:`.
    """
    started = time.monotonic()
    try:
        arguments = _parse(pipeline.name, argv)
        store = ObjectStore(StoreConnection.from_env())
        dataset = datasets.load(store, pipeline.name, arguments.dataset)
        with (
            tempfile.TemporaryDirectory(prefix="streamweir-training-") as folder,
            _session(f"streamweir {pipeline.name} training", time_zone) as spark,
        ):
            training = Training(pipeline, columns, dataset, arguments.promote, spark, store, Path(folder))
            door(training)
        seconds = round(time.monotonic() - started, 1)
        store.put_json(arguments.result, training.result | {"seconds": seconds})
        say(f"trained in {seconds} s")
    except (StreamweirError, PySparkException) as raised:
        return give_up(raised)
    return 0


@contextmanager
def _session(name: str, time_zone: str) -> Iterator[SparkSession]:
    # A history fits one machine, and a model saved by executors elsewhere would lie on their disks.
    given = SparkConnection.from_env()
    master = given.master if given.master.startswith("local") else _HERE
    here = SparkConnection(master, {**given.conf, **_SAME_EVERYWHERE})
    spark = open_session(spark_conf(name, time_zone, here, StoreConnection.from_env()))
    try:
        yield spark
    finally:
        spark.stop()


def _parse(pipeline: str, argv: Sequence[str] | None) -> _Arguments:
    parser = Parser(prog=f"{pipeline}_train", description="Trains a model on a dataset's history.")
    parser.add_argument("--dataset", required=True, help="the dataset's fingerprint")
    parser.add_argument("--promote", action="store_true", help="let the gate make it the champion")
    parser.add_argument("--result", required=True, help="object to write the result to: <bucket>/<key>")
    values = parser.parse_args(argv)
    bucket, _, key = values.result.partition("/")
    if bucket not in BUCKETS or not key:
        raise BadConfiguration(f"--result {values.result!r} is no object: give <bucket>/<key>")
    return _Arguments(values.dataset, values.promote, ObjectKey(bucket, key))
