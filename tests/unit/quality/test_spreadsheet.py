"""Where a text is unambiguous it is read, in every role: the same rows give the same results."""

from pathlib import Path

import pytest

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.rejected import REJECTED
from streamweir.datasets.checks import check
from streamweir_quality.checks import CRITICAL
from streamweir_quality.ecommerce_fraud import subjects
from streamweir_quality.inputs import Inputs
from streamweir_quality.runner import validate
from streamweir_spark.ecommerce_fraud.train import examples
from tests.unit.quality.made_up_inputs import made_up_inputs, recomputed
from tests.unit.quality.spreadsheet import as_a_spreadsheet_writes_it, with_number_ids


@pytest.fixture(scope="module")
def plain(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_number_ids(dataset_folder, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def written(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_a_spreadsheet_writes_it(plain, tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def inputs(written: Path) -> Inputs:
    return made_up_inputs(written)


def test_ids_and_times_of_a_spreadsheet_give_the_same_tables(plain: Path, inputs: Inputs) -> None:
    expected = made_up_inputs(plain)
    assert expected.frame("predictions").session_events.gt(1).sum() > 100
    assert expected.frame("predictions")[["age", "first_join_year"]].isna().sum().min() > 10
    for table in PIPELINE.tables:
        columns = [name for name in table.names if name not in ("raw", "offset")]
        found = inputs.frame(table.name)
        assert len(found) > 10
        assert found[columns].equals(expected.frame(table.name)[columns]), table.name


def test_what_was_rejected_keeps_the_texts_of_its_message(inputs: Inputs) -> None:
    late = inputs.frame(REJECTED.name)
    assert late.raw.map(lambda raw: b'.0"' in raw).sum() > 5
    assert not late.id.dropna().str.endswith(".0").any()


def test_suites_and_batch_read_the_same_ids(inputs: Inputs) -> None:
    outcomes = [one for suite in validate([*subjects(inputs), *recomputed(inputs)]) for one in suite.outcomes]
    assert len(outcomes) > 50
    assert [one for one in outcomes if one.severity == CRITICAL and not one.success] == []


def test_training_and_check_read_the_same_ids(plain: Path, written: Path) -> None:
    check(PIPELINE.name, written, needs_history=True)
    found, expected = examples(written), examples(plain)
    assert found.has_both
    assert found.rows.equals(expected.rows)
