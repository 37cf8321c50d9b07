"""The parts of the stack that need no server: settings, secrets, ports, environments, configuration."""

import json
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from dotenv import dotenv_values

from infra import environment, processes
from infra.airflow.config import airflow_env
from infra.layout import Layout, write_private
from infra.minio import policies
from infra.ports import accepts, check_free, free_ports
from infra.running import RunningSettings
from infra.secrets import Secrets
from infra.supervisor import launch
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.errors import BadConfiguration, StackError
from streamweir.settings import Settings
from streamweir.variables import STACK, STAGE

TOOLS = {
    name: Path(f"/tools/{name}")
    for name in ("java_home", "minio", "kafka_jars", "spark_jars", "spark_classes")
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(var=tmp_path / "var")


@pytest.fixture
def layout(settings: Settings) -> Layout:
    made = Layout(settings.var)
    made.make()
    return made


@pytest.fixture
def secrets(layout: Layout) -> Secrets:
    return Secrets.load_or_generate(layout.secrets)


def test_a_setting_comes_from_the_environment_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.env").write_text(
        "STREAMWEIR_KAFKA_PORT=1111\nSTREAMWEIR_MINIO_PORT=2222\nSTREAMWEIR_SCHEDULE_X='0 6 * * *'\nOTHER=1\n"
    )
    monkeypatch.setenv("STREAMWEIR_KAFKA_PORT", "3333")
    found = Settings.load(var=tmp_path)
    assert (found.kafka_port, found.minio_port) == (3333, 2222)
    assert found.environment()["STREAMWEIR_SCHEDULE_X"] == "0 6 * * *"
    assert "OTHER" not in found.environment()


def test_a_wrong_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWEIR_AIRFLOW_PORT", "99999")
    with pytest.raises(BadConfiguration, match="STREAMWEIR_AIRFLOW_PORT"):
        Settings.load(var=tmp_path)


def test_secrets_are_generated_once_private_and_never_shown(layout: Layout) -> None:
    first = Secrets.load_or_generate(layout.secrets)
    assert layout.secrets.stat().st_mode & 0o777 == 0o600
    assert Secrets.load_or_generate(layout.secrets) == first
    assert repr(first) == "Secrets()"
    values = list(vars(first).values())
    assert len(set(values)) == len(values)
    assert all(len(value) >= 40 for name, value in vars(first).items() if not name.endswith("_user"))


def test_a_damaged_secrets_file_is_named(layout: Layout, secrets: Secrets) -> None:
    text = layout.secrets.read_text()
    write_private(layout.secrets, re.sub(r"(?m)^AIRFLOW_JWT_SECRET=.*\n", "", text))
    with pytest.raises(StackError, match=r"secrets\.env lacks AIRFLOW_JWT_SECRET"):
        Secrets.load(layout.secrets)
    with pytest.raises(StackError, match="run `make up`"):
        Secrets.load(layout.var / "other.env")


def test_a_port_in_use_is_named_with_its_setting() -> None:
    [free] = free_ports(1)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        used = int(server.getsockname()[1])
        assert accepts(used)
        with pytest.raises(
            StackError, match=rf"port {used} is in use by process \d+ .*set B to another port"
        ):
            check_free({"A": free, "B": used})
    assert not accepts(free)
    check_free({"A": free, "B": used})
    with pytest.raises(StackError, match=r"two settings \(A and B\)"):
        check_free({"A": free, "B": free})


def test_the_shell_environment_gives_the_connections_back(
    settings: Settings, layout: Layout, secrets: Secrets
) -> None:
    environment.write_shell(layout.env, environment.shell(settings, layout, TOOLS, secrets))
    assert layout.env.stat().st_mode & 0o777 == 0o600
    env = {key: value or "" for key, value in dotenv_values(layout.env).items()}
    assert KafkaConnection.from_env(env) == environment.kafka_connection(settings)
    assert StoreConnection.from_env(env) == environment.tasks_store(settings, secrets)
    assert SparkConnection.from_env(env) == SparkConnection(settings.spark_master)
    assert env["STREAMWEIR_SPARK_JARS"] == "/tools/spark_jars"
    assert env["STREAMWEIR_SPARK_CLASSES"] == "/tools/spark_classes"
    # A shell keeps its own PATH, and what is started from it is not the stack's.
    assert not {"PATH", STACK} & set(env)


def test_services_get_what_the_user_set_but_not_the_shell_around_it(
    settings: Settings, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMWEIR_RETENTION_DAYS", "3")
    monkeypatch.setenv("STREAMWEIR_STORE_SECRET_KEY", "from var/env")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    env = environment.common(settings, layout, TOOLS)
    assert env["STREAMWEIR_RETENTION_DAYS"] == "3"
    assert env[STACK] == str(settings.var)
    assert env["STREAMWEIR_WORK"] == str(layout.work)
    assert env["PATH"].startswith(f"{Path(sys.executable).parent}:/tools/java_home/bin:")
    assert not {"HTTP_PROXY", "PYTHONPATH", "STREAMWEIR_STORE_SECRET_KEY"} & set(env)


def test_airflow_knows_the_servers_and_nothing_of_root(
    settings: Settings, layout: Layout, secrets: Secrets
) -> None:
    env = airflow_env(settings, layout, secrets)
    tasks = json.loads(env["AIRFLOW_CONN_MINIO_DEFAULT"])
    scorer = json.loads(env["AIRFLOW_CONN_MINIO_SCORER"])
    assert (tasks["login"], tasks["password"]) == (secrets.minio_tasks_user, secrets.minio_tasks_password)
    assert scorer["password"] == secrets.minio_scorer_password
    assert json.loads(env["AIRFLOW_CONN_KAFKA_DEFAULT"])["host"] == f"127.0.0.1:{settings.kafka_port}"
    assert json.loads(env["AIRFLOW_CONN_SPARK_DEFAULT"])["host"] == settings.spark_master
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert not [name for name, value in env.items() if secrets.minio_root_password in value]


def test_what_the_user_sets_for_airflow_wins(
    settings: Settings, layout: Layout, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = '{"conn_type": "kafka", "host": "broker:9093"}'
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", elsewhere)
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "9")
    env = airflow_env(settings, layout, secrets)
    assert env["AIRFLOW_CONN_KAFKA_DEFAULT"] == elsewhere
    assert env["AIRFLOW__CORE__PARALLELISM"] == "9"


def test_the_scorers_policy_writes_streams_only() -> None:
    scorer = policies("acme-")["scorer"]["Statement"]
    allowed = {action: set(entry["Resource"]) for entry in scorer for action in entry["Action"]}
    assert allowed["s3:PutObject"] == allowed["s3:DeleteObject"] == {"arn:aws:s3:::acme-streams/*"}
    assert allowed["s3:GetObject"] == {f"arn:aws:s3:::acme-{b}/*" for b in ("datasets", "models", "streams")}
    assert not [action for action in allowed if "*" in action]


def test_a_long_path_moves_the_sockets(tmp_path: Path) -> None:
    assert Layout(Path("/v")).sockets == Path("/v/sockets")
    deep = tmp_path / ("d" * 90)
    assert len(str(Layout(deep).sockets)) < 80
    assert Layout(deep).sockets != Layout(deep / "other").sockets


def test_changed_settings_of_a_running_stack_are_named(settings: Settings, layout: Layout) -> None:
    running = RunningSettings(layout)
    with pytest.raises(StackError, match="run `make up`"):
        running.load()
    running.record(settings)
    running.check(settings)
    assert running.load() == settings
    running.check(settings.model_copy(update={"ready_timeout_s": 1.0}))
    with pytest.raises(StackError, match=r"STREAMWEIR_MINIO_PORT 19000 -> 5.*make down"):
        running.check(settings.model_copy(update={"minio_port": 5}))


def test_what_runs_the_project_is_nothing_to_import_elsewhere(tmp_path: Path) -> None:
    names = ("streamweir", "infra", "tests", "docs")
    ask = f"from importlib.util import find_spec; print(*(name for name in {names} if find_spec(name)))"
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["streamweir"]


def test_a_launched_process_gets_argv_and_environment_from_the_file(tmp_path: Path) -> None:
    described = {
        "argv": [sys.executable, "-c", "import os, sys; print(sys.argv[1:], sorted(os.environ))", "given"],
        "env": {"OWN": "secret"},
    }
    file = tmp_path / "service.json"
    file.write_text(json.dumps(described))
    argv = [sys.executable, launch.__file__, str(file)]
    outer = {"SUPERVISOR_PROCESS_NAME": "x", "LEAKED": "1"}
    done = subprocess.run(argv, env=outer, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("['given'] [")
    assert "'OWN'" in done.stdout
    assert "'SUPERVISOR_PROCESS_NAME'" in done.stdout
    assert "LEAKED" not in done.stdout


@pytest.mark.parametrize(
    ("stage", "service"),
    [("", processes.DETACHED), ("card_fraud.prod", "scorer card_fraud.prod"), ("t.s.sum", "scorer t.s.sum")],
)
def test_a_scorer_is_shown_by_its_stream_or_stage(tmp_path: Path, stage: str, service: str) -> None:
    env = {STACK: str(tmp_path), STAGE: stage}
    say = "print('up', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", say], env=env, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        found = [(item.service, item.detached) for item in processes.find(tmp_path)]
        process.stdin.write("\n")
    assert found == [(service, True)]


def test_memory_counts_the_stacks_processes_and_keeps_the_peak(tmp_path: Path) -> None:
    fill = "block = bytearray(60 * 2**20); print('full', flush=True); input()"
    env = {STACK: str(tmp_path)}
    watch = processes.MemoryWatch(tmp_path)
    with subprocess.Popen([sys.executable, "-c", fill], env=env, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "full\n"
        assert [item.service for item in processes.find(tmp_path)] == [processes.DETACHED]
        with watch:
            pass
        process.stdin.write("\n")
    assert 60 * 2**20 < watch.peak.peak_bytes < 120 * 2**20
    assert watch.peak.by_service == {processes.DETACHED: watch.peak.peak_bytes}
    assert processes.measure(tmp_path) == {}
    assert watch.stop().peak_bytes > 60 * 2**20, "the peak stays"
