"""Airflow as drills and tests of whole runs need it: patient while its servers are away."""

from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from infra.demo.airflow_api import AirflowApi
from streamweir.errors import DependencyUnreachable, StackError

_PATIENCE_S = 120


class Airflow(AirflowApi):
    """The demo's client, with processes and clearing; every call waits for servers that come back."""

    def pid(self, dag: str, run: str, task: str) -> int | None:
        """The process of a task while it runs."""
        found = self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}")
        return found["pid"] if found["state"] == "running" else None

    def clear_failed(self, dag: str, run: str) -> list[str]:
        """Clear the run's failed tasks, as a person would; returns their names."""
        body = {"dry_run": False, "dag_run_id": run, "only_failed": True}
        found = self._call("POST", f"/api/v2/dags/{dag}/clearTaskInstances", body)
        return sorted(item["task_id"] for item in found["task_instances"])

    def clear(self, dag: str, run: str, tasks: list[str]) -> None:
        """Clear these tasks of the run and what is downstream, as a person would."""
        body = {"dry_run": False, "dag_run_id": run, "only_failed": False}
        asked = {"task_ids": tasks, "include_downstream": True}
        self._call("POST", f"/api/v2/dags/{dag}/clearTaskInstances", body | asked)

    def log(self, dag: str, run: str, task: str, number: int) -> list[dict[str, Any]]:
        """The lines that a try of a task has logged."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{number}"
        lines: list[dict[str, Any]] = self._call("GET", path)["content"]
        return lines

    def give_up(self, dag: str, run: str) -> None:
        """End the run as failed, so that the next one need not queue behind it."""
        self._call("PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}", {"state": "failed"})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        patient = Retrying(
            retry=retry_if_exception_type((DependencyUnreachable, StackError)),
            stop=stop_after_delay(_PATIENCE_S),
            wait=wait_fixed(0.5),
            reraise=True,
        )
        return patient(super()._call, method, path, body)
