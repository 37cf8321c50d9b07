"""What the hall hands to Spark, word for word. `UPDATE_GOLDEN=1` writes the file anew."""

import os
from pathlib import Path

from streamweir.connections import SparkConnection
from streamweir.contracts.streams import Stream
from streamweir.scorer.command import Installation, scorer_command
from streamweir.scorer.spec import ScorerSpec

GOLDEN = Path(__file__).parent / "scorer_command.txt"
AT = Installation(
    spark_submit=Path("/venv/pyspark/bin/spark-submit"),
    apps=Path("/checkout/spark_apps"),
    jars=Path("/cache/jars"),
    package=Path("/work/packages/streamweir-0123456789abcdef.zip"),
)
SPEC = ScorerSpec(
    stream=Stream("ecommerce_fraud", "prod"),
    scorer="manual-2026-01-01-0a1b2c3d",
    dataset="5953970d1142f0f4ca8be9a612486ca49302251c5710dc7268fb46b8d6632f22",
    model="20260101T120000Z-0a1b2c3d",
    time_zone="Australia/Melbourne",
    lateness_s=60,
    max_messages=2_000,
    options={"lookback_s": 600, "threshold": None, "fraud_label": None, "scoring": None},
)


def test_the_scorers_command_is_as_agreed() -> None:
    holder = f"{SPEC.scorer}-9f8e7d6c"
    words = scorer_command(SPEC, holder, spark=SparkConnection("local[4]"), at=AT)
    rendered = "".join(f"{word}\n" for word in words)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(rendered)
    assert rendered == GOLDEN.read_text()
