"""Looking into a table: every row is found, whatever is in it, and no question takes too much."""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamweir.contracts.tables import Column, Table, Type
from streamweir.errors import BadConfiguration
from streamweir.overview import tables
from streamweir.overview.tables import Filter, Op, Rows, TooMuch, View, all_rows, rows_of, tables_of

NAN = float("nan")
TABLE = Table(
    name="scored",
    key=("id",),
    columns=(Column("id", Type.STRING), Column("amount", Type.DOUBLE), Column("size", Type.INT)),
)
ROWS = [
    ("a", 3.0, 1),
    ("b", NAN, 2),
    ("c", -1.0, 1),
    ("d", None, 1),
    ("' or 1=1 --", 2.5, 1),
    ("E", 2.5, None),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Rows as pyarrow writes them: its statistics leave out NaN."""
    return put(tmp_path, ROWS)


def put(folder: Path, rows: list[tuple[str, float | None, int | None]]) -> Path:
    named = [dict(zip(TABLE.names, row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(named), folder / "data.parquet")
    return folder / "data.parquet"


def look(file: Path, *filters: Filter, **more: object) -> Rows:
    return rows_of(file, TABLE.columns, TABLE, View(filters, **more))  # type: ignore[arg-type]


def ids(found: Rows) -> str:
    return "".join(row[0][0] for row in found.rows)


@pytest.mark.parametrize(
    ("op", "column", "value", "wanted"),
    [
        (Op.IS, "amount", "nan", "b"),
        (Op.IS, "amount", "2.5", "'E"),
        (Op.IS, "id", "' or 1=1 --", "'"),
        (Op.IS, "id", "e", ""),
        (Op.CONTAINS, "id", "e", "E"),
        (Op.CONTAINS, "id", "%", ""),
        (Op.AT_MOST, "amount", "2.5", "c'E"),
        # As DuckDB orders them, NaN is the largest.
        (Op.AT_LEAST, "amount", "2.5", "ab'E"),
        # Beyond what the file's statistics say is the largest.
        (Op.AT_LEAST, "amount", "100", "b"),
        (Op.AT_LEAST, "size", "2", "b"),
    ],
)
def test_a_filter_finds_its_rows(file: Path, op: Op, column: str, value: str, wanted: str) -> None:
    found = look(file, Filter(column, op, value))
    assert (ids(found), found.count) == (wanted, len(wanted))


def test_filters_are_taken_together(file: Path) -> None:
    found = look(file, Filter("amount", Op.IS, "2.5"), Filter("size", Op.AT_LEAST, "1"))
    assert ids(found) == "'"


def test_rows_are_sorted_with_ties_by_the_key_and_nothing_last(file: Path) -> None:
    assert ids(look(file)) == "abcd'E", "as the file has them"
    assert ids(look(file, sort="amount")) == "c'Eabd"
    assert ids(look(file, sort="amount", descending=True)) == "ba'Ecd"


def test_each_row_can_be_named(file: Path) -> None:
    found = look(file)
    assert len(found.keys) == len(ROWS)
    for key, row in zip(found.keys, found.rows, strict=True):
        (again,) = look(file, *(Filter(name, Op.IS, text) for name, text in key.items())).rows
        assert again[0] == row[0]


@pytest.mark.parametrize("sort", ["", "amount"])
def test_pages_hold_every_row_once(tmp_path: Path, sort: str) -> None:
    file = put(tmp_path, [(f"{number:04}", number % 7 + 0.5, number) for number in range(230)])
    pages = [look(file, sort=sort, page=page) for page in range(1, 7)]
    assert [len(page.rows) for page in pages] == [50, 50, 50, 50, 30, 0]
    assert {page.count for page in pages} == {230}
    assert {row[0] for page in pages for row in page.rows} == {f"{number:04}" for number in range(230)}
    whole = all_rows(file, TABLE.columns, TABLE, View(sort=sort))
    assert list(whole) == [row for page in pages for row in page.rows]


def test_a_download_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_EXPORTED", 2)
    assert [row[0] for row in all_rows(file, TABLE.columns, TABLE, View())] == ["a", "b"]


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (View(sort="id; drop"), "no column 'id; drop'"),
        (View((Filter('"', Op.IS, "x"),)), "there are id, amount, size"),
        (View((Filter("amount", Op.AT_LEAST, "much"),)), "'much' is no number"),
        (View((Filter("id", Op.AT_MOST, "1"),)), "id is no number"),
    ],
)
def test_what_cannot_be_asked_is_refused(file: Path, view: View, said: str) -> None:
    for ask in (rows_of, all_rows):
        with pytest.raises(BadConfiguration, match=said):
            ask(file, TABLE.columns, TABLE, view)


def test_a_column_that_is_not_to_be_seen_is_not_asked_either(file: Path) -> None:
    seen = [column for column in TABLE.columns if column.name != "amount"]
    assert rows_of(file, seen, TABLE, View()).rows[0] == ("a", 1)
    for view in (View(sort="amount"), View((Filter("amount", Op.IS, "3.0"),))):
        with pytest.raises(BadConfiguration, match="no column 'amount'"):
            rows_of(file, seen, TABLE, view)


@pytest.mark.parametrize(("limit", "value"), [("SECONDS", 0.001), ("MEMORY", "2MB")])
def test_a_question_that_takes_too_much_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: object
) -> None:
    file = put(
        tmp_path, [(f"{number * 7919 % 99_991:09}" * 5, math.sin(number), number) for number in range(99_991)]
    )
    view = View((Filter("id", Op.CONTAINS, "9"),), sort="id")
    assert look(file, *view.filters, sort="id").count > 1000
    monkeypatch.setattr(tables, limit, value)
    with pytest.raises(TooMuch, match="filter more"):
        all_rows(file, TABLE.columns, TABLE, view)


def test_tables_are_called_as_the_bundle_calls_them() -> None:
    assert {"predictions", "rejected"} < tables_of("ecommerce_fraud").keys()
