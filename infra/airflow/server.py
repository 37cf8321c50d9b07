"""Airflow's four services, and whether they are ready."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import psycopg2
import urllib3

from infra import postgres
from infra.airflow.config import airflow_env, passwords_file
from infra.layout import Layout, write_private
from infra.postgres import connect
from infra.secrets import Secrets
from infra.service import Service
from streamweir.errors import StackError
from streamweir.settings import Settings

_AIRFLOW = (sys.executable, "-m", "airflow")
# What an earlier dag-processor read says nothing about the files and packages of today.
_SINCE = "(SELECT max(start_date) FROM job WHERE job_type = 'DagProcessorJob')"
_ERRORS = f"SELECT filename, stacktrace FROM import_error WHERE timestamp > {_SINCE}"  # noqa: S608
_READ = f"SELECT DISTINCT relative_fileloc FROM dag WHERE NOT is_stale AND last_parsed_time > {_SINCE}"  # noqa: S608


def services(
    settings: Settings, layout: Layout, secrets: Secrets, common: Mapping[str, str]
) -> tuple[Service, ...]:
    """The four services; they start at the same time, and all report their health through the api-server."""
    env = airflow_env(settings, layout, secrets)
    migration = _Migration(layout, secrets, {**common, **env})
    url = settings.airflow_url
    dags = Path(env["AIRFLOW__CORE__DAGS_FOLDER"])

    def make(name: str, argv: tuple[str, ...], ready: Callable[[], str | None], **ports: int) -> Service:
        return Service(
            name=f"airflow-{name}",
            argv=(*_AIRFLOW, *argv),
            env=env,
            ready=ready,
            prepare=migration.run,
            ports=ports,
            needs=(postgres.NAME,),
            # The api-server keeps no state and may not end by itself; tasks that still run are cut off.
            stop_seconds=8,
        )

    def healthy(component: str) -> Callable[[], str | None]:
        return lambda: missing_component(url, component)

    def api_answers() -> str | None:
        return missing_component(url, "metadatabase") or missing_task_api(url)

    def dags_are_read() -> str | None:
        return missing_component(url, "dag_processor") or missing_dags(layout, dags)

    port = {settings.variable("airflow_port"): settings.airflow_port}
    api = ("api-server", "--host", "127.0.0.1", "--port", str(settings.airflow_port), "--workers", "1")
    # Logs are read from the shared folder; log servers of their own would listen on all addresses.
    no_server = "--skip-serve-logs"
    return (
        make("api", api, api_answers, **port),
        make("scheduler", ("scheduler", no_server), healthy("scheduler")),
        make("triggerer", ("triggerer", no_server), healthy("triggerer")),
        make("dag-processor", ("dag-processor",), dags_are_read),
    )


@dataclass
class _Migration:
    """Makes or migrates the database once, whichever service comes first, and writes the password file."""

    layout: Layout
    secrets: Secrets
    env: Mapping[str, str]
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Raises StackError that names the log when it fails."""
        with self._guard:
            passwords = {self.secrets.airflow_admin_user: self.secrets.airflow_admin_password}
            write_private(passwords_file(self.layout), json.dumps(passwords))
            stamp = self.layout.data("airflow") / "migrated"
            wanted = version("apache-airflow-core")
            if stamp.exists() and stamp.read_text() == wanted:
                return
            self._migrate()
            stamp.write_text(wanted)

    def _migrate(self) -> None:
        log = self.layout.log("airflow-db")
        with log.open("w") as file:
            argv = [*_AIRFLOW, "db", "migrate"]
            done = subprocess.run(
                argv, env=dict(self.env), stdout=file, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode:
            raise StackError(f"Airflow's database could not be migrated: see {log}")


def missing_component(url: str, component: str) -> str | None:
    """None when the health endpoint calls the component healthy, else what it says."""
    try:
        answer = urllib3.request("GET", f"{url}/api/v2/monitor/health", timeout=5, retries=False)
        said = answer.json().get(component) or {}
    except (urllib3.exceptions.HTTPError, ValueError):
        return "the api-server does not answer"
    status = said.get("status")
    return None if status == "healthy" else f"its health is {status or 'unknown'}"


def missing_task_api(url: str) -> str | None:
    """None when the API that tasks talk to answers; its first request takes seconds, so it is made here."""
    try:
        answer = urllib3.request("GET", f"{url}/execution/health", timeout=60, retries=False)
    except urllib3.exceptions.HTTPError:
        return "the API for tasks does not answer"
    return None if answer.status == 200 else f"the API for tasks says {answer.status}"


def missing_dags(layout: Layout, folder: Path) -> str | None:
    """None when every DAG file was read, else which one was not; raises StackError for one that cannot be."""
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    try:
        with closing(connect(layout)) as connection, connection.cursor() as cursor:
            cursor.execute(_ERRORS)
            errors = dict(cursor.fetchall())
            cursor.execute(_READ)
            read = {name for (name,) in cursor.fetchall()}
    except psycopg2.Error:
        return "its database does not answer"
    broken = sorted(files & set(errors))
    if broken:
        reason = errors[broken[0]].strip().rpartition("\n")[2]
        raise StackError(f"Airflow cannot read dags/{broken[0]}: {reason}")
    unread = sorted(files - read)
    return f"dags/{unread[0]} was not read yet" if unread else None
