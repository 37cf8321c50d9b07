"""A dataset's files by column: every value is the text that the file has."""

from pathlib import Path

import pytest

from streamweir.datasets.rows import text_rows
from streamweir.errors import DatasetUnusable


def test_words_that_other_readers_take_for_nothing_are_texts(tmp_path: Path) -> None:
    words = ["NA", "null", "None", "nan", "NaN", "N/A", "-", "0", " ", "  x "]
    path = tmp_path / "product.csv"
    path.write_text("id,name\n" + "".join(f"{n},{word}\n" for n, word in enumerate(words)))
    assert [row["name"] for row in text_rows(path)] == words


def test_an_empty_value_and_one_that_a_short_row_lacks_are_the_empty_text(tmp_path: Path) -> None:
    path = tmp_path / "product.csv"
    path.write_text('id,name,colour\n1,,red\n2,"",\n3\n\n4,"a,b",blue\n')
    assert [tuple(row.values()) for row in text_rows(path)] == [
        ("1", "", "red"),
        ("2", "", ""),
        ("3", "", ""),
        ("4", "a,b", "blue"),
    ]


def test_a_byte_order_mark_belongs_to_no_column(tmp_path: Path) -> None:
    path = tmp_path / "customer.csv"
    path.write_bytes("\ufeffcustomer_id,first_name\n7,Zoë\n".encode())
    assert list(text_rows(path)) == [{"customer_id": "7", "first_name": "Zoë"}]


def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "customer.csv"
    path.write_text("customer_id,first_name\n7,Ann,Lee\n")
    with pytest.raises(DatasetUnusable, match=r"customer\.csv line 2: 3 values for 2 columns"):
        list(text_rows(path))
