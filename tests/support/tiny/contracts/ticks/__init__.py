"""The contracts of `ticks`: numbers from a recipe without end, in objects that the messages name."""

from streamweir.contracts.tables import Input, Payload, Pipeline, Role, Topic

TICKS_TOPIC = Topic("ticks", partitions=2)

PIPELINE = Pipeline(
    name="ticks",
    title="Ticks",
    reads=(Input(TICKS_TOPIC, Role.COUNTED, Payload.REFERENCE),),
    outputs=(),
    tables=(),
    interval_s=1,
    lateness_s=0,
    flush_after_s=10,
    shards=1,
    options=("step",),
)
