"""The stack that the tests run on: what it listens on, what it shows, what its accounts may do."""

import os
import uuid

import httpx
import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from rich.console import Console

from infra import processes
from infra.stack import Stack
from infra.starting import Board
from streamweir.connections import StoreConnection
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, StackError
from streamweir.objectstore import ObjectStore
from streamweir.settings import Settings
from tests.support.stack_watch import listening, processes_of, secrets_of

SERVICES = {
    "kafka", "minio", "postgres",
    "airflow-api", "airflow-scheduler", "airflow-triggerer", "airflow-dag-processor",
}  # fmt: skip


def test_every_service_is_up_and_takes_memory(stack: Stack) -> None:
    status = {line.name: line for line in stack.status()}
    assert set(status) >= SERVICES
    assert all(status[name].is_up and status[name].memory > 2**20 and status[name].since for name in SERVICES)
    used = processes.measure(stack.settings.var)
    assert set(used) >= {*SERVICES, processes.SUPERVISOR}
    assert sum(used.values()) < processes.LIMIT_BYTES / 2


def test_it_listens_on_the_loopback_only(stack: Stack) -> None:
    found, settings = listening(processes_of(stack)), stack.settings
    expected = {settings.kafka_port, settings.minio_port, settings.airflow_port}
    assert {port for _, port in found} >= expected
    assert [place for place in found if not place[0].is_loopback] == []


def test_no_secret_is_in_a_command_line(stack: Stack) -> None:
    lines = [" ".join(process.cmdline()) for process in processes_of(stack)]
    assert len(lines) > len(SERVICES)
    shown = [line for line in lines for secret in secrets_of(stack) if secret in line]
    assert not shown


def test_no_secret_is_in_a_log(stack: Stack) -> None:
    folders = (stack.layout.logs, stack.layout.data("airflow") / "logs")
    logs = [path for folder in folders for path in folder.rglob("*.log*") if path.is_file()]
    logs.append(stack.layout.supervisor / "supervisord.log")
    texts = {path.name: path.read_text(errors="replace") for path in logs}
    assert any(texts.values())
    assert not [name for name, text in texts.items() for secret in secrets_of(stack) if secret in text]


def test_what_holds_secrets_is_private(stack: Stack) -> None:
    private = [stack.layout.secrets, stack.layout.env, *stack.layout.supervisor.glob("*.json")]
    private += [stack.layout.data("airflow") / "passwords.json", stack.layout.data("minio")]
    assert len(private) > len(SERVICES)
    assert {path.stat().st_mode & 0o077 for path in private} == {0}


def test_up_again_starts_nothing(stack: Stack) -> None:
    before = {item.name: item.pid for item in stack.supervisor.states().values()}
    assert stack.up(Board(Console())) is False
    assert {item.name: item.pid for item in stack.supervisor.states().values()} == before


def test_a_running_stack_does_not_change_its_settings(stack: Stack) -> None:
    changed = {**stack.settings.model_dump(), "kafka_port": stack.settings.kafka_port + 1}
    with pytest.raises(StackError, match="STREAMWEIR_KAFKA_PORT"):
        Stack(Settings.load(**changed)).up(Board(Console()))


def test_airflow_lets_nobody_in_without_the_password(stack: Stack) -> None:
    url = stack.settings.airflow_url
    wrong = {"username": stack.secrets.airflow_admin_user, "password": "admin"}
    assert httpx.post(f"{url}/auth/token", json=wrong).status_code == 401
    assert httpx.get(f"{url}/api/v2/dags").status_code == 401
    right = {**wrong, "password": stack.secrets.airflow_admin_password}
    token = httpx.post(f"{url}/auth/token", json=right).json()["access_token"]
    answer = httpx.get(f"{url}/api/v2/dags", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["total_entries"] > 0


@pytest.fixture
def scorer(scorer_store_connection: StoreConnection) -> ObjectStore:
    return ObjectStore(scorer_store_connection)


@pytest.fixture
def name() -> str:
    return f"tests/{uuid.uuid4().hex}"


def test_the_scorer_writes_streams(scorer: ObjectStore, name: str) -> None:
    key = ObjectKey("streams", name)
    scorer.put(key, b"status")
    assert scorer.get(key) == b"status"
    assert scorer.list(ObjectKey("streams", "tests"))
    scorer.delete(key)
    assert scorer.get(key) is None


@pytest.mark.parametrize("bucket", ["datasets", "models"])
def test_the_scorer_only_reads_its_inputs(
    scorer: ObjectStore, store: ObjectStore, name: str, bucket: str
) -> None:
    key = ObjectKey(bucket, name)
    store.put(key, b"input")
    assert scorer.get(key) == b"input"
    for refused in (lambda: scorer.put(key, b"other"), lambda: scorer.delete(key)):
        with pytest.raises(BadConfiguration, match="AccessDenied"):
            refused()
    assert store.get(key) == b"input"
    store.delete(key)


def test_the_scorer_sees_no_other_bucket(
    stack: Stack, scorer: ObjectStore, store: ObjectStore, name: str
) -> None:
    key = ObjectKey("runs", name)
    store.put(key, b"report")
    for refused in (lambda: scorer.get(key), lambda: scorer.put(key, b""), lambda: scorer.list(key)):
        with pytest.raises(BadConfiguration, match="AccessDenied"):
            refused()
    store.delete(key)


def test_the_scorer_neither_makes_buckets_nor_accounts(
    scorer_store_connection: StoreConnection, store_connection: StoreConnection
) -> None:
    for account in (scorer_store_connection, store_connection):
        keys = StaticProvider(account.access_key, account.secret_key)
        client = Minio(account.endpoint, credentials=keys, secure=False, region=account.region)
        with pytest.raises(S3Error, match="AccessDenied"):
            client.make_bucket(f"{account.bucket_prefix}another")
        admin = MinioAdmin(endpoint=account.endpoint, credentials=keys, secure=False, region=account.region)
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            admin.user_list()


def test_the_shell_environment_reaches_the_stack(stack: Stack) -> None:
    text = stack.layout.env.read_text()
    assert f"export STREAMWEIR_STORE_ENDPOINT=127.0.0.1:{stack.settings.minio_port}\n" in text
    assert "STREAMWEIR_STACK=" not in text
    assert os.fspath(stack.settings.var) in text
