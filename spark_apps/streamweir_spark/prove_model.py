"""A model that was brought, proven: whether numpy gives its scores as Spark's own transform does."""

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from streamweir.connections import SparkConnection, StoreConnection
from streamweir.errors import ModelUnusable, StreamweirError
from streamweir.models.card import proof_in_words
from streamweir.models.registry import Registry
from streamweir.objectstore import ObjectStore
from streamweir.scorer.spec import Parser
from streamweir_spark.failures import give_up
from streamweir_spark.log import say
from streamweir_spark.model import saved
from streamweir_spark.proving import prove
from streamweir_spark.session import open_session, spark_conf


class _Arguments(NamedTuple):
    pipeline: str
    model: str
    time_zone: str


def run(argv: Sequence[str] | None = None) -> int:
    """Prove a version and note the outcome in its card; returns the exit code, which is 0 then.

    Every other end is said in one line that begins with `error:`.
    """
    try:
        asked = _parse(argv)
        store = StoreConnection.from_env()
        registry = Registry(ObjectStore(store), asked.pipeline)
        columns = import_module(f"streamweir.contracts.{asked.pipeline}").MODEL_COLUMNS
        name = f"streamweir {asked.pipeline} proof"
        with (
            tempfile.TemporaryDirectory(prefix="streamweir-proof-") as folder,
            open_session(spark_conf(name, asked.time_zone, SparkConnection.from_env(), store)) as spark,
        ):
            location, card = registry.fetch(asked.model, Path(folder)), registry.card(asked.model)
            try:
                proof = prove(spark, location, saved(location.as_uri(), card), columns)
            except ModelUnusable as error:
                proof = {"proven": False, "why": str(error)}
            noted = registry.put_proof(asked.model, proof).numpy
            say(f"numpy for model {asked.model}: {proof_in_words(noted)}")
    except (StreamweirError, PySparkException, Py4JError) as raised:
        return give_up(raised)
    return 0


def _parse(argv: Sequence[str] | None) -> _Arguments:
    parser = Parser(prog="prove_model", description="Compares numpy's scores of a model with Spark's.")
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--model", required=True, help="the version")
    parser.add_argument("--time-zone", required=True, help="the session's")
    return _Arguments(**vars(parser.parse_args(argv)))
