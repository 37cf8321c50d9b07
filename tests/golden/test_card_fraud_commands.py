"""What the hall hands to Spark for `card_fraud`, word for word. `UPDATE_GOLDEN=1` writes the files anew."""

from streamweir.connections import SparkConnection
from streamweir.contracts.card_fraud import LATENESS_S, PIPELINE
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.scorer.command import scorer_command
from streamweir.scorer.spec import ScorerSpec
from streamweir_airflow.operators.train import training_command
from tests.golden.test_hall_commands import AT, DATASET, assert_recorded

RUN = Run(Stream(PIPELINE.name, "prod"), "manual__2026-01-01T00:00:00+00:00")
SPARK = SparkConnection("local[4]")


def test_the_scorers_command_is_as_agreed() -> None:
    spec = ScorerSpec(
        stream=RUN.stream,
        scorer="manual-2026-01-01-0a1b2c3d",
        dataset=DATASET,
        model="20260101T120000Z-0a1b2c3d",
        time_zone="UTC",
        lateness_s=LATENESS_S,
        max_messages=PIPELINE.max_messages,
        options={"console_alerts": True, "threshold": None, "fraud_label": None, "scoring": None},
    )
    words = scorer_command(spec, "manual-2026-01-01-0a1b2c3d-9f8e7d6c", spark=SPARK, at=AT)
    assert_recorded(words, "card_fraud_scorer")


def test_the_trainings_command_is_as_agreed() -> None:
    command = training_command(PIPELINE.name, DATASET, RUN.training, spark=SPARK, at=AT)
    assert_recorded(command, "card_fraud_training")
