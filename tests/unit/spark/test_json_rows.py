"""Rows as JSON, against Spark's `to_json` of the same rows."""

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
from hypothesis import HealthCheck, example, given, settings
from pyspark.sql import SparkSession

from streamweir_spark.json_rows import _double, _quoted, double_text, json_rows

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ('a "name"', pa.int64()),
        ("double", pa.float64()),
        ("flag", pa.bool_()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("day", pa.date32()),
        ("list", pa.list_(pa.float64())),
    ]
)
EDGES = [
    0.0,
    -0.0,
    100.0,
    1e7,
    9999999.0,
    1e-3,
    9.99e-4,
    1e20,
    1.5e-9,
    1e300,
    5e-324,
    float("nan"),
    float("inf"),
]
DOUBLES = st.floats() | st.sampled_from(EDGES)
TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
VALUES = [
    st.text(st.characters(codec="utf-8")),
    st.integers(-(2**63), 2**63 - 1),
    DOUBLES,
    st.booleans(),
    TIMES,
    st.dates(date(1, 1, 1)),
    st.lists(DOUBLES, max_size=3),
]
ODD_TEXT = '"\\/\b\f\n\r\t\x00\x1f\x7f é'
BEFORE_1970 = datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
ROWS = st.lists(st.tuples(*(st.none() | value for value in VALUES)), min_size=1, max_size=40)
NUMBER = re.compile(r"-?\d+\.\d+(?:E-?\d+)?")


def expected(spark: SparkSession, rows: pa.Table) -> list[str]:
    names = ", ".join(f"`{name}`" for name in rows.column_names)
    frame = spark.createDataFrame(rows)
    sql = f"to_json(struct({names}), map('ignoreNullFields', 'false', 'timeZone', 'UTC')) AS value"
    return list(frame.coalesce(1).selectExpr(sql).toArrow()["value"].to_pylist())


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS)
@example(
    [
        (None,) * 7,
        (
            '"\\/\b\f\n\r\t\x00\x1f\x7f é',
            1,
            100.0,
            True,
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            None,
            [],
        ),
    ]
)
def test_rows_are_written_as_spark_writes_them(spark: SparkSession, rows: list[tuple[Any, ...]]) -> None:
    columns = [
        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    found, wanted = json_rows(table, SCHEMA.names).to_pylist(), expected(spark, table)
    assert len(found) == len(wanted) == len(rows)
    for mine, other in zip(found, wanted, strict=True):
        # Equal values where Java does not write the shortest text of a double; else the text itself.
        assert json.loads(mine) == json.loads(other)
        assert NUMBER.sub("0.0", mine) == NUMBER.sub("0.0", other)


def test_doubles_are_written_as_java_writes_them() -> None:
    written = {
        100.0: "100.0",
        -1e7: "-1.0E7",
        12345678.9: "1.23456789E7",
        0.001: "0.001",
        0.00025: "2.5E-4",
        1e22: "1.0E22",
        -0.0: "-0.0",
        123456789012345680.0: "1.2345678901234568E17",
    }
    assert {value: double_text(value) for value in written} == written


ONE_BY_ONE = {
    "text": (pa.string(), _quoted, VALUES[0] | st.text('a"\\\x00\x1f\x7fé', max_size=3)),
    "double": (
        pa.float64(),
        _double,
        DOUBLES | st.floats(-2e7, 2e7) | st.integers(-(10**8), 10**8).map(float),
    ),
}


@settings(max_examples=200)
@given(st.data(), st.sampled_from(sorted(ONE_BY_ONE)))
def test_a_column_is_written_as_its_values_are_one_by_one(data: st.DataObject, name: str) -> None:
    kind, text_of, values = ONE_BY_ONE[name]
    column = data.draw(st.lists(st.none() | values, min_size=1, max_size=9))
    texts = ("null" if value is None else text_of(value) for value in column)
    rows = pa.table({name: pa.array(column, kind)})
    assert json_rows(rows, [name]).to_pylist() == [f'{{"{name}":{text}}}' for text in texts]


def test_no_rows_are_no_messages() -> None:
    assert json_rows(SCHEMA.empty_table(), SCHEMA.names).to_pylist() == []
