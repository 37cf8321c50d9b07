"""A made-up run that the suites find nothing wrong with; made once, changed by the tests."""

from pathlib import Path

import pytest

from streamweir_quality.inputs import Inputs
from tests.unit.quality.made_up_inputs import made_up_dataset, made_up_inputs


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def inputs(dataset_folder: Path) -> Inputs:
    return made_up_inputs(dataset_folder)
