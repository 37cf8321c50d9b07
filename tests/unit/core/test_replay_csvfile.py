"""Reading CSV files: original strings, exact complaints, times as the strict parser sees them."""

import csv
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.contracts.messages import ROW_BYTES
from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import UNKNOWN
from streamweir.replay.csvfile import CsvFile, find, text_rows
from streamweir.times import TimeReader
from streamweir.values import parse_time

COLUMNS = ("id", "time", "text")


def csv_file(folder: Path, content: str | bytes) -> CsvFile:
    path = folder / "file.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CsvFile(path, COLUMNS)


def test_values_come_as_they_are_quoted_commas_line_breaks_and_blank_lines_included(tmp_path: Path) -> None:
    found = csv_file(
        tmp_path, '\ufeffid,time,text\r\n1, x ,"[{\'a\': 1, ""b"": 2}]"\r\n\r\n2,,"two\nlines"\r\n'
    )
    assert found.names == COLUMNS
    assert list(found.rows()) == [["1", " x ", "[{'a': 1, \"b\": 2}]"], ["2", "", "two\nlines"]]


def test_columns_may_come_in_another_order_and_more_than_declared(tmp_path: Path) -> None:
    found = csv_file(tmp_path, "more,text,time,id\nm,t,2024-01-01 00:00:01,1\n")
    assert list(found.times("time")) == [parse_time("2024-01-01 00:00:01")]


def test_a_short_row_stays_short_and_has_no_time(tmp_path: Path) -> None:
    found = csv_file(tmp_path, "id,text,time\n1\n")
    assert list(found.rows()) == [["1"]]
    assert list(found.times("time")) == [UNKNOWN]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", r"line 1: there is no header row"),
        ("id,text\n", r"line 1: column time is missing"),
        ("id,time,text,id\n", r"line 1: column 'id' is there more than once"),
        (",time,text,,id\n", r"line 1: column '' is there more than once"),
        ("id,time,text,ts\n", r"line 1: column ts is what the replay adds"),
        ('id,time,text\n1,2,"3\n4"\n1,2,3,4\n', r"line 4: 4 values for 3 columns"),
        ('id,time,text\n1,2,"3"4\n', r"line 2: .*expected after"),
        (
            "id\ttime\ttext\n1\t2\t3\n",
            r"line 1: the columns are separated by tabs; save the file with commas",
        ),
        ("id;time\n1;2\n", r"line 1: the columns are separated by semicolons"),
        ('"id";"time";"text"\n"1";"2";"3,5"\n', r"line 1: the columns are separated by semicolons"),
        ("id|time|text\n", r"line 1: the columns are separated by vertical bars"),
        (
            'id,time,text\n1,2,fine\n1,2,"café\nau lait"\n'.encode("cp1252"),
            r"line 3: not UTF-8 but cp1252; convert the file with iconv -f CP1252 -t UTF-8",
        ),
        (
            "id,time,text\n1,2,café\n".encode() + b"1,2,caf\xe9\n",
            r"line 3: not UTF-8; save the file as UTF-8",
        ),
        (b"id,time,text\n1,2,\x81\n", r"line 2: not UTF-8; save"),
        ("id,time,text\n1,2,3\n".encode("utf-16"), r"line 1: the text is UTF-16"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(
    tmp_path: Path, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(DatasetUnusable, match=rf"file\.csv {complaint}"):
        list(csv_file(tmp_path, content).rows())


def test_a_missing_file_is_named_with_all_its_names(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnusable, match=r"holds no a\.csv or b\.csv"):
        find(tmp_path, ("a.csv", "b.csv"))


DATES = ("2024-01-01", "1969-12-31", "2024-02-30", "0001-01-01", "9999-12-31")
CLOCKS = ("00:20:54", "23:59:60", "24:00:00", ".3", ".302", ".302999999", ".")
ZONES = ("Z", " UTC", "+10:00", "-0330", "+25:00")
NUMBERS = ("1569888001", "15698880012", "156988800125", "156988800125000", "1569888001250006")
PART = st.sampled_from([*DATES, " ", "T", *CLOCKS, *ZONES, *NUMBERS, "00", "", "x", "\n"])


@given(st.lists(st.one_of(st.lists(PART, max_size=5).map("".join), st.text(max_size=24)), max_size=12))
def test_remembering_parts_of_times_changes_no_time(texts: list[str]) -> None:
    def read(parse: Callable[[str], int], text: str) -> int | str:
        try:
            return parse(text)
        except ValueError as error:
            return str(error)

    reader = TimeReader()
    assert [read(reader, text) for text in texts * 2] == [read(parse_time, text) for text in texts * 2]


def test_times_that_share_their_parts_are_told_apart() -> None:
    read = TimeReader()
    dates, clocks = ("2024-01-01", "2024-01-02"), ("00:00:00", "00:00:09", "00:09:00", "09:00:00")
    texts = [f"{d}T{c}.{f}{z}" for d in dates for c in clocks for f in (0, 9) for z in ("", "Z", "+10:00")]
    texts += [number + fraction for number in NUMBERS for fraction in ("", ".5", ".25")]
    assert [read(text) for text in texts] == [parse_time(text) for text in texts]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(texts, texts, texts), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_whatever_a_csv_writer_wrote_is_read_as_it_was(rows: list[tuple[str, ...]], line_end: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        with path.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
        assert list(map(tuple, CsvFile(path, COLUMNS).rows())) == rows


hostile = st.binary(max_size=60) | st.text('",\r\n;x\0\ufeff ', max_size=60).map(str.encode)


@settings(max_examples=300)
@given(hostile, st.sampled_from([b"", b"id,time,text\n"]))
def test_whatever_the_bytes_are_a_file_is_read_or_refused(content: bytes, header: bytes) -> None:
    with TemporaryDirectory() as folder, suppress(DatasetUnusable):
        file = csv_file(Path(folder), header + content)
        rows = list(file.rows())
        assert len(list(file.times("time"))) == len(rows)
        assert all(0 < len(row) <= len(file.names) for row in rows)
        assert all(file.line_of(number) > 0 for number in range(len(rows)))


@pytest.mark.parametrize("filler", ["x", '"', "\x01"])
def test_a_row_that_no_message_can_hold_is_refused_with_its_line(tmp_path: Path, filler: str) -> None:
    found = csv_file(tmp_path, 'id,time,text\n1,"two\nlines",3\n1,2,3\n')
    room = ROW_BYTES - len(orjson.dumps({"id": "1", "time": "", "text": ""}))
    fits = filler * (room // len(orjson.dumps(filler)[1:-1]))
    found.check_size(1, ["1", "", fits])
    with pytest.raises(DatasetUnusable, match=r"file\.csv line 4: the row has more than 4,128,768 bytes"):
        found.check_size(1, ["1", filler * 7, fits])


def test_a_value_that_no_message_can_hold_is_refused_by_the_same_words(tmp_path: Path) -> None:
    found = csv_file(tmp_path, f"id,time,text\n1,2,{'x' * (ROW_BYTES + 1)}\n")
    with pytest.raises(DatasetUnusable, match=r"line 2: the row has more than .*; shorten its texts"):
        list(found.rows())


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
