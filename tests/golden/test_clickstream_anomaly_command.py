"""What the hall hands to Spark for `clickstream_anomaly`: no model, but event types and four thresholds."""

from streamweir.connections import SparkConnection
from streamweir.contracts.clickstream_anomaly import LATENESS_S, PIPELINE, THRESHOLDS
from streamweir.contracts.streams import Stream
from streamweir.scorer.command import scorer_command
from streamweir.scorer.spec import ScorerSpec
from tests.golden.test_hall_commands import AT, DATASET, assert_recorded

SPEC = ScorerSpec(
    stream=Stream(PIPELINE.name, "prod"),
    scorer="manual-2026-01-01-0a1b2c3d",
    dataset=DATASET,
    model="",
    time_zone="UTC",
    lateness_s=LATENESS_S,
    max_messages=PIPELINE.max_messages,
    options={"event_types": "view:page_view,cart:checkout_start", **THRESHOLDS},
)


def test_the_scorers_command_is_as_agreed() -> None:
    words = scorer_command(SPEC, f"{SPEC.scorer}-9f8e7d6c", spark=SparkConnection("local[4]"), at=AT)
    assert_recorded(words, "clickstream_anomaly")
