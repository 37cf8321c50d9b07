"""What the core puts out, as tables and lines: for the model, the sink and the way between them."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa

from streamweir.contracts.tables import Column, Type
from streamweir_spark.core import OUTPUT_COLUMNS, Domain, Output, OutputKind

PLACE = ("run", "batch_index", "sequence", "ts", "topic", "partition", "offset", "row", "appended_at")
"""The columns of an output that say where a scored row came from."""
_KNOWN = {column.name: column for column in OUTPUT_COLUMNS}
PLACE_COLUMNS = tuple(_KNOWN[name] for name in PLACE)
SCORED_AT = Column("scored_at", Type.TIMESTAMP, "wall time of the scoring, the same in a micro-batch")
Lines = list[dict[str, Any]]

_place_of = itemgetter(*map(Output._fields.index, PLACE))


def scored_columns(domain: Domain) -> tuple[Column, ...]:
    """The columns of a scored row: its place, then what the domain made of it."""
    return (*PLACE_COLUMNS, *domain.scored_columns)


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


def table_of(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
