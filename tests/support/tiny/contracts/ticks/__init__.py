"""The contracts of `ticks`: numbers from a recipe without end, in objects that the messages name."""

from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import (
    Column,
    Engine,
    Input,
    Payload,
    Pipeline,
    Role,
    Stage,
    Table,
    Topic,
    Type,
)

TICKS_TOPIC = Topic("ticks", partitions=2)

_SEQUENCE, _PLACE, _NUMBER = (Column(name, Type.INT) for name in ("sequence", "place", "number"))
NUMBERS = Table(
    "numbers", (_SEQUENCE, _PLACE, _NUMBER, Column("at", Type.TIMESTAMP)), key=("sequence", "place")
)
PARTITIONS = ("date", "minute")
LINES = Table(
    "lines",
    (Column("line", Type.INT), _SEQUENCE, _PLACE, _NUMBER, Column("worked_at", Type.STRING)),
    key=("line",),
)
FILE_ROWS = 50


def _stage(name: str, role: Role, module: str) -> Stage:
    return Stage(
        (Input(TICKS_TOPIC, role, Payload.REFERENCE),),
        tables=(REJECTED,),
        name=name,
        engine=Engine.PYTHON,
        module=f"tests.support.tiny.{module}",
    )


PIPELINE = Pipeline(
    name="ticks",
    title="Ticks",
    stages=(
        _stage("sum", Role.COUNTED, "sum"),
        _stage("count", Role.STORED, "sum"),
        _stage("files", Role.STORED, "writing"),
        _stage("rows", Role.STORED, "writing"),
        _stage("lake", Role.STORED, "writing"),
    ),
    interval_s=1,
    lateness_s=0,
    flush_after_s=10,
    options=("step",),
)
