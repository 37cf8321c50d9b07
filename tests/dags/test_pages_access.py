"""Each route of the plugin's app asks Airflow who may open it."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

DAG, DENIED = "card_fraud", "clickstream_anomaly"
OF_A_DAG = {
    "/dags/{dag_id}/now/{run_id}",
    "/dags/{dag_id}/runs/{run_id}",
    "/dags/{dag_id}",
    "/dags/{dag_id}/compare",
    "/dags/{dag_id}/runs/{run_id}/{name:path}",
    "/dags/{dag_id}/streams/{stream_id}",
    "/dags/{dag_id}/streams/{stream_id}/stop",
    "/dags/{dag_id}/tables/{run_id}/{name}",
    "/dags/{dag_id}/tables/{run_id}/{name}/csv",
}
OF_ALL = {"/streams", "/streams/now"}


def asked(dependant: Dependant) -> Iterator[Any]:
    """All that is asked before a route's function is called."""
    for one in dependant.dependencies:
        yield one.call
        yield from asked(one)


def address(route: str, dag: str) -> str:
    names = {"dag_id": dag, "run_id": "r", "stream_id": "s", "name": "rejected"}
    return "/streamweir" + route.replace("{name:path}", "report.html").format(**names)


def test_each_route_has_a_check_of_airflows_and_is_named_here() -> None:
    from streamweir_airflow.pages.access import CHECKS
    from streamweir_airflow.pages.app import app

    assert {route.path for route in app.routes if isinstance(route, APIRoute)} == OF_A_DAG | OF_ALL
    for route in app.routes:
        assert isinstance(route, APIRoute), f"{route} is no route that can ask"
        assert set(CHECKS) & set(asked(route.dependant)), f"{route.path} asks nobody"


def test_each_route_that_changes_something_asks_for_more() -> None:
    from streamweir_airflow.pages.access import may_change_runs, same_origin
    from streamweir_airflow.pages.app import app

    changing = [route for route in app.routes if isinstance(route, APIRoute) and route.methods != {"GET"}]
    assert [route.path for route in changing] == ["/dags/{dag_id}/streams/{stream_id}/stop"]
    for route in changing:
        assert {may_change_runs, same_origin} <= set(asked(route.dependant)), route.path


@pytest.mark.parametrize("route", sorted(OF_A_DAG | OF_ALL))
def test_without_a_session_nothing_is_shown(stranger: TestClient, route: str) -> None:
    for dag in (DAG, DENIED, "nothing"):
        assert stranger.get(address(route, dag)).status_code == 401


@pytest.mark.parametrize("route", sorted(OF_A_DAG))
def test_a_dag_that_is_denied_is_not_shown(client: TestClient, route: str) -> None:
    for dag in (DENIED, f"{DENIED}_train"):
        assert client.get(address(route, dag)).status_code == 403


@pytest.mark.parametrize("route", sorted(OF_ALL))
def test_who_may_see_no_dag_sees_no_list(
    client: TestClient, manager: Any, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    assert client.get(address(route, DAG)).status_code == 200
    monkeypatch.setattr(manager, "is_authorized_dag", lambda **_: False)
    assert client.get(address(route, DAG)).status_code == 403
