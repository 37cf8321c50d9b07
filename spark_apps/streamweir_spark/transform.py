"""From parts to outputs on executors: a state per shard, worked on by the pure core."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout

from streamweir_spark.columns import core_arrow_schema
from streamweir_spark.core import Domain
from streamweir_spark.outputs import Lines, in_order, named, scored_columns, split
from streamweir_spark.shard import work
from streamweir_spark.source import BUNDLE, KEY, collector_paused, open_bundles

_SHARE = "scored binary, lines binary, state_bytes long"
_STATE = "memory binary"
Run = Callable[[tuple[Any, ...], Iterator[pd.DataFrame], GroupState], Iterator[pd.DataFrame]]


def work_on(parts: DataFrame, domain: Domain, shards: int) -> DataFrame:
    """What the shards put out: a row per shard, with all its outputs packed.

    Scored rows have dozens of columns. Packed, they cross Spark as they are; unpacked, every operator on the
    way would convert each value. `unpack` reads them.
    """
    schema = core_arrow_schema(scored_columns(domain))
    # Broadcast, or every task of every micro-batch would carry all customers along.
    shared = parts.sparkSession.sparkContext.broadcast(domain)
    # A partition for each shard, as `shard_keys` wants it.
    parts.sparkSession.conf.set("spark.sql.shuffle.partitions", str(shards))
    return parts.groupBy(KEY.name).applyInPandasWithState(
        _function(shared, schema),
        outputStructType=_SHARE,
        stateStructType=_STATE,
        outputMode="append",
        timeoutConf=GroupStateTimeout.NoTimeout,
    )


def unpack(shares: pa.Table, schema: pa.Schema) -> tuple[pa.Table, Lines]:
    """The scored rows of all shards, in the order in which they were sent, and all other outputs."""
    tables = [pa.ipc.open_stream(share).read_all() for share in shares["scored"].to_pylist()]
    scored = pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()
    lines = (line for share in shares["lines"].to_pylist() for line in pickle.loads(share))
    return in_order(scored), named(lines)


def _function(shared: "Broadcast[Domain]", schema: pa.Schema) -> Run:
    def run(_: tuple[Any, ...], frames: Iterator[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
        memory = state.get[0] if state.exists else None
        bundles = [bundle for frame in frames for bundle in frame[BUNDLE.name]]
        with collector_paused():
            memory, outputs = work(memory, list(open_bundles(bundles)), shared.value)
            scored, lines = split(outputs, schema)
            share = (packed(scored), pickle.dumps(lines, protocol=5), len(memory))
        state.update((memory,))
        yield pd.DataFrame([share], columns=["scored", "lines", "state_bytes"])

    return run


def packed(scored: pa.Table) -> bytes:
    """The rows as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, scored.schema) as writer:
        writer.write_table(scored)
    return sink.getvalue().to_pybytes()
