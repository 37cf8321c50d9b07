"""The contracts' tables as Arrow schemas, and frames cast to them."""

import pyarrow as pa

from streamweir.contracts.tables import Table, Type
from streamweir.errors import RunFailed

_TYPES = {
    Type.STRING: pa.string(),
    Type.INT: pa.int64(),
    Type.DOUBLE: pa.float64(),
    Type.BOOL: pa.bool_(),
    Type.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Type.DATE: pa.date32(),
    Type.DOUBLES: pa.list_(pa.float64()),
    Type.BINARY: pa.binary(),
}


def schema_of(table: Table) -> pa.Schema:
    """The Arrow schema that a table's contract asks for."""
    return pa.schema([(column.name, _TYPES[column.type]) for column in table.columns])


def conform(frame: pa.Table, table: Table) -> pa.Table:
    """The contract's columns and types, sorted by key; raises RunFailed when the frame differs."""
    missing = [name for name in table.names if name not in frame.column_names]
    if missing:
        raise RunFailed(
            f"table {table.name} lacks the columns {', '.join(missing)}: the scorer and contracts differ"
        )
    try:
        typed = frame.select(list(table.names)).cast(schema_of(table))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RunFailed(f"table {table.name} does not fit its declared types: {error}") from error
    return typed.sort_by([(name, "ascending") for name in table.key])
