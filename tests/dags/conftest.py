"""The DAGs of this checkout, in an Airflow of their own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.support import airflow_home
from tests.support.memory_store import MemoryStore

if TYPE_CHECKING:
    from airflow.sdk import DAG

airflow_home.use()
DENIED = "clickstream_anomaly"
"""The DAG that nobody may see, by the auth manager of these tests."""


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


@pytest.fixture(scope="session")
def manager(database: None) -> Iterator[Any]:
    """An auth manager that denies one DAG to everybody; Airflow's simple one knows roles only."""
    from airflow.api_fastapi.app import _AuthManagerState
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    class DeniesOne(SimpleAuthManager):
        def is_authorized_dag(self, *, method, user, access_entity=None, details=None) -> bool:
            asked = details is not None and details.id
            return bool(
                asked
                and asked != DENIED
                and super().is_authorized_dag(
                    method=method, user=user, access_entity=access_entity, details=details
                )
            )

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "s" * 64)
        patch.setattr(_AuthManagerState, "instance", DeniesOne())
        yield _AuthManagerState.instance


@pytest.fixture
def stranger(manager: Any, store: MemoryStore) -> TestClient:
    """Somebody without a session, at the app where the plugin has Airflow mount it."""
    from streamweir_airflow.plugin import StreamweirPlugin

    (mounted,) = StreamweirPlugin().fastapi_apps
    airflow = FastAPI()
    airflow.mount(mounted["url_prefix"], mounted["app"])
    return TestClient(airflow)


@pytest.fixture
def client(stranger: TestClient, manager: Any) -> Iterator[TestClient]:
    """Somebody who is signed in and may look at DAGs."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = manager.generate_jwt(SimpleAuthManagerUser(username="viewer", role="viewer"))
    stranger.cookies.set("_token", token)
    return stranger
