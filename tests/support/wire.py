"""A delivery's messages, as a replay sends them."""

from streamweir.replay.deliveries import Delivery, Message
from streamweir.replay.parcels import Parcel


def messages(delivery: Delivery, run: str) -> list[Message]:
    """The delivery on the wire."""
    rows = (len(delivery.rows[topic]) for topic in delivery.values)
    counts = (delivery.batch, delivery.sequence, delivery.ts, delivery.kind.value, *rows)
    return Parcel(delivery.due, delivery.span, counts, delivery.values).messages(run)
