"""The files of a clickstream dataset: the events, and the incidents that should be noticed in them."""

from enum import StrEnum

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


class Incident(StrEnum):
    """The kinds of incident that the generator makes; a dataset of one's own may name others."""

    OUTAGE = "outage"
    TRAFFIC_LOSS = "traffic_loss"
    SESSION_LOSS = "session_loss"
    BROKEN_CHECKOUT = "broken_checkout"
    CONVERSION_SLUMP = "conversion_slump"
