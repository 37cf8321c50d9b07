"""Airflow's REST API, as far as the demo needs it."""

from dataclasses import dataclass
from typing import Any

import httpx

from streamweir.errors import BadConfiguration, DependencyUnreachable, StackError

_TIMEOUT_S = 30


@dataclass(frozen=True)
class TaskState:
    """A task of a run as the demo shows it. seconds: how long it has run, deferred time included."""

    task: str
    state: str
    seconds: float | None
    tries: int


class AirflowApi:
    """A logged-in client; raises DependencyUnreachable, and BadConfiguration for what Airflow refuses."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._login = {"username": user, "password": password}
        self._client = httpx.Client(timeout=_TIMEOUT_S)
        self._token = ""

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def trigger(self, dag: str, run: str, params: dict[str, Any]) -> None:
        """Start a run of a DAG, which is unpaused if need be."""
        self._call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
        body = {"dag_run_id": run, "logical_date": None, "conf": params}
        self._call("POST", f"/api/v2/dags/{dag}/dagRuns", body)

    def run_state(self, dag: str, run: str) -> str:
        """queued, running, success or failed."""
        state: str = self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
        return state

    def tasks(self, dag: str, run: str) -> list[TaskState]:
        """The run's tasks by the time at which they began, those that have not begun last."""
        found = self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        found.sort(key=lambda task: (task["start_date"] is None, task["start_date"] or ""))
        return [
            TaskState(task["task_id"], task["state"] or "waiting", task["duration"], task["try_number"])
            for task in found
        ]

    def run_page(self, dag: str, run: str) -> str:
        """The run's page in the UI."""
        return f"{self._url}/dags/{dag}/runs/{run}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self._send(method, path, body)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = self._new_token()
            response = self._send(method, path, body)
        if response.is_server_error:
            raise DependencyUnreachable(
                f"Airflow at {self._url} answered {response.status_code} to {method} {path}"
            )
        if response.is_error:
            raise BadConfiguration(f"Airflow refused {method} {path}: {_detail(response)}")
        answer: dict[str, Any] = response.json()
        return answer

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._client.request(method, f"{self._url}{path}", json=body, headers=headers)
        except httpx.TransportError as error:
            raise DependencyUnreachable(
                f"Airflow at {self._url} does not answer ({type(error).__name__}): see `make status`"
            ) from error

    def _new_token(self) -> str:
        response = self._send("POST", "/auth/token", self._login)
        if response.is_error:
            raise StackError(
                f"Airflow at {self._url} did not accept the generated password: {_detail(response)}"
            )
        token: str = response.json()["access_token"]
        return token


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json().get("detail", response.text))
    except ValueError:
        return response.text[:200]
