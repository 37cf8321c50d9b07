"""What is deleted of Airflow's own records and logs."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException

from streamweir_airflow.hooks import DatabaseHook
from streamweir_airflow.operators.cleaning import CleanDatabase, CleanLogs
from streamweir_airflow.processes import Child

DAYS = 30
CONTEXT: Any = {"params": {"days": DAYS}}
URL = "postgresql+psycopg2://postgres@/airflow?host=/somewhere"


def connected(monkeypatch: pytest.MonkeyPatch, extra: dict[str, str]) -> None:
    found = Connection(conn_id="airflow_db", conn_type="generic", extra=json.dumps(extra))
    monkeypatch.setattr(DatabaseHook, "get_connection", lambda self, conn_id: found)


def test_the_database_is_cleaned_by_airflows_own_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.cli.cli_parser import get_parser

    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(Child, "run", lambda self, argv, env: started.append((argv, env)))
    connected(monkeypatch, {"sql_alchemy_conn": URL})
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    CleanDatabase(task_id="clean_database").execute(CONTEXT)
    ((argv, env),) = started
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == URL
    assert env["AIRFLOW_HOME"] == os.environ["AIRFLOW_HOME"]
    assert URL not in argv
    asked = get_parser().parse_args(argv[argv.index("airflow") + 1 :])
    age = datetime.now(UTC) - asked.clean_before_timestamp
    assert timedelta(days=DAYS) <= age < timedelta(days=DAYS, minutes=5)
    assert (asked.yes, asked.skip_archive, asked.error_on_cleanup_failure) == (True, True, True)
    assert (asked.tables, asked.dry_run) == (None, False)


def test_a_connection_that_does_not_say_where_the_database_is_fails_the_task_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected(monkeypatch, {})
    with pytest.raises(AirflowFailException, match="airflow_db needs `sql_alchemy_conn`"):
        CleanDatabase(task_id="clean_database").execute(CONTEXT)


def test_logs_that_nobody_wrote_to_for_long_are_deleted_with_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    for name, age in {
        "dag_id=a/run_id=1/task_id=x/attempt=1.log": timedelta(days=31),
        "dag_id=a/run_id=2/task_id=x/attempt=1.log": timedelta(days=31),
        "dag_id=a/run_id=2/task_id=x/attempt=2.log": timedelta(days=29),
        "dag_id=b/run_id=1/task_id=x/attempt=1.log": timedelta(days=31),
        "scheduler.log": timedelta(days=31),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a line\n")
        os.utime(path, times=((now - age).timestamp(),) * 2)
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    assert CleanLogs(task_id="clean_logs").execute(CONTEXT) == 4
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    kept = "dag_id=a/run_id=2/task_id=x/attempt=2.log"
    assert left == {kept, *(parent.as_posix() for parent in Path(kept).parents[:-1]), "dag_id=b"}
