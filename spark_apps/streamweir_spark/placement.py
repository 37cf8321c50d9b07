"""Where the core works on a micro-batch: in the driver itself, or on executors. Both put out the same.

Where Spark is one machine's, nothing is gained by another process: the rows would be pickled, shuffled and
pickled again, by Python workers that have to be started first. ADR 0032 has the figures.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import pyarrow as pa
from pyspark.sql import DataFrame

from streamweir.commits import Commit
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir_spark.columns import core_arrow_schema
from streamweir_spark.core import Domain, Part, Reader
from streamweir_spark.decode import decode
from streamweir_spark.memory import Memory
from streamweir_spark.outputs import Lines, in_order, named, scored_columns, split
from streamweir_spark.shard import Shard
from streamweir_spark.source import cut_into_parts, received
from streamweir_spark.transform import unpack, work_on

_OTHER = "the memory of stream {} is kept {}: take another stream id, or the Spark master of its beginning"


class Outputs(NamedTuple):
    """What the core put out for a micro-batch.

    scored: the rows to score, in the order in which they were sent. lines: all other outputs. state_bytes:
    how much is remembered. memory: what the next micro-batch goes on from, where the driver keeps it.
    """

    scored: pa.Table
    lines: Lines
    state_bytes: int
    memory: Memory | None = None


class Placement(Protocol):
    """frame: what Spark computes for a micro-batch. scored_schema: of the rows to score.

    It works on one micro-batch after the other. One that failed is not worked on again: the driver ends.
    """

    frame: DataFrame
    scored_schema: pa.Schema

    def go_on(self, last: Commit, memory: Memory | None) -> None:
        """Begin behind an earlier driver's last micro-batch, with what is kept of its memory."""

    def outputs(self, found: pa.Table) -> Outputs:
        """What the core put out, from what Spark computed for the next micro-batch."""


class InDriver:
    """Spark reads the messages, and the core works on them in this process, as one shard that stays."""

    def __init__(self, messages: DataFrame, reader: Reader, domain: Domain, stream: Stream) -> None:
        self.frame = messages
        self.scored_schema = core_arrow_schema(scored_columns(domain))
        self._reader, self._domain, self._stream = reader, domain, stream
        self._shard = Shard(domain)

    def go_on(self, last: Commit, memory: Memory | None) -> None:
        """See `Placement`; BadConfiguration where executors worked on the stream until now."""
        if last.state_bytes and memory is None:
            raise BadConfiguration(
                _OTHER.format(self._stream, "by executors, or as an earlier version did it")
            )
        self._shard = Shard(self._domain, memory)

    def outputs(self, found: pa.Table) -> Outputs:
        """See `Placement`."""
        scored, others = split(self._shard.work(self._parts(found)), self.scored_schema)
        memory = self._shard.dump()
        return Outputs(in_order(scored), named(others), memory.size, memory)

    def _parts(self, found: pa.Table) -> Iterable[Part]:
        # Some messages at a time: their bytes are there twice while they are read.
        for batch in found.to_batches():
            yield from decode(received(batch), 1, self._reader)


class OnExecutors:
    """Executors read, decode and work, with a state for each shard in Spark's own store."""

    def __init__(
        self, messages: DataFrame, reader: Reader, domain: Domain, stream: Stream, shards: int
    ) -> None:
        self.frame = work_on(cut_into_parts(messages, reader, shards), domain, shards)
        self.scored_schema = core_arrow_schema(scored_columns(domain))
        self._stream = stream

    def go_on(self, last: Commit, memory: Memory | None) -> None:
        """See `Placement`; BadConfiguration where a driver worked on the stream until now."""
        if memory is not None:
            raise BadConfiguration(_OTHER.format(self._stream, "by its driver"))

    def outputs(self, found: pa.Table) -> Outputs:
        """See `Placement`."""
        return Outputs(*unpack(found, self.scored_schema), sum(found["state_bytes"].to_pylist()))
