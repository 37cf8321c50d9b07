"""Stream equals batch: a run's tables against the same tables worked out again, in DuckDB, from the messages.

A pipeline offers `streamweir_quality.<word>.recompute`, which fulfils `Recompute`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from streamweir.contracts.tables import Table
from streamweir_quality.carried import carries_of, offers_recompute, recompute_of
from streamweir_quality.checks import Subject, all_equal
from streamweir_quality.inputs import Inputs

Row = dict[str, Any]
_TOLD = 1_000
"""Rows of which it is told how they differ; people are shown the first few."""
_MORE = "a further row"


class Recompute(Protocol):
    """What a pipeline's module offers.

    CARRIES: tables of what later runs of a stream can ask of earlier messages. `recompute` finds in the
    connection as `carried_<name>` what is known before the first message, and makes `left_<name>`: the same
    of all messages before the sequence `left_before`, the largest ts of which is `left_ts` (two variables).
    Empty: a run asks nothing of others.
    """

    CARRIES: Mapping[str, pa.Schema]

    def recompute(
        self, inputs: Inputs, sql: duckdb.DuckDBPyConnection
    ) -> Mapping[str, duckdb.DuckDBPyRelation]:
        """By table name the rows that a result table must hold, with its key and any of its columns."""


def recompute_subjects(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> Iterable[Subject]:
    """A subject per table that the pipeline works out again, in `sql`; none where it offers no way."""
    if not offers_recompute(inputs.pipeline.name):
        return
    _register_carried(inputs, sql)
    module: Recompute = recompute_of(inputs.pipeline.name)
    for name, batch in module.recompute(inputs, sql).items():
        frame = _compared(sql, inputs.pipeline.table(name), inputs, batch)
        sentence = f"{name} holds what a batch computation makes of the messages: 0 rows differ"
        yield Subject(f"{name} again as a batch", name, frame, (all_equal("difference", sentence),))


def left_tables(
    inputs: Inputs, sql: duckdb.DuckDBPyConnection
) -> dict[str, tuple[duckdb.DuckDBPyRelation, pa.Schema]]:
    """What the recomputation in `sql` leaves for later runs, by name, as `CARRIES` declares it."""
    carries = carries_of(inputs.pipeline.name)
    return {name: (sql.table(f"left_{name}"), schema) for name, schema in carries.items()}


def _register_carried(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> None:
    replayed = inputs.replayed
    for name, schema in carries_of(inputs.pipeline.name).items():
        if (file := replayed.carried.tables.get(name)) is None:
            sql.register(f"carried_{name}", schema.empty_table())
        else:
            sql.read_parquet(str(file)).create_view(f"carried_{name}")
    for name, value in (("left_before", replayed.left.next_sequence), ("left_ts", replayed.left.max_ts)):
        sql.execute(f"set variable {name} = $1", [value])


def _compared(
    sql: duckdb.DuckDBPyConnection, table: Table, inputs: Inputs, batch: duckdb.DuckDBPyRelation
) -> pd.DataFrame:
    """A row for each row of either side; `difference`: what differs, None when nothing does."""
    columns = [name for name in batch.columns if name not in table.key]
    ours = " and ".join(f's."{name}" is not distinct from b."{name}"' for name in table.key)
    differ = " or ".join(f's."{name}" is distinct from b."{name}"' for name in columns)
    stored = inputs.pipeline.named(table.name)
    of_stream = sql.read_parquet(str(inputs.tables[stored])).select(*batch.columns)
    of_stream.create_view("of_stream", replace=True)
    batch.create_view("of_batch", replace=True)
    sql.execute(
        # Column names are the contracts', never the data's.
        "create or replace temp table pairs as "  # noqa: S608
        "select s, b from (select *, true as is_there from of_stream) s"
        f" full join (select *, true as is_there from of_batch) b on {ours}"
        f" where s.is_there is null or b.is_there is null or {differ}"
    )
    pairs = sql.table("pairs")
    ((count, of_the_stream),) = pairs.aggregate("count(*), count(s.is_there)").fetchall()
    different = [
        _difference(table.key, columns, *pair) for pair in pairs.order("s, b").limit(_TOLD).fetchall()
    ]
    equal = inputs.rows(stored) - of_the_stream
    return pd.DataFrame({"difference": _few_of_many(sorted(different), count, equal)})


def _few_of_many(different: list[str], count: int, equal: int) -> pd.Categorical:
    """The differences as a column that takes a byte or two for each of millions of rows."""
    told = list(dict.fromkeys(different))
    codes = np.full(count + equal, -1, np.int16)
    codes[: len(different)] = [told.index(one) for one in different]
    codes[len(different) : count] = len(told)
    return pd.Categorical.from_codes(codes, [*told, _MORE])


def _difference(key: Sequence[str], columns: Sequence[str], stream: Row, batch: Row) -> str:
    there = stream if stream["is_there"] else batch
    name = ", ".join(f"{part} {there[part]}" for part in key)
    if not (stream["is_there"] and batch["is_there"]):
        return f"{name}: the row is in the {'stream' if stream['is_there'] else 'batch'} only"
    values = (
        f"{column} is {stream[column]} in the stream and {batch[column]} in the batch"
        for column in columns
        if stream[column] != batch[column]
    )
    return f"{name}: {', '.join(values)}"
