"""The tables as the stream keeps them: the contract's columns, and whose a row is."""

from typing import Any

import pyarrow as pa

from streamweir.arrow import arrow_schema
from streamweir.arrow import parquet as to_parquet
from streamweir.contracts.tables import Column, Table, Type
from streamweir_spark.commit import owner
from streamweir_spark.results import Rows

STREAM_COLUMNS = (
    Column("run", Type.STRING, "the run that a row belongs to; null for a window that meets none"),
    Column("sequence", Type.INT, "send order within the stream; null for a window"),
)
"""What a table of the stream holds beside its contract, when the contract does not have it."""


def stored_columns(table: Table) -> tuple[Column, ...]:
    """The columns of a table as the stream keeps it."""
    return (*table.columns, *(column for column in STREAM_COLUMNS if column.name not in table.names))


def stored_schema(table: Table) -> pa.Schema:
    """The same as Arrow."""
    return arrow_schema(stored_columns(table))


def windows(table: Table, rows: Rows, spans: list[list[Any]]) -> pa.Table:
    """The rows of a figure table, each with the run that its window belongs to."""
    owned = [(*row, owner(spans, row[0], row[1]), None) for row in rows]
    schema = stored_schema(table)
    columns = zip(*owned, strict=True) if owned else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def parquet(table: Table, rows: pa.Table) -> bytes:
    """A parquet file of the table's columns, from rows that may have more."""
    schema = stored_schema(table)
    return to_parquet(rows.select(schema.names).cast(schema))
