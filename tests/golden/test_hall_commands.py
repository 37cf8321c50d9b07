"""The commands of the processes that tasks run, word for word. `UPDATE_GOLDEN=1` writes the files anew."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from streamweir.connections import SparkConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.scorer.command import Installation
from streamweir_airflow.operators.results import quality_command
from streamweir_airflow.operators.train import proving_command, training_command
from streamweir_quality.score_again import Scoring, command

HERE = Path(__file__).parent
RUN = Run(Stream("ecommerce_fraud", "prod"), "manual__2026-01-01T00:00:00+00:00")
DATASET = "5953970d1142f0f4ca8be9a612486ca49302251c5710dc7268fb46b8d6632f22"
AT = Installation(
    spark_submit=Path("/venv/pyspark/bin/spark-submit"),
    apps=Path("/checkout/spark_apps"),
    jars=Path("/cache/jars"),
    package=Path("/work/packages/streamweir-0123456789abcdef.zip"),
)


def assert_recorded(words: Sequence[str], name: str) -> None:
    """Compare a command with its golden file."""
    golden = HERE / f"{name}_command.txt"
    rendered = "".join(f"{word}\n" for word in words).replace(sys.executable, "/venv/bin/python")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_the_trainings_command_is_as_agreed() -> None:
    spark = SparkConnection("local[4]")
    command = training_command("ecommerce_fraud", DATASET, RUN.training, spark=spark, at=AT)
    assert_recorded(command, "training")


def test_the_command_that_proves_a_model_is_as_agreed() -> None:
    command = proving_command("card_fraud", "external-1", "UTC", spark=SparkConnection("local[4]"), at=AT)
    assert_recorded(command, "proving")


def test_the_quality_checks_command_is_as_agreed() -> None:
    assert_recorded(quality_command(RUN, 200_000), "quality")


def test_the_command_that_scores_rows_again_is_as_agreed() -> None:
    scoring = Scoring("ecommerce_fraud", "20260101T120000Z-0a1b2c3d", "Australia/Melbourne")
    files = (Path("/tmp/again/rows.parquet"), Path("/tmp/again/scores.parquet"))  # noqa: S108
    assert_recorded(command(scoring, *files, spark=SparkConnection("local[1]"), at=AT), "score_again")
