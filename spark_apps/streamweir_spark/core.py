"""What crosses the borders of the pure scoring core: messages in, parts between, outputs out.

No module of the core imports Spark. Spark carries the values declared here from one function to the next:
`decode` turns each message into one part per shard, `work` turns a shard's parts into outputs.
A column of type TIMESTAMP travels as an int of microseconds since the epoch (UTC) everywhere in the core.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from streamweir.contracts.messages import Headers
from streamweir.contracts.tables import Column, Input, Type
from streamweir_spark.ids import Block

FOREIGN = "foreign"
"""The kind of a part whose message carries no headers of a replay, or a ts beyond all timestamps."""


class Received(NamedTuple):
    """A message as Kafka holds it. topic: the short name. appended_at: the broker's time, microseconds."""

    topic: str
    partition: int
    offset: int
    appended_at: int
    headers: Sequence[tuple[str, bytes | None]] | None
    value: bytes | None


class Part(NamedTuple):
    """One shard's share of a message: its rows there (maybe none), and the proof that the message arrived.

    shard: as the reader chose, e.g. crc32(session) % shards; 0 for what is rejected. run, batch_index,
    sequence, ts: None for a foreign message. kind: batch, flush, redrive or foreign. blob: pickled rejects
    and rows of this shard; empty when it has none. The rest: as in `Received`.
    """

    shard: int
    topic: str
    partition: int
    offset: int
    appended_at: int
    run: str | None
    batch_index: int | None
    sequence: int | None
    ts: int | None
    kind: str
    blob: bytes


class OutputKind(StrEnum):
    """What a line of output is."""

    SCORED = "scored"
    REJECTED = "rejected"
    TALLY = "tally"
    CLOSED = "closed"
    FRONTIER = "frontier"


class Output(NamedTuple):
    """One line that a shard puts out.

    scored: a record ready for the model; `values` are those of the domain's `scored_columns`.
    rejected: a record that was not scored or used; see `streamweir.contracts.rejected`. A duplicate has its
    `values` all the same: the model may turn out to have no score for the record before it.
    tally: `rows` records of a message were used by this shard.
    closed: `values` are one of those that the domain's `closed` gave.
    frontier: `sequence` is the next sequence that is not worked on yet, `ts` the largest ts before it;
    every shard puts out one in each micro-batch, and all are equal.
    """

    kind: str
    run: str | None
    batch_index: int | None
    sequence: int | None
    ts: int | None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    row: int | None = None
    rows: int | None = None
    id: str | None = None
    reason: str | None = None
    detail: str | None = None
    raw: bytes | None = None
    appended_at: int | None = None
    values: tuple[object, ...] | None = None


OUTPUT_COLUMNS = (
    Column("kind", Type.STRING, "scored, rejected, tally, closed or frontier"),
    Column("run", Type.STRING),
    Column("batch_index", Type.INT),
    Column("sequence", Type.INT),
    Column("ts", Type.INT, "virtual clock, Unix seconds"),
    Column("topic", Type.STRING, "short name"),
    Column("partition", Type.INT),
    Column("offset", Type.INT),
    Column("row", Type.INT, "index in the message's list; -1 for the whole message"),
    Column("rows", Type.INT, "how many records the line accounts for"),
    Column("id", Type.STRING),
    Column("reason", Type.STRING),
    Column("detail", Type.STRING),
    Column("raw", Type.BINARY),
    Column("appended_at", Type.INT, "the broker's append time, microseconds since the epoch"),
)
"""The columns of every pipeline's output; the domain's scored columns follow them (`ts` is not repeated)."""


class Released(NamedTuple):
    """A message whose turn has come, with the shard's rows of it. is_late: they are only listed."""

    topic: str
    run: str
    ts: int
    rows: Any
    is_late: bool


class Reject(NamedTuple):
    """A record that is not worked on. row: index in the message or -1. rows: how many records that is."""

    row: int
    rows: int
    id: str | None
    detail: str
    raw: bytes | None


class Judged(NamedTuple):
    """What became of a record that was to be scored: values when it can be scored, else reason and reject.

    A duplicate has both. rows: how many records that is.
    """

    row: int
    id: str | None
    values: tuple[object, ...] | None
    reason: str | None = None
    detail: str | None = None
    raw: bytes | None = None
    rows: int = 1


class Reader(Protocol):
    """How a pipeline's messages are read; holds no data, so that it travels to every task cheaply."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """The rows by shard, in any form that can be pickled, and the malformed ones.

        Raises RejectRecord when the whole message is malformed.
        """

    def read_at_once(
        self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int
    ) -> Sequence[Mapping[int, object]] | None:
        """The rows of each of the batches of a topic, as `read` gives them, if none of them is odd.

        None when one may be: then they are read one by one. None is always right, and slow.
        """


class State(NamedTuple):
    """What a domain remembers. working: in a form that can be pickled; it is written whole in each
    micro-batch, so it holds what is within reach. blocks: the ids that were scored, which may be many."""

    working: Any
    blocks: tuple[Block, ...] = ()


class Domain(Protocol):
    """A pipeline's knowledge: what its rows mean, what is remembered of them and how they are scored.

    reads: the rows of a scored input go to `score`, those of others to `use`; without a scored one there are
    no `scored_columns`.
    """

    reads: tuple[Input, ...]
    lateness_s: int
    scored_columns: tuple[Column, ...]

    def load(self, state: State | None) -> None:
        """Go on from what `dump` gave; from nothing at a stream's start."""

    def dump(self, max_ts: int | None) -> State:
        """All that later records can ask for; the domain goes on from there, too."""

    def use(self, topic: str, ts: int, rows: Any) -> tuple[int, Iterable[Judged]]:
        """Remember or count the rows of a message; gives their number, and those that are refused."""

    def prepare(self, messages: Sequence[Released]) -> list[Any]:
        """The rows of the messages that come next, in their order, as `use`, `score` and `late` take them.

        What rows say by themselves, or of one another, is cheaper for many: it may be worked out here.
        """

    def score(self, run: str, ts: int, rows: Any) -> Iterator[Judged]:
        """Judge the records of a scored input's message, in their order."""

    def late(self, topic: str, ts: int, rows: Any) -> Iterator[Reject]:
        """List the rows of a message that is late."""

    def closed(self, max_ts: int | None) -> Iterable[tuple[object, ...]]:
        """What can change no more now that the largest ts is `max_ts`, e.g. the shard's part of a window.

        Plain values, given once; `streamweir_spark.micro_batch.Results.figures` receives those of all shards.
        """
