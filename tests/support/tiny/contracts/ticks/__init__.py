"""The contracts of `ticks`: numbers from a recipe without end, in objects that the messages name."""

from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import Engine, Input, Payload, Pipeline, Role, Stage, Topic

TICKS_TOPIC = Topic("ticks", partitions=2)

PIPELINE = Pipeline(
    name="ticks",
    title="Ticks",
    stages=(
        Stage(
            (Input(TICKS_TOPIC, Role.COUNTED, Payload.REFERENCE),),
            tables=(REJECTED,),
            name="sum",
            engine=Engine.PYTHON,
            module="tests.support.tiny.sum",
        ),
        Stage(
            (Input(TICKS_TOPIC, Role.STORED, Payload.REFERENCE),),
            tables=(REJECTED,),
            name="count",
            engine=Engine.PYTHON,
            module="tests.support.tiny.sum",
        ),
    ),
    interval_s=1,
    lateness_s=0,
    flush_after_s=10,
    options=("step",),
)
