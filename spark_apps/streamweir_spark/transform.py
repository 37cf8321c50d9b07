"""From parts to outputs: a state per shard, worked on by the pure core."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout

from streamweir.contracts.tables import Column, Type
from streamweir_spark.columns import core_schema
from streamweir_spark.parts import OUTPUT_COLUMNS, PART_COLUMNS, Domain, Output, Part
from streamweir_spark.shard import work
from streamweir_spark.source import KEY

_STATE = "memory binary"
_INTS = frozenset(column.name for column in PART_COLUMNS if column.type is Type.INT)

Outputs = Callable[[tuple[Any, ...], Iterator[pd.DataFrame], GroupState], Iterator[pd.DataFrame]]


def output_columns(domain: Domain) -> tuple[Column, ...]:
    """The columns of the frame of outputs."""
    return (*OUTPUT_COLUMNS, *domain.scored_columns)


def work_on(parts: DataFrame, domain: Domain) -> DataFrame:
    """What the shards put out: columns as `output_columns` says, in the core's types."""
    columns = output_columns(domain)
    # Broadcast, or every task of every micro-batch would carry all customers along.
    shared = parts.sparkSession.sparkContext.broadcast(domain)
    return parts.groupBy(KEY.name).applyInPandasWithState(
        _function(shared, columns),
        outputStructType=core_schema(columns),
        stateStructType=_STATE,
        outputMode="append",
        timeoutConf=GroupStateTimeout.NoTimeout,
    )


def _function(shared: "Broadcast[Domain]", columns: tuple[Column, ...]) -> Outputs:
    def run(_: tuple[Any, ...], frames: Iterator[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
        memory = state.get[0] if state.exists else None
        memory, outputs = work(memory, list(_parts(frames)), shared.value)
        state.update((memory,))
        yield _frame(outputs, columns)

    return run


def _parts(frames: Iterable[pd.DataFrame]) -> Iterator[Part]:
    for frame in frames:
        columns = [_values(frame[name], name) for name in Part._fields]
        yield from map(Part._make, zip(*columns, strict=True))


def _values(series: "pd.Series[Any]", name: str) -> Iterable[Any]:
    # pandas makes floats of a column of ints as soon as one of them is null.
    if name in _INTS and series.dtype.kind == "f":
        return [None if value != value else int(value) for value in series]
    return series.tolist()


def _frame(outputs: list[Output], columns: tuple[Column, ...]) -> pd.DataFrame:
    empty = (None,) * (len(columns) - len(OUTPUT_COLUMNS))
    rows = [(*output[:-1], *(output.scored or empty)) for output in outputs]
    return pd.DataFrame(
        {
            column.name: pd.Series(values, dtype=object)
            for column, values in zip(columns, zip(*rows, strict=True), strict=True)
        }
    )
