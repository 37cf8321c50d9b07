"""The result table of `clickstream_anomaly`: its windows, figures, means and flags."""

from streamweir.contracts.clickstream_anomaly.dataset import Incident
from streamweir.contracts.tables import Column, Table, Type

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
