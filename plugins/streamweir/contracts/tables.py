"""How columns, tables, topics and pipelines are declared."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from streamweir.contracts.streams import Stream, named
from streamweir.errors import BadConfiguration


class Type(StrEnum):
    """The column types that all rooms know; each room maps them to its own."""

    STRING = "string"
    INT = "int64"
    DOUBLE = "double"
    BOOL = "bool"
    TIMESTAMP = "timestamp[us, UTC]"
    DATE = "date"
    DOUBLES = "list<double>"
    BINARY = "binary"


@dataclass(frozen=True)
class Column:
    """A column: its name, type, and what it means to a reader. own: two equal runs need not share it, as it
    says which run or model this is, where Kafka put a record, or when by the wall clock.
    """

    name: str
    type: Type
    meaning: str = ""
    own: bool = False


@dataclass(frozen=True)
class Table:
    """A result table: its columns in order and those that identify a row. matched_by: the columns that say
    which rows of two runs are the same, where that is not the key.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    matched_by: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class Topic:
    """A topic of a pipeline. `config` holds Kafka's own topic settings."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict, hash=False)

    def of(self, stream: Stream) -> str:
        """The topic's full name in a stream."""
        return stream.topic(self.name)


class Role(StrEnum):
    """What becomes of an input's rows.

    context: they are remembered for other rows; produced = used + malformed + late.
    scored: each becomes a row of the scored table;
    produced = scored + malformed + late + unscorable + duplicate.
    counted: they go into aggregates; the same with `used` in the place of `scored`.
    stored: a Python stage keeps each as it is, a late one as well; produced = stored + malformed.
    """

    CONTEXT = "context"
    SCORED = "scored"
    COUNTED = "counted"
    STORED = "stored"

    @property
    def worked_as(self) -> str:
        """What the ledger calls its rows that were worked on."""
        return self.value if self in (Role.SCORED, Role.STORED) else "used"


class Payload(StrEnum):
    """Where a batch's rows are: in its message, or in an object that the message names (`claims.Claim`)."""

    INLINE = "inline"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Input:
    """A topic that a replay writes, what becomes of its rows, and where they are."""

    topic: Topic
    role: Role
    payload: Payload = Payload.INLINE


@dataclass(frozen=True)
class OutputTopic(Topic):
    """A topic that repeats rows of an output table, a message each, as JSON objects.

    table: the table. where: a boolean column of it; only rows where it is true are repeated, all when None.
    columns: what a message holds, by default every column of the table. fixed: a full name that all streams
    share; by default each stream has a topic of its own.
    """

    table: Table = field(kw_only=True)
    where: str | None = field(default=None, kw_only=True)
    columns: tuple[str, ...] = field(default=(), kw_only=True)
    fixed: str = field(default="", kw_only=True)

    def of(self, stream: Stream) -> str:
        """The topic's full name, for a stream or for all."""
        return self.fixed or super().of(stream)

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of a message, in order."""
        return self.columns or self.table.names


class Engine(StrEnum):
    """What runs a stage: Spark's driver, on `spark_apps/<pipeline>.py`; or Python, on the stage's module."""

    SPARK = "spark"
    PYTHON = "python"


@dataclass(frozen=True)
class Stage:
    """A process of a stream, with offsets, status, lease, commits, checkpoint and stop of its own.

    reads: its inputs in the order in which a batch is sent and worked on. writes: topics that it writes.
    tables: its output tables. name: among the stages of a pipeline that has several; a pipeline's only stage
    has none, and the stream's own keys. module: what `python -m` runs, with the engine PYTHON.
    """

    reads: tuple[Input, ...]
    writes: tuple[OutputTopic, ...] = ()
    tables: tuple[Table, ...] = ()
    name: str = ""
    engine: Engine = Engine.SPARK
    module: str = ""

    def named(self, name: str) -> str:
        """What the run's bundle calls an input or a table of the stage, e.g. in ledger and report."""
        return named(self.name, name)


@dataclass(frozen=True)
class Scores:
    """Columns of the scored table: the probability of fraud; called, true or 1 where a row is called fraud;
    label, 1 where it is known to be fraud and null where nobody knows, or empty for a table without one.
    """

    probability: str
    called: str
    label: str = ""


@dataclass(frozen=True)
class Pipeline:
    """What every room must know of a pipeline before it loads the pipeline's own module.

    stages: its processes; each works on a stream by itself.
    interval_s: seconds of the virtual clock between two batches. lateness_s: the allowed lateness.
    flush_after_s: how far after the last batch's ts the flush lies; see `flush_after`.
    scored_table: the table with one row per scored record; None when the scorer keeps aggregates only.
    scores: the columns of that table that a model decides.
    identity: the columns that make two scored records the same; `run` is among them where ids are unique
    within a run only.
    shards: into how many states the stream's memory is cut; a checkpoint holds them, so it never changes.
    max_messages: how many messages the scorer takes at once, some seconds of work when there is a backlog.
    options: the params of a run that only this pipeline's scorer knows; they travel to it by name.
    told: tables that no stage writes: `validate` works them out for the report.
    """

    name: str
    title: str
    stages: tuple[Stage, ...]
    interval_s: int
    lateness_s: int
    flush_after_s: int
    scored_table: str | None = None
    scores: Scores | None = None
    identity: tuple[str, ...] = ()
    shards: int = 4
    max_messages: int = 2_000
    options: tuple[str, ...] = ()
    told: tuple[Table, ...] = ()

    def of_stage(self, name: str) -> "Pipeline":
        """The pipeline as if it had this stage only; raises BadConfiguration when it has no such stage."""
        found = tuple(stage for stage in self.stages if stage.name == name)
        if not found:
            names = ", ".join(stage.name or "(the only one)" for stage in self.stages)
            raise BadConfiguration(f"{self.name} has no stage {name!r}; there are: {names}")
        return replace(self, stages=found)

    @property
    def reads(self) -> tuple[Input, ...]:
        """What the stages read and none of them writes; for each topic as the first of them reads it."""
        written = {topic.name for topic in self.outputs}
        found: dict[str, Input] = {}
        for read in (read for stage in self.stages for read in stage.reads):
            found.setdefault(read.topic.name, read)
        return tuple(read for name, read in found.items() if name not in written)

    @property
    def outputs(self) -> tuple[OutputTopic, ...]:
        """The topics that the stages write; several may write to the same one."""
        return tuple(dict.fromkeys(topic for stage in self.stages for topic in stage.writes))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The stages' output tables."""
        return tuple(table for stage in self.stages for table in stage.tables)

    @property
    def inputs(self) -> tuple[Topic, ...]:
        """The topics that a replay writes, in the order in which a batch is sent."""
        return tuple(read.topic for read in self.reads)

    @property
    def leading(self) -> Input:
        """The input whose rows the pipeline is there for; the others are their context."""
        return next(read for read in self.reads if read.role is not Role.CONTEXT)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All topics of a stream."""
        return (*self.inputs, *self.outputs)

    def flush_after(self, lateness_s: int) -> int:
        """Where a run's flush lies: the more lateness it allows, the later its windows close."""
        return self.flush_after_s + max(0, lateness_s - self.lateness_s)

    def table(self, name: str) -> Table:
        """One of the output tables."""
        return next(table for table in self.tables if table.name == name)

    def named(self, table: str) -> str:
        """What a run's bundle calls an output table that one stage has."""
        has = (stage for stage in self.stages for each in stage.tables if each.name == table)
        return next(has).named(table)
