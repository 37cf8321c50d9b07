"""Airflow with a home of its own: a database in a temporary folder, this checkout's DAGs and plugins."""

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
_HOME = tempfile.mkdtemp(prefix="streamweir-airflow-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
_NOWHERE = {
    "conn_type": "aws",
    "host": "127.0.0.1",
    "port": 1,
    "login": "nobody",
    "password": "nothing",
    "extra": {"secure": False},
}
# Airflow reads its configuration when it is first imported.
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME,
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_MINIO_DEFAULT": json.dumps(_NOWHERE),
    }
)
for name in [
    name for name in os.environ if name.startswith(("STREAMWEIR_SCHEDULE_", "STREAMWEIR_RETENTION_"))
]:
    del os.environ[name]


@pytest.fixture(scope="session")
def dags() -> "dict[str, DAG]":  # noqa: F821 - Airflow is imported only once its environment is set
    """The DAGs of this checkout; a file that cannot be read fails every test."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=CHECKOUT / "dags")
    assert not bag.import_errors, bag.import_errors
    return dict(bag.dags)
