"""What makes a dataset usable, and how the fault of an unusable one is named."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from streamweir.datagen import generator
from streamweir.datasets.checks import check
from streamweir.errors import DatasetUnusable
from streamweir.progress import no_progress

PIPELINE = "ecommerce_fraud"
HISTORY = ("browsing_behaviour.csv", "transactions.csv", "customer_session.csv", "fraud_transaction.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("made")
    generator(PIPELINE)(target, seed=5, progress=no_progress, batches=2, history_batches=10)
    return target


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "data")


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def change(path: Path, line: int, edit: Callable[[str], str]) -> None:
    lines = lines_of(path)
    lines[line - 1] = edit(lines[line - 1])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def refused(folder: Path, *, needs_history: bool = True) -> str:
    with pytest.raises(DatasetUnusable) as caught:
        check(PIPELINE, folder, needs_history=needs_history)
    return str(caught.value)


def test_a_sound_folder_is_described_file_by_file(folder: Path) -> None:
    found = {file.name: file for file in check(PIPELINE, folder, needs_history=True)}
    assert len(found) == 9
    assert found["new_browsing_behaviour.csv"].rows == 400
    assert found["customer.csv"].rows == len(lines_of(folder / "customer.csv")) - 1
    assert {name for name, file in found.items() if file.history} == set(HISTORY)


def test_the_other_name_of_the_transactions_is_taken(folder: Path) -> None:
    (folder / "new_transactions.csv").rename(folder / "new_transaction.csv")
    found = {file.name: file.path.name for file in check(PIPELINE, folder, needs_history=True)}
    assert found["new_transactions.csv"] == "new_transaction.csv"


@pytest.mark.parametrize("name", ["new_browsing_behaviour.csv", "product.csv", "fraud_transaction.csv"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"holds no {name}" in refused(folder)


def test_a_row_that_is_too_large_to_be_sent_is_refused_with_its_line(folder: Path) -> None:
    longer = 2_100_000 * "x"
    change(
        folder / "new_transactions.csv", 3, lambda line: f"{line[:-1]}{longer}".replace(",", f",{longer}", 1)
    )
    assert "new_transactions.csv line 3: the row has more than 4,128,768 bytes" in refused(folder)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    assert "is not a folder" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("new_transactions.csv", "created_at"),
        ("customer.csv", "birthdate"),
        ("transactions.csv", "clear_payment"),
    ],
)
def test_a_missing_column_is_named_with_its_file_and_line(folder: Path, name: str, column: str) -> None:
    change(folder / name, 1, lambda header: header.replace(column, "something_else"))
    assert refused(folder) == f"{folder / name} line 1: column {column} is missing"


@pytest.mark.parametrize("name", ["new_browsing_behaviour.csv", "category.csv", "transactions.csv"])
def test_a_file_without_rows_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text(lines_of(folder / name)[0] + "\n", encoding="utf-8")
    assert refused(folder) == f"{folder / name} line 2: there are no rows"


def test_an_empty_file_has_no_header(folder: Path) -> None:
    (folder / "new_transactions.csv").write_bytes(b"")
    assert "line 1: there is no header row" in refused(folder)


@pytest.mark.parametrize("name", ["new_transactions.csv", "customer.csv"])
def test_bytes_that_are_not_utf8_are_refused(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\xff\xfe\n")
    assert "not UTF-8" in refused(folder)
    assert name in refused(folder)


@pytest.mark.parametrize(
    ("name", "column", "place", "value", "problem"),
    [
        ("customer.csv", "customer_id", 0, "", "empty"),
        ("transactions.csv", "created_at", 0, "yesterday", "'yesterday' is not a time"),
        ("transactions.csv", "shipment_fee", 9, "NaN", "'NaN' is not a decimal number"),
        ("transactions.csv", "product_metadata", 4, "[{'product_id': 1}]", "quantity"),
        ("browsing_behaviour.csv", "event_time", 2, "2024-13-01T00:00:00Z", "month"),
        ("browsing_behaviour.csv", "session_id", 0, " ", "empty"),
        ("fraud_transaction.csv", "is_fraud", 1, "perhaps", "'perhaps' is not a label"),
        ("product.csv", "category_id", 7, "9999", "'9999' is not in category.csv"),
    ],
)
def test_a_bad_value_is_named_by_file_line_and_column(
    folder: Path, name: str, column: str, place: int, value: str, problem: str
) -> None:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    rows[3][place] = value
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    sentence = refused(folder)
    assert sentence.startswith(f"{folder / name} line 4, column {column}: ")
    assert problem in sentence


def test_a_customers_date_may_be_missing_and_one_that_is_none_is_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "customer.csv"
    change(path, 3, lambda line: ",".join([*line.split(",")[:6], "", ""]))
    check(PIPELINE, folder, needs_history=True)
    assert caplog.messages == []
    for number in (4, 6):
        change(path, number, lambda line: ",".join([*line.split(",")[:6], "31.12.1990", "2020-01-01"]))
    check(PIPELINE, folder, needs_history=True)
    rows = len(lines_of(path)) - 1
    assert caplog.messages == [
        f"{path} line 4, column birthdate: '31.12.1990' is not a date like 1990-12-31; "
        f"2 of {rows:,} dates cannot be read and count as missing"
    ]


@pytest.mark.parametrize("name", ["customer.csv", "product.csv", "category.csv", "fraud_transaction.csv"])
def test_a_key_that_comes_twice_is_refused_where_it_comes_again(folder: Path, name: str) -> None:
    again = lines_of(folder / name)[2]
    change(folder / name, 9, lambda line: again)
    assert f"{name} line 9, column" in refused(folder)
    assert "was there before" in refused(folder)


def test_a_key_is_the_same_key_where_a_spreadsheet_wrote_it(folder: Path) -> None:
    change(folder / "product.csv", 4, lambda line: line.rpartition(",")[0] + f",{line.rpartition(',')[2]}.0")
    check(PIPELINE, folder, needs_history=True)
    again = lines_of(folder / "customer.csv")[2]
    change(folder / "customer.csv", 9, lambda line: again.replace(",", ".0,", 1))
    assert "customer.csv line 9, column customer_id: " in refused(folder)
    assert "was there before" in refused(folder)


def test_a_short_row_in_the_history_is_refused(folder: Path) -> None:
    change(folder / "browsing_behaviour.csv", 5, lambda line: line.split(",")[0])
    assert refused(folder).endswith("browsing_behaviour.csv line 5, column event_type: the row is too short")


def test_bad_values_in_live_files_are_left_to_the_stream(folder: Path) -> None:
    change(folder / "new_transactions.csv", 2, lambda line: line.replace("2024", "soon", 1))
    change(folder / "new_browsing_behaviour.csv", 3, lambda line: ",,,,,")
    change(folder / "new_browsing_behaviour.csv", 4, lambda line: "too short")
    rows = {file.name: file.rows for file in check(PIPELINE, folder, needs_history=True)}
    assert rows["new_browsing_behaviour.csv"] == 400


def test_history_may_be_missing_when_a_model_is_given(folder: Path) -> None:
    (folder / "transactions.csv").unlink()
    assert "holds no transactions.csv" in refused(folder)
    found = check(PIPELINE, folder, needs_history=False)
    assert len(found) == 5
    assert not any(file.history for file in found)


def test_history_without_a_single_fraud_cannot_train(folder: Path) -> None:
    path = folder / "fraud_transaction.csv"
    path.write_text(path.read_text().replace(",1\n", ",0\n"))
    assert "no transaction is fraud" in refused(folder)


def test_a_file_that_links_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "product.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "product.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert "leaves its folder" in refused(folder)
