"""What the hall hands to Spark for `merchant_patterns`: no model, but what the patterns go by."""

from streamweir.connections import SparkConnection
from streamweir.contracts.merchant_patterns import DEFAULTS, LATENESS_S, PIPELINE, TIME_ZONE
from streamweir.contracts.streams import Stream
from streamweir.scorer.command import scorer_command
from streamweir.scorer.spec import ScorerSpec
from tests.golden.test_hall_commands import AT, DATASET, assert_recorded

SPEC = ScorerSpec(
    stream=Stream(PIPELINE.name, "prod"),
    scorer="manual-2026-01-01-0a1b2c3d",
    dataset=DATASET,
    model="",
    time_zone=TIME_ZONE,
    lateness_s=LATENESS_S,
    max_messages=PIPELINE.max_messages,
    options={**DEFAULTS, "preset": "assignment_v1", "flush_after_s": None},
)


def test_the_scorers_command_is_as_agreed() -> None:
    words = scorer_command(SPEC, f"{SPEC.scorer}-9f8e7d6c", spark=SparkConnection("local[4]"), at=AT)
    assert_recorded(words, "merchant_patterns")
