"""After whole runs: secrets were not seen, all listened on the loopback, data stayed text in pages."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2.sql
import pyarrow.parquet as pq
import pytest

from infra.demo.airflow_api import AirflowApi
from infra.postgres import connect
from infra.stack import Stack
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from tests.support.dag_runs import signed_in, table
from tests.support.hostile_dataset import SCRIPT
from tests.support.stack_watch import Seen, secrets_of

DRIVER = "org.apache.spark.deploy.SparkSubmit"
QUALITY = "streamweir_quality"


@pytest.fixture(scope="module")
def secrets(stack: Stack) -> list[bytes]:
    return [secret.encode() for secret in secrets_of(stack)]


def holding(secrets: list[bytes], texts: Iterator[tuple[str, bytes]]) -> list[str]:
    """The names of the texts that hold a secret; there must be texts."""
    read = 0
    found = []
    for name, text in texts:
        read += len(text)
        found += [name for secret in secrets if secret in text]
    assert read > 10_000
    return found


def test_what_a_run_starts_listens_on_the_loopback_only(run: Run, seen: Seen) -> None:
    assert any(DRIVER in line for line in seen.lines)
    # The driver has ports of its own beside those of the servers.
    assert len(seen.addresses) > 10
    assert [place for place in seen.addresses if not place[0].is_loopback] == []


def test_no_command_line_shows_a_secret(run: Run, seen: Seen, secrets: list[bytes]) -> None:
    assert any(QUALITY in line for line in seen.lines)
    assert holding(secrets, ((line, line.encode()) for line in seen.lines)) == []


def test_files_with_secrets_are_private_and_no_log_is_among_them(
    run: Run, stack: Stack, secrets: list[bytes]
) -> None:
    var = stack.settings.var
    files = ((str(path), path.read_bytes()) for path in var.rglob("*") if path.is_file())
    found = {Path(name) for name in holding(secrets, files)}
    assert stack.layout.secrets in found
    assert [path for path in found if not is_private(path, var)] == []
    written = (stack.layout.logs, stack.layout.work, stack.layout.data("airflow") / "logs")
    assert [path for path in found if any(path.is_relative_to(folder) for folder in written)] == []


def is_private(path: Path, var: Path) -> bool:
    """Whether only its owner can read a file: it, or a folder that it lies in, lets nobody else in."""
    return any(not part.stat().st_mode & 0o077 for part in (path, *path.parents) if part.is_relative_to(var))


def test_no_object_of_the_run_or_its_model_holds_a_secret(
    run: Run, store: ObjectStore, secrets: list[bytes]
) -> None:
    places = (run.bundle, run.stream.root, ModelKeys(run.stream.pipeline).root)
    keys = [key for place in places for key in store.list(place)]
    assert {key.bucket for key in keys} == {"runs", "streams", "models"}
    texts = ((str(key), text) for key in keys for text in unpacked(key.key, store.get(key) or b""))
    assert holding(secrets, texts) == []


def unpacked(name: str, data: bytes) -> Iterator[bytes]:
    """An object as text: what is compressed hides what it holds."""
    yield data
    if name.endswith(".parquet"):
        yield repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
    elif name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(member) for member in archive.namelist())


def test_no_row_of_the_metadata_database_holds_a_secret(run: Run, stack: Stack, secrets: list[bytes]) -> None:
    in_hexadecimal = [secret.hex().encode() for secret in secrets]
    assert holding(secrets + in_hexadecimal, rows_of_the_database(stack)) == []


def rows_of_the_database(stack: Stack) -> Iterator[tuple[str, bytes]]:
    with closing(connect(stack.layout)) as connection, connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        assert {"dag_run", "xcom", "rendered_task_instance_fields", "connection"} <= set(tables)
        for name in tables:
            cursor.execute(psycopg2.sql.SQL("select t::text from {} t").format(psycopg2.sql.Identifier(name)))
            yield from ((name, row.encode()) for (row,) in cursor.fetchall())


def test_airflow_answers_no_question_with_a_secret(
    run: Run, airflow: AirflowApi, stack: Stack, secrets: list[bytes]
) -> None:
    answers = list(answers_about(run, airflow, stack))
    paths = [path for path, _ in answers]
    assert sum("/xcomEntries/" in path for path in paths) > 5
    assert sum("/logs/" in path for path in paths) > 10
    assert holding(secrets, iter(answers)) == []


def answers_about(run: Run, airflow: AirflowApi, stack: Stack) -> Iterator[tuple[str, bytes]]:
    """What Airflow's API, which the UI is made of, says of a run to its admin."""
    of_run = f"/dags/{run.stream.pipeline}/dagRuns/{run.id}"
    paths = ["/connections", "/variables", "/config", "/eventLogs"]
    paths += [f"/dags/{run.stream.pipeline}/details", of_run]
    with signed_in(stack) as client:
        for task in airflow.tasks(run.stream.pipeline, run.id):
            of_task = f"{of_run}/taskInstances/{task.task}"
            entries = client.get(f"/api/v2{of_task}/xcomEntries").json()["xcom_entries"]
            paths += [of_task, *(f"{of_task}/xcomEntries/{entry['key']}" for entry in entries)]
            paths += [f"{of_task}/logs/{number}" for number in range(1, task.tries + 1)]
        for path in paths:
            answer = client.get(f"/api/v2{path}")
            # The configuration is shown to nobody.
            assert answer.is_success or path == "/config", (path, answer.text)
            yield path, answer.content


def test_texts_of_the_data_are_no_part_of_a_pages_code(run: Run, store: ObjectStore) -> None:
    keys = [key for key in store.list(run.bundle) if key.key.endswith(".html")]
    pages = {str(key): (store.get(key) or b"").decode() for key in keys}
    assert len(pages) > 10
    begun = SCRIPT.partition("{")[0]
    assert [name for name, page in pages.items() if begun in page] == []
    report = pages[str(run.report)]
    assert report.count("&lt;script&gt;alert(") > 10
    assert table(store, run, "rejected").detail.str.contains(begun, regex=False).any()
