"""What is drawn while `ecommerce_fraud` is replayed: successful payments per batch."""

from collections.abc import Sequence

from streamweir.contracts.ecommerce_fraud import TRANSACTIONS_TOPIC
from streamweir.replay.batches import Row
from streamweir.replay.ecommerce_fraud import SUCCESS_PAYMENTS, success_payments
from streamweir.replay.plan import Options

TOPIC = TRANSACTIONS_TOPIC
NAME = SUCCESS_PAYMENTS
TITLE = "Successful payments per batch"
AXIS = "transactions paid"
SPAN_S = 1


def count(rows: Sequence[Row], options: Options) -> int:
    """The figure of one batch."""
    return success_payments(rows)
