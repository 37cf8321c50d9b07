"""Names that other readers take for nothing are names, in the stream and in all that checks it."""

import csv
import shutil
from itertools import cycle
from pathlib import Path

import pytest

from streamweir_quality.checks import CRITICAL, WARNING
from streamweir_quality.ecommerce_fraud import subjects
from streamweir_quality.inputs import Inputs
from streamweir_quality.runner import Outcome, validate
from tests.unit.quality.made_up_inputs import made_up_inputs, recomputed

NAMES = ("NA", "null", "None", "nan", "NaN", "N/A", " ", "")
COLUMNS = {
    "product.csv": ("productDisplayName", "baseColour", "season", "usage"),
    "category.csv": ("cat_level1", "cat_level2", "cat_level3"),
    "customer.csv": ("first_name", "last_name", "email", "gender"),
}


@pytest.fixture(scope="module")
def inputs(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A run in whose dataset nobody and nothing has another name."""
    folder = tmp_path_factory.mktemp("names") / "dataset"
    shutil.copytree(dataset_folder, folder)
    for file, columns in COLUMNS.items():
        with (folder / file).open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        for row, name in zip(rows, cycle(NAMES), strict=False):
            row |= dict.fromkeys(columns, name)
        with (folder / file).open("w", encoding="utf-8-sig", newline="") as opened:
            out = csv.DictWriter(opened, rows[0])
            out.writeheader()
            out.writerows(rows)
    return made_up_inputs(folder)


@pytest.fixture(scope="module")
def failed(inputs: Inputs) -> list[Outcome]:
    validated = validate([*subjects(inputs), *recomputed(inputs)])
    outcomes = [one for suite in validated for one in suite.outcomes]
    assert len(outcomes) > 50
    return [one for one in outcomes if not one.success]


def test_the_tables_hold_the_names_as_the_files_have_them(inputs: Inputs) -> None:
    assert set(inputs.frame("top_products")["name"]) == set(NAMES)
    assert set(inputs.frame("predictions")["gender"]) == set(NAMES)
    # Products whose category has an empty name belong to none.
    assert set(inputs.frame("top_categories")["category"]) == {None, *NAMES} - {""}


def test_no_critical_expectation_takes_a_name_for_nothing(failed: list[Outcome]) -> None:
    assert [one for one in failed if one.severity == CRITICAL] == []


def test_a_person_is_warned_that_many_names_are_not_given(failed: list[Outcome]) -> None:
    warned = {(one.table, one.column) for one in failed if one.severity == WARNING}
    assert {(file, name) for file, names in COLUMNS.items() for name in names} <= warned
