"""What is drawn while `merchant_patterns` is replayed: payments."""

from collections.abc import Sequence

from streamweir.contracts.merchant_patterns import CHUNKS_TOPIC
from streamweir.replay.batches import Row
from streamweir.replay.plan import Options

TOPIC = CHUNKS_TOPIC
NAME = "payments"
TITLE = "Payments announced, by second"
AXIS = "rows of the chunks"
SPAN_S = 1


def count(rows: Sequence[Row], options: Options) -> int:
    """The figure of one message, which says how many rows its chunk has."""
    return sum(int(row["rows"]) for row in rows)
