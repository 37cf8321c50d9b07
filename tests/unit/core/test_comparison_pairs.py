"""Two tables row by row, against a comparison in plain Python: whatever rows and values they have."""

import math
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.comparison import differences
from streamweir.comparison.pairs import BASELINE, CANDIDATE, comparing, pair_up
from streamweir.contracts.tables import Column, Table, Type
from streamweir.errors import BadConfiguration

TABLE = Table(
    "made_up",
    (
        Column("id", Type.STRING),
        Column("at", Type.INT),
        Column("score", Type.DOUBLE),
        Column("both", Type.DOUBLES),
        Column("called", Type.BOOL),
        Column("scored_at", Type.INT, own=True),
    ),
    ("id", "at"),
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("at", pa.int64()),
        ("score", pa.float64()),
        ("both", pa.list_(pa.float64())),
        ("called", pa.bool_()),
        ("scored_at", pa.int64()),
    ]
)
COMPARED = ("score", "both", "called")
NAN = math.nan

Row = dict[str, Any]
Found = dict[str, Any]

numbers = st.sampled_from([NAN, 0.0, -0.0, 1.0, 1.0 + 2**-52, 0.5, 1e308, -1e308, math.inf, -math.inf])
rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", None]),
            "at": st.sampled_from([1, 2, None]),
            "score": st.none() | numbers,
            "both": st.none() | st.lists(st.none() | numbers, max_size=2),
            "called": st.none() | st.booleans(),
            "scored_at": st.integers(0, 9),
        }
    ),
    max_size=7,
)


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    with comparing(tmp_path_factory.mktemp("spilled")) as made:
        yield made


def written(folder: Path, *sides: list[Row], schema: pa.Schema = SCHEMA) -> list[Path]:
    files = [folder / "baseline.parquet", folder / "candidate.parquet"]
    for file, side in zip(files, sides, strict=True):
        pq.write_table(pa.Table.from_pylist(side, schema), file)
    return files


def compared(sql: DuckDBPyConnection, files: list[Path], tolerance: float | None) -> Found:
    layout = pair_up(sql, TABLE, files, tolerance)
    found = differences.counted(sql, layout)
    changed = [column for column, count in found["columns"].items() if count]
    differences.keep_differing(sql, layout, changed, ())
    largest = differences.column_differences(sql, layout, found["columns"])
    only = [differences.only_in(sql, layout, side) for side in (BASELINE, CANDIDATE)]
    return {**found, "largest": {one["column"]: one["largest"] for one in largest}, "only": only}


def naively(baseline: list[Row], candidate: list[Row], tolerance: float | None) -> Found:
    """The same, row by row: rows of a key are paired in the order of their values."""
    sides = _by_key(baseline), _by_key(candidate)
    columns, apart = Counter[str](), list[float]()
    both = differing = 0
    for key in {*sides[0], *sides[1]}:
        for first, second in zip(*(side.get(key, []) for side in sides), strict=False):
            both += 1
            other = [name for name in COMPARED if not _same(first[name], second[name], tolerance)]
            differing += bool(other)
            columns.update(other)
            if "score" in other and None not in (first["score"], second["score"]):
                apart.append(abs(second["score"] - first["score"]))
    return {
        "baseline": len(baseline),
        "candidate": len(candidate),
        "both": both,
        "differing": differing,
        "columns": {name: columns[name] for name in COMPARED},
        "furthest": max(filter(math.isfinite, apart), default=None),
    }


def _by_key(rows: list[Row]) -> dict[tuple[Any, ...], list[Row]]:
    found = defaultdict(list)
    for row in rows:
        found[row["id"], row["at"]].append(row)
    return {key: sorted(some, key=_order) for key, some in found.items()}


def _order(row: Row) -> Sequence[Any]:
    return tuple((_rank(row[name]), _text(row[name])) for name in COMPARED)


def _rank(value: Any) -> tuple[Any, ...]:
    """No value comes last, before it what is not a number, before that the numbers by size."""
    if value is None:
        return (2,)
    if isinstance(value, list):
        return (0, *map(_rank, value))
    return (1,) if math.isnan(value) else (0, value)


def _text(value: Any) -> str:
    return str(value)


def _same(first: Any, second: Any, tolerance: float | None) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(
            _same(one, other, tolerance) for one, other in zip(first, second, strict=True)
        )
    if not (isinstance(first, float) and isinstance(second, float)):
        return first is second
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    if tolerance is None:
        return struct.pack("d", first) == struct.pack("d", second)
    return first == second or abs(first - second) <= tolerance


def test_it_finds_what_a_comparison_in_plain_python_finds(sql: DuckDBPyConnection, tmp_path: Path) -> None:
    seen = Counter[str]()

    @settings(max_examples=50, deadline=None)
    @given(
        baseline=rows,
        candidate=rows,
        shared=rows,
        tolerance=st.sampled_from([None, None, 0.0, 0.5, 1e-9]),
    )
    def check(baseline: list[Row], candidate: list[Row], shared: list[Row], tolerance: float | None) -> None:
        first, second = [*shared, *baseline], [*candidate, *shared]
        found = compared(sql, written(tmp_path, first, second), tolerance)
        right = naively(first, second, tolerance)
        furthest = right.pop("furthest")
        assert {name: found[name] for name in right} == right
        largest = found["largest"].get("score")
        values = largest and largest["columns"]["score"]
        assert (values and abs(values["candidate"] - values["baseline"])) == furthest
        lonely = [right[side] - right["both"] for side in (BASELINE, CANDIDATE)]
        assert [len(some) for some in found["only"]] == [min(count, 10) for count in lonely]
        seen.update(name for name in ("both", "differing") if right[name])

    check()
    assert min(seen["both"], seen["differing"]) > 10


def test_a_value_that_is_not_a_number_differs_from_one_that_is_and_equals_itself(
    sql: DuckDBPyConnection, tmp_path: Path
) -> None:
    def row(number: int, score: float) -> Row:
        return {"id": "x", "at": number, "score": score, "both": [score], "called": True, "scored_at": 1}

    # So many that a file has statistics worth trusting, which leave NaN out.
    plain = [row(number, number / 10_000) for number in range(10_000)]
    odd = [row(number, NAN if number % 100 == 0 else number / 10_000) for number in range(10_000)]
    found = compared(sql, written(tmp_path, plain, odd), None)
    assert (found["differing"], found["columns"]) == (100, {"score": 100, "both": 100, "called": 0})
    assert found["largest"]["score"] is None
    assert compared(sql, written(tmp_path, odd, odd), None)["differing"] == 0
    assert sql.sql("select count(*) from candidate where isnan(score)").fetchall() == [(100,)]


def test_a_zero_with_another_sign_is_another_bit_and_no_difference_within_a_tolerance(
    sql: DuckDBPyConnection, tmp_path: Path
) -> None:
    first, second = ({"id": "x", "at": 1, "score": zero, "both": [zero, 1.0]} for zero in (0.0, -0.0))
    files = written(tmp_path, [first], [second])
    assert compared(sql, files, None)["columns"] == {"score": 1, "both": 1, "called": 0}
    assert compared(sql, files, 0.0)["differing"] == 0


def test_what_is_as_far_apart_as_the_tolerance_is_equal(sql: DuckDBPyConnection, tmp_path: Path) -> None:
    first, second = ({"id": "x", "at": 1, "score": value, "both": [value]} for value in (1.0, 1.5))
    files = written(tmp_path, [first], [second])
    assert compared(sql, files, 0.5)["differing"] == 0
    assert compared(sql, files, 0.49)["columns"] == {"score": 1, "both": 1, "called": 0}


def test_a_column_that_one_table_lacks_is_named(sql: DuckDBPyConnection, tmp_path: Path) -> None:
    files = written(tmp_path, [{"id": "x", "at": 1, "score": 1.0}], [{"id": "x", "at": 1, "score": 1.0}])
    pq.write_table(pq.read_table(files[0]).drop_columns("called"), files[0])
    assert pair_up(sql, TABLE, files, None).unshared == {BASELINE: [], CANDIDATE: ["called"]}
    pq.write_table(pq.read_table(files[0]).drop_columns("at"), files[0])
    with pytest.raises(BadConfiguration, match="table made_up of one run has no column at"):
        pair_up(sql, TABLE, files, None)


def test_a_column_of_two_types_is_refused(sql: DuckDBPyConnection, tmp_path: Path) -> None:
    files = written(tmp_path, [{"id": "x", "at": 1}], [{"id": "x", "at": 1}])
    table = pq.read_table(files[1])
    column = table.schema.get_field_index("called")
    pq.write_table(table.set_column(column, "called", table["called"].cast(pa.string())), files[1])
    with pytest.raises(
        BadConfiguration, match="column called of table made_up is BOOLEAN in the first run and VARCHAR"
    ):
        pair_up(sql, TABLE, files, None)
