"""Whether Airflow is ready: what its health endpoint says, and which DAG files it has read."""

from contextlib import closing
from pathlib import Path

import psycopg2
import urllib3

from infra.layout import Layout
from infra.postgres.server import connect
from streamweir.errors import StackError

# What an earlier dag-processor read says nothing about the files and packages of today.
_SINCE = "(SELECT max(start_date) FROM job WHERE job_type = 'DagProcessorJob')"
_ERRORS = f"SELECT filename, stacktrace FROM import_error WHERE timestamp > {_SINCE}"  # noqa: S608
_READ = f"SELECT DISTINCT relative_fileloc FROM dag WHERE NOT is_stale AND last_parsed_time > {_SINCE}"  # noqa: S608


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
