"""The files of a clickstream dataset: the events, and the incidents that should be noticed in them."""

from enum import StrEnum

from streamweir.errors import BadConfiguration

CLICKSTREAM = "clickstream.csv"
CLICKSTREAM_COLUMNS = ("event_id", "timestamp", "session_id", "user_id", "event_type", "page", "device")
CLICKSTREAM_KEY = ("event_id", "timestamp", "session_id", "event_type")
"""What no event may lack; a visitor need not have signed in, and an event need not belong to a page."""

INCIDENTS = "incidents.csv"
"""Labels for the analysis after the run; a dataset may come without them."""
INCIDENT_COLUMNS = ("kind", "start", "end")


class Event(StrEnum):
    """The event types that the figures count. There may be others: each is a sign of its session's life."""

    PAGE_VIEW = "page_view"
    CHECKOUT_START = "checkout_start"
    CHECKOUT_COMPLETE = "checkout_complete"
    PURCHASE = "purchase"


def counted_types(event_types: str | None) -> dict[str, Event]:
    """What a dataset's event types count as: ours as themselves, where `event_types` says nothing else.

    event_types: pairs of a type of the dataset and one of ours, `view:page_view,cart:checkout_start`. Raises
    BadConfiguration that names a pair which cannot be read, a type that is none of ours, or one said twice.
    """
    ours, said = {event.value: event for event in Event}, dict[str, Event]()
    for pair in event_types.split(",") if event_types else ():
        name, _, counts_as = pair.strip().rpartition(":")
        if not name or counts_as not in ours:
            raise BadConfiguration(
                f"event_types: {pair[:80]!r} is not a type of the dataset, ':' and one of {', '.join(ours)}"
            )
        if name in said:
            raise BadConfiguration(f"event_types: {name[:80]!r} is named twice: say once what it counts as")
        said[name] = ours[counts_as]
    return ours | said


class Incident(StrEnum):
    """The kinds of incident that the generator makes; a dataset of one's own may name others."""

    OUTAGE = "outage"
    TRAFFIC_LOSS = "traffic_loss"
    SESSION_LOSS = "session_loss"
    BROKEN_CHECKOUT = "broken_checkout"
    CONVERSION_SLUMP = "conversion_slump"
