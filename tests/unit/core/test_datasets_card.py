"""What makes a card dataset usable."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from streamweir.contracts.card_fraud.dataset import FILE, NUMBER_NAMES
from streamweir.datasets.checks import check
from streamweir.datasets.store import ensure, load
from streamweir.errors import DatasetUnusable
from tests.support.card_files import NAMES, at, write_cards
from tests.support.file_store import FileStore

PIPELINE = "card_fraud"


def test_the_file_is_replayed_and_trained_on(tmp_path: Path) -> None:
    store = FileStore()
    dataset = ensure(store, PIPELINE, str(write_cards(tmp_path, [*at("0"), {"Time": "1", "Class": "1"}])))
    assert dataset.live == [FILE]
    assert dataset.history_fingerprint == dataset.fingerprint
    assert load(store, PIPELINE, dataset.fingerprint) == dataset


def test_bad_values_do_not_make_it_unusable(tmp_path: Path) -> None:
    write_cards(tmp_path, [{"Time": "", "V1": "x"}, {"Time": "1", "Class": ""}])
    assert check(PIPELINE, tmp_path, needs_history=True)[0].rows == 2


@pytest.mark.parametrize("missing", ["Time", "V17", "Amount"])
def test_a_missing_column_is_named(tmp_path: Path, missing: str) -> None:
    write_cards(tmp_path, at("0"), names=[name for name in NAMES if name != missing])
    with pytest.raises(DatasetUnusable) as caught:
        check(PIPELINE, tmp_path, needs_history=True)
    assert str(caught.value) == f"{tmp_path / FILE} line 1: column {missing} is missing"


def test_further_columns_are_warned_about_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_cards(tmp_path, [{"Time": "0", "Class": "1"}], names=("", *NAMES, "Bank", "ts2"))
    assert len(check(PIPELINE, tmp_path, needs_history=True)) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / FILE} line 1: columns that are not used: (one without a name), Bank, ts2"
    ]


@pytest.mark.parametrize(
    ("names", "problem"), [(NUMBER_NAMES, "there is none"), (NAMES, "no transaction is fraud")]
)
def test_without_a_fraud_it_can_be_replayed_and_folder_and_fingerprint_say_that_it_teaches_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: Sequence[str], problem: str
) -> None:
    store = FileStore()
    dataset = ensure(store, PIPELINE, str(write_cards(tmp_path, at("0"), names)))
    assert dataset.live == [FILE]
    assert dataset.history_fingerprint is None
    assert ensure(store, PIPELINE, dataset.fingerprint) == dataset
    sentence = (
        f"column Class: {problem}, so that no model can be trained on it: "
        "give a model, or the champion is taken"
    )
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / FILE} {sentence}",
        f"dataset {dataset.fingerprint}, {FILE} {sentence}",
    ]
    caplog.clear()
    for source in (str(tmp_path), dataset.fingerprint):
        assert ensure(store, PIPELINE, source, needs_history=False) == dataset
    assert caplog.records == []


def test_the_only_csv_file_of_a_folder_may_have_any_name(tmp_path: Path) -> None:
    (write_cards(tmp_path, at("0")) / FILE).rename(tmp_path / "sample.csv")
    assert [(file.name, file.path.name) for file in check(PIPELINE, tmp_path, needs_history=True)] == [
        (FILE, "sample.csv")
    ]
    (tmp_path / "other.csv").write_text("a\n")
    with pytest.raises(DatasetUnusable, match=f"holds no {FILE}"):
        check(PIPELINE, tmp_path, needs_history=True)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    write_cards(tmp_path, [])
    with pytest.raises(DatasetUnusable, match="there are no rows"):
        check(PIPELINE, tmp_path, needs_history=True)
