"""The DAGs of this checkout, in an Airflow of their own."""

from typing import TYPE_CHECKING

import pytest

from tests.support import airflow_home
from tests.support.memory_store import MemoryStore

if TYPE_CHECKING:
    from airflow.sdk import DAG

airflow_home.use()


@pytest.fixture(scope="session")
def dags() -> "dict[str, DAG]":
    """The DAGs of this checkout; a file that cannot be read fails every test."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=airflow_home.CHECKOUT / "dags")
    assert not bag.import_errors, bag.import_errors
    return dict(bag.dags)


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's own database, made once: it takes a quarter of a minute."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """The object store of all tasks, in memory; Airflow's pages are at `here`."""
    store = MemoryStore()
    monkeypatch.setattr("streamweir_airflow.hooks.StoreHook.store", store)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://here:8080")
    return store
