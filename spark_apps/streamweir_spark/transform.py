"""From parts to outputs on executors: a state per shard, worked on by the pure core."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout

from streamweir.contracts.tables import Column, Type
from streamweir_spark.columns import core_arrow_schema
from streamweir_spark.core import OUTPUT_COLUMNS, Domain, Output, OutputKind
from streamweir_spark.shard import work
from streamweir_spark.source import BUNDLE, KEY, collector_paused, open_bundles

PLACE = ("run", "batch_index", "sequence", "ts", "topic", "partition", "offset", "row", "appended_at")
"""The columns of an output that say where a scored row came from."""
_KNOWN = {column.name: column for column in OUTPUT_COLUMNS}
PLACE_COLUMNS = tuple(_KNOWN[name] for name in PLACE)
SCORED_AT = Column("scored_at", Type.TIMESTAMP, "wall time of the scoring, the same in a micro-batch")

_SHARE = "scored binary, lines binary, state_bytes long"
_STATE = "memory binary"
_place_of = itemgetter(*map(Output._fields.index, PLACE))

Run = Callable[[tuple[Any, ...], Iterator[pd.DataFrame], GroupState], Iterator[pd.DataFrame]]
Lines = list[dict[str, Any]]


def scored_columns(domain: Domain) -> tuple[Column, ...]:
    """The columns of a scored row: its place, then what the domain made of it."""
    return (*PLACE_COLUMNS, *domain.scored_columns)


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


def in_order(scored: pa.Table) -> pa.Table:
    """The scored rows in the order in which they were sent."""
    return scored.sort_by([("sequence", "ascending"), ("row", "ascending")])


def named(outputs: Iterable[tuple[Any, ...]]) -> Lines:
    """Outputs with the names of their fields."""
    return [dict(zip(Output._fields, output, strict=True)) for output in outputs]


def split(outputs: Iterable[Output], schema: pa.Schema) -> tuple[pa.Table, list[tuple[Any, ...]]]:
    """The scored rows as a table, and the other outputs as plain tuples, which pickle writes without the name
    of their class."""
    scored, others = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    for output in outputs:
        if output.kind == OutputKind.SCORED:
            scored.append((*_place_of(output), *(output.values or ())))
        else:
            others.append(tuple(output))
    return table_of(scored, schema), others


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


def table_of(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def packed(scored: pa.Table) -> bytes:
    """The rows as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, scored.schema) as writer:
        writer.write_table(scored)
    return sink.getvalue().to_pybytes()
