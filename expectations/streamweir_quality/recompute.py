"""Stream equals batch: a run's tables against the same tables worked out again, in DuckDB, from the messages.

A pipeline offers `streamweir_quality.<word>.recompute` with `recompute(inputs, sql)`: by table name the rows
that its result tables must hold, as relations of the connection `sql` with the table's key and any of its
columns.
"""

import importlib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

import duckdb
import pandas as pd

from streamweir.contracts.tables import Table
from streamweir_quality.checks import Subject, all_equal
from streamweir_quality.inputs import Inputs

Row = dict[str, Any]


def offers_recompute(pipeline: str) -> bool:
    """Whether the tables of this pipeline can be worked out again."""
    return files(__package__).joinpath(pipeline, "recompute.py").is_file()


def recompute_subjects(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> Iterable[Subject]:
    """A subject per table that the pipeline works out again, in `sql`; none where it offers no way."""
    if not offers_recompute(inputs.pipeline.name):
        return
    module = importlib.import_module(f"{__package__}.{inputs.pipeline.name}.recompute")
    sql.execute("set TimeZone = 'UTC'")
    for name, batch in module.recompute(inputs, sql).items():
        frame = _compared(sql, inputs.pipeline.table(name), inputs, batch)
        said = f"{name} holds what a batch computation makes of the messages: 0 rows differ"
        yield Subject(f"{name} again as a batch", name, frame, (all_equal("difference", said),))


def _compared(
    sql: duckdb.DuckDBPyConnection, table: Table, inputs: Inputs, batch: duckdb.DuckDBPyRelation
) -> pd.DataFrame:
    """A row for each row of either side; `difference`: what differs, None when nothing does."""
    columns = [name for name in batch.columns if name not in table.key]
    ours = " and ".join(f's."{name}" is not distinct from b."{name}"' for name in table.key)
    differ = " or ".join(f's."{name}" is distinct from b."{name}"' for name in columns)
    sql.register("of_stream", inputs.tables[table.name])
    batch.create_view("of_batch")
    pairs = sql.sql(
        # Column names are the contracts', never the data's.
        "select s, b from (select *, true as is_there from of_stream) s"  # noqa: S608
        f" full join (select *, true as is_there from of_batch) b on {ours}"
        f" where s.is_there is null or b.is_there is null or {differ}"
    ).fetchall()
    different = [_difference(table.key, columns, *pair) for pair in pairs]
    equal = inputs.tables[table.name].num_rows - sum(bool(stream["is_there"]) for stream, _ in pairs)
    return pd.DataFrame({"difference": [*sorted(different), *[None] * equal]}, dtype=object)


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
