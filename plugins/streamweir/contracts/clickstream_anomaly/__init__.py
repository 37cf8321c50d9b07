"""The contracts of `clickstream_anomaly`: a site's events, summed up in sliding windows that raise flags."""

from streamweir.contracts.clickstream_anomaly.dataset import Incident
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import Column, Input, OutputTopic, Pipeline, Role, Stage, Table, Topic, Type

WINDOW_S = 600
SLIDE_S = 300
WINDOWS_BEFORE = 3
"""How many windows before it a window's means are made of."""

KPIS = (
    Column("page_views", Type.INT, "events of type page_view"),
    Column("active_sessions", Type.INT, "different sessions with an event, counted exactly"),
    Column("purchase_conversion_rate", Type.DOUBLE, "purchases / checkout_starts; null without a start"),
    Column(
        "checkout_abandonment_rate",
        Type.DOUBLE,
        "(checkout_starts - checkout_completes) / checkout_completes; null without a completion",
    ),
)
MEANS = tuple(
    Column(f"avg_{kpi.name}", Type.DOUBLE, f"mean of {kpi.name} over the three windows before")
    for kpi in KPIS
)
FLAGS = (
    Column("page_view_drop", Type.BOOL, "page_views are less than this share of their mean"),
    Column("session_drop", Type.BOOL, "active_sessions are less than this share of their mean"),
    Column("low_conversion", Type.BOOL, "the mean conversion is less than this"),
    Column("high_abandonment", Type.BOOL, "the mean abandonment is more than this"),
)
THRESHOLDS = {"page_view_drop": 0.5, "session_drop": 0.4, "low_conversion": 0.1, "high_abandonment": 0.8}
"""Each flag's threshold, by default; a run may choose others under the same names."""

_BOUNDS = (
    Column("window_start", Type.TIMESTAMP, "inclusive, UTC, a multiple of five minutes"),
    Column("window_end", Type.TIMESTAMP, "exclusive, UTC"),
)
WINDOWS = Table(
    "windows",
    (
        *_BOUNDS,
        *KPIS,
        *MEANS,
        *FLAGS,
        Column("flagged", Type.BOOL, "one of the flags is raised"),
        Column("complete", Type.BOOL, "the replay's first and last event do not cut the window"),
    ),
    ("window_start",),
)
ANOMALY = tuple(column.name for column in (*_BOUNDS, *KPIS, *MEANS, *FLAGS))
"""What a message about a flagged window holds."""

FLAGS_OF = {
    Incident.OUTAGE: ("page_view_drop", "session_drop"),
    Incident.TRAFFIC_LOSS: ("page_view_drop", "session_drop"),
    Incident.SESSION_LOSS: ("session_drop",),
    Incident.BROKEN_CHECKOUT: ("high_abandonment", "low_conversion"),
    Incident.CONVERSION_SLUMP: ("low_conversion",),
}
"""By which flags an incident is found; one of a kind that is not listed here is found by any."""


EVENTS_TOPIC = Topic("events", partitions=4)
ANOMALIES_TOPIC = OutputTopic("anomalies", partitions=1, table=WINDOWS, where="flagged", columns=ANOMALY)
REJECTED_TOPIC = OutputTopic("rejected", partitions=1, table=REJECTED)

LATENESS_S = 600

PIPELINE = Pipeline(
    name="clickstream_anomaly",
    title="Clickstream anomalies",
    stages=(
        Stage(
            reads=(Input(EVENTS_TOPIC, Role.COUNTED),),
            writes=(ANOMALIES_TOPIC, REJECTED_TOPIC),
            tables=(WINDOWS, REJECTED),
        ),
    ),
    interval_s=1,
    lateness_s=LATENESS_S,
    # Far enough that no window of the next replay touches one of this.
    flush_after_s=2 * WINDOW_S + LATENESS_S,
    # An event id is a duplicate whatever its session, so one memory must hold them all.
    shards=1,
    # A message is a second of the site's life, which may be a busy one: an hour or more of it.
    max_messages=5_000,
    options=("event_types", *THRESHOLDS),
)
