"""Programs that ask something of a registered model, outside of a stream."""

import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from streamweir.connections import SparkConnection, StoreConnection
from streamweir.errors import ModelUnusable
from streamweir.models.card import proof_in_words
from streamweir.models.registry import Registry
from streamweir.objectstore import ObjectStore
from streamweir.scorer.spec import Parser
from streamweir_spark.failures import exit_code
from streamweir_spark.log import say
from streamweir_spark.model import saved
from streamweir_spark.proving import prove
from streamweir_spark.score_again import score
from streamweir_spark.session import open_session, spark_conf


def score_again(argv: Sequence[str] | None = None) -> int:
    """Score the rows of a parquet file as Spark's own `transform` does, and write another file; returns the
    exit code."""
    parser = _parser("score_again", "Scores rows with a registered model, as a notebook would.")
    parser.add_argument("--rows", required=True, type=Path, help="parquet file with the model's columns")
    parser.add_argument("--scores", required=True, type=Path, help="parquet file to write")
    parser.add_argument("--fraud-label", default="", help="the label that means fraud, where a run names one")

    def work() -> None:
        asked = parser.parse_args(argv)
        with _opened(asked, "again") as (spark, _, folder):
            model = PipelineModel.load(folder.as_uri())
            pq.write_table(score(spark, model, pq.read_table(asked.rows), asked.fraud_label), asked.scores)

    return exit_code(work)


def prove_model(argv: Sequence[str] | None = None) -> int:
    """Compare numpy's scores of a version with Spark's, and note the outcome in its card; returns the exit
    code."""
    parser = _parser("prove_model", "Compares numpy's scores of a model with Spark's.")

    def work() -> None:
        asked = parser.parse_args(argv)
        columns = import_module(f"streamweir.contracts.{asked.pipeline}").MODEL_COLUMNS
        with _opened(asked, "proof") as (spark, registry, folder):
            try:
                model = saved(folder.as_uri(), registry.card(asked.model))
                proof = prove(spark, folder, model, columns)
            except ModelUnusable as error:
                proof = {"proven": False, "why": str(error)}
            noted = registry.put_proof(asked.model, proof).numpy
            say(f"numpy for model {asked.model}: {proof_in_words(noted)}")

    return exit_code(work)


@contextmanager
def _opened(asked: Namespace, purpose: str) -> Iterator[tuple[SparkSession, Registry, Path]]:
    """Spark, the registry, and the folder with the version's files."""
    store = StoreConnection.from_env()
    registry = Registry(ObjectStore(store), asked.pipeline)
    name = f"streamweir {asked.pipeline} {purpose}"
    with (
        tempfile.TemporaryDirectory(prefix=f"streamweir-{purpose}-") as folder,
        open_session(spark_conf(name, asked.time_zone, SparkConnection.from_env(), store)) as spark,
    ):
        yield spark, registry, registry.fetch(asked.model, Path(folder))


def _parser(program: str, description: str) -> Parser:
    parser = Parser(prog=program, description=description)
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--model", required=True, help="the version")
    parser.add_argument("--time-zone", required=True, help="the session's")
    return parser
