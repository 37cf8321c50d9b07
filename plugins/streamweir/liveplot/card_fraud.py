"""What is drawn while `card_fraud` is replayed: transactions per ten minutes of the virtual clock."""

from collections.abc import Sequence

from streamweir.contracts.card_fraud import TRANSACTIONS_TOPIC
from streamweir.replay.batches import Row
from streamweir.replay.plan import Options

TOPIC = TRANSACTIONS_TOPIC
NAME = "transactions"
TITLE = "Card transactions per ten minutes"
AXIS = "transactions"
SPAN_S = 600


def count(rows: Sequence[Row], options: Options) -> int:
    """The figure of one message."""
    return len(rows)
