"""What is drawn while `clickstream_anomaly` is replayed: page views."""

from collections.abc import Sequence

from streamweir.contracts.clickstream_anomaly import EVENTS_TOPIC
from streamweir.replay.batches import Row
from streamweir.replay.clickstream_anomaly import PAGE_VIEWS, page_views
from streamweir.replay.plan import Options

TOPIC = EVENTS_TOPIC
NAME = PAGE_VIEWS
TITLE = "Page views per minute"
AXIS = "events of type page_view"
SPAN_S = 60


def count(rows: Sequence[Row], options: Options) -> int:
    """The figure of one batch."""
    return page_views(rows, options)
