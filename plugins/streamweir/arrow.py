"""The contracts' columns and tables as Arrow schemas, and frames cast to them."""

import io
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.contracts.tables import Column, Table, Type
from streamweir.errors import RunFailed

ARROW_TYPES = {
    Type.STRING: pa.string(),
    Type.INT: pa.int64(),
    Type.DOUBLE: pa.float64(),
    Type.BOOL: pa.bool_(),
    Type.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Type.DATE: pa.date32(),
    Type.DOUBLES: pa.list_(pa.float64()),
    Type.BINARY: pa.binary(),
}


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The columns as they are stored in parquet."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])


def schema_of(table: Table) -> pa.Schema:
    """The Arrow schema that a table's contract asks for."""
    return arrow_schema(table.columns)


def parquet(frame: pa.Table) -> bytes:
    """A frame as one parquet file; equal frames give equal bytes."""
    buffer = io.BytesIO()
    pq.write_table(frame, buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(data: bytes) -> pa.Table:
    """The frame of a parquet file."""
    return pq.read_table(io.BytesIO(data))


def check_columns(names: Iterable[str], table: Table) -> None:
    """Raise RunFailed when a column of the contract is not there."""
    missing = [name for name in table.names if name not in names]
    if missing:
        raise RunFailed(
            f"table {table.name} lacks the columns {', '.join(missing)}: the scorer and contracts differ"
        )


def cast(frame: pa.Table, schema: pa.Schema, name: object) -> pa.Table:
    """The frame in these types; raises RunFailed, with the frame's name, when a value does not fit."""
    try:
        return frame.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RunFailed(f"table {name} does not fit its declared types: {error}") from error
