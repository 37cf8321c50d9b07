"""The contracts' columns as Spark types, and as the scoring core has them."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import pyarrow as pa
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from streamweir.arrow import ARROW_TYPES, arrow_schema
from streamweir.contracts.tables import Column, Type

T = TypeVar("T")

UNSCORABLE = "__streamweir_unscorable"
"""The column that says why a row has no score."""

_SPARK: dict[Type, DataType] = {
    Type.STRING: StringType(),
    Type.INT: LongType(),
    Type.DOUBLE: DoubleType(),
    Type.BOOL: BooleanType(),
    Type.TIMESTAMP: TimestampType(),
    Type.DATE: DateType(),
    Type.DOUBLES: ArrayType(DoubleType()),
    Type.BINARY: BinaryType(),
}


def spark_schema(columns: Iterable[Column]) -> StructType:
    """The columns as Spark has them in a result."""
    return StructType([StructField(column.name, _SPARK[column.type]) for column in columns])


def core_schema(columns: Iterable[Column]) -> StructType:
    """The columns as the scoring core hands them over: a timestamp is a long of microseconds."""
    return StructType([StructField(column.name, _in_core(column, _SPARK, LongType())) for column in columns])


def core_arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The same for Arrow."""
    return pa.schema([(column.name, _in_core(column, ARROW_TYPES, pa.int64())) for column in columns])


def from_core(rows: pa.Table, columns: Iterable[Column]) -> pa.Table:
    """These columns of the core's rows as a result has them."""
    schema = arrow_schema(columns)
    return rows.select(schema.names).cast(schema)


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return f"`{name.replace('`', '``')}`"


def struct(names: Iterable[str]) -> str:
    """The SQL of a struct of columns."""
    return f"struct({', '.join(map(quoted, names))})"


def _in_core(column: Column, types: Mapping[Type, T], long: T) -> T:
    return long if column.type is Type.TIMESTAMP else types[column.type]
