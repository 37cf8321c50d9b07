"""The Airflow of the test stack, a run of it, and an eye on all that its runs start."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from infra.stack import Stack
from streamweir.contracts.runs import Run
from tests.drills.airflow import Airflow
from tests.support.dag_runs import finished_run
from tests.support.hostile_dataset import START_TS, hostile_dataset
from tests.support.stack_watch import Seen, watched


@pytest.fixture(scope="session")
def seen(stack: Stack) -> Iterator[Seen]:
    """What the stack shows while the DAGs run."""
    with watched(stack) as found:
        yield found


@pytest.fixture(scope="session")
def airflow(stack: Stack, seen: Seen) -> Iterator[Airflow]:
    """The test stack's Airflow, as its admin."""
    user, password = stack.secrets.airflow_admin_user, stack.secrets.airflow_admin_password
    with closing(Airflow(stack.settings.airflow_url, user, password)) as api:
        yield api


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of CSVs, some of whose rows cannot be scored."""
    return hostile_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def run(airflow: Airflow, dataset: Path) -> Run:
    """A finished run of `ecommerce_fraud` on it."""
    return finished_run(
        airflow, "ecommerce_fraud", {"dataset": str(dataset), "start_ts": START_TS, "speed": 0, "seed": 1}
    )
