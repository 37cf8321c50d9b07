"""The contracts of `clickstream_anomaly`: a site's events, summed up in sliding windows that raise flags."""

from streamweir.contracts.clickstream_anomaly.results import ANOMALY, THRESHOLDS, WINDOW_S, WINDOWS
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import Input, OutputTopic, Pipeline, Role, Stage, Topic

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
