"""The life of a stack, with small processes in place of the servers: up, crash, down."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from infra import processes
from infra.layout import Layout
from infra.plan import Plan
from infra.ports import accepts, free_ports
from infra.service import Service
from infra.stack import Stack
from infra.starting import Board
from streamweir.errors import StackError
from streamweir.settings import Settings
from streamweir.variables import STACK

# Listens, and has a child of its own, as servers have.
_SERVER = """
import socket, subprocess, sys
child = subprocess.Popen(["sleep", "600"])
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    server.accept()
"""
_BROKEN = "import sys; print('no such disk'); sys.exit(3)"
# Ignores SIGTERM, as a process that hangs does; says when it does.
_STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
# Says, when it is asked to end, which ports are still served.
_WITNESS = """
import signal, sys
from infra.ports import accepts

def end(*_):
    print(*(accepts(int(port)) for port in sys.argv[1:]), flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
signal.pause()
"""


def listening(port: int) -> str | None:
    return None if accepts(port) else "it does not listen"


def server(name: str, port: int, *needs: str) -> Service:
    return Service(
        name=name,
        argv=(sys.executable, "-c", _SERVER, str(port)),
        env={"OWN": name},
        ready=lambda: listening(port),
        ports={f"PORT_{name.upper()}": port},
        needs=needs,
        stop_seconds=5,
    )


def planner(*services: Service) -> Callable[[Settings, Layout], Plan]:
    def plan(settings: Settings, layout: Layout) -> Plan:
        env: Mapping[str, str] = {"PATH": os.environ["PATH"], STACK: str(layout.var)}
        layout.secrets.touch()
        return Plan(services, env, {})

    return plan


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(var=tmp_path / "var", ready_timeout_s=20)


@pytest.fixture
def services() -> list[Service]:
    first, second = free_ports(2)
    return [server("store", first), server("user", second, "store")]


@pytest.fixture
def stack(settings: Settings, services: list[Service]) -> Iterator[Stack]:
    made = Stack(settings, planner(*services))
    yield made
    made.down(board())


def board() -> Board:
    return Board(Console(quiet=True))


def pids(stack: Stack) -> set[int]:
    return {item.process.pid for item in processes.find(stack.settings.var)}


def test_up_starts_each_after_what_it_needs(stack: Stack) -> None:
    assert stack.up(board()) is True
    states = stack.supervisor.states()
    assert {name for name, state in states.items() if state.alive} == {"store", "user"}
    assert states["store"].since <= states["user"].since
    named = {item.service for item in processes.find(stack.settings.var)}
    assert named == {"store", "user", processes.SUPERVISOR}
    # Each server has a child, and the supervisor owns both.
    assert len(pids(stack)) == 5


def test_down_leaves_nothing(stack: Stack, services: list[Service]) -> None:
    stack.up(board())
    before = pids(stack)
    assert stack.down(board()) is True
    assert not [pid for pid in before if psutil.pid_exists(pid)]
    assert not any(accepts(port) for service in services for port in service.ports.values())
    assert stack.down(board()) is False


def test_down_ends_what_a_killed_supervisor_left(stack: Stack) -> None:
    stack.up(board())
    before = pids(stack)
    os.kill(stack.supervisor.pid(), signal.SIGKILL)
    assert stack.down(board()) is True
    assert not [pid for pid in before if psutil.pid_exists(pid)]


def test_up_after_a_killed_supervisor_starts_anew(stack: Stack) -> None:
    stack.up(board())
    before = pids(stack)
    os.kill(stack.supervisor.pid(), signal.SIGKILL)
    assert stack.up(board()) is True
    assert len(pids(stack)) == 5
    assert not before & pids(stack)


def test_up_starts_only_what_is_not_running(stack: Stack) -> None:
    stack.up(board())
    before = stack.supervisor.states()
    stack.supervisor.stop_service("user")
    assert stack.up(board()) is True
    after = stack.supervisor.states()
    assert after["store"].pid == before["store"].pid
    assert after["user"].pid not in (0, before["user"].pid)


def test_a_killed_service_is_started_again(stack: Stack, services: list[Service]) -> None:
    stack.up(board())
    before = stack.supervisor.state("user").pid
    os.kill(before, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(before)] if psutil.pid_exists(before) else [], timeout=5)
    # Waits until it listens again.
    stack.up(board())
    assert stack.supervisor.state("user").pid not in (0, before)
    # The child of the killed one is not left behind.
    assert len(pids(stack)) == 5


def test_a_failed_service_is_named_with_the_end_of_its_log(settings: Settings) -> None:
    broken = Service("disk", (sys.executable, "-c", _BROKEN), {}, ready=lambda: "it never answers")
    stack = Stack(settings, planner(broken))
    try:
        with pytest.raises(StackError, match=r"(?s)disk ended again and again.*no such disk.*disk\.log"):
            stack.up(board())
    finally:
        assert stack.down(board()) is True
    assert not pids(stack)


def test_an_unready_service_fails_with_what_is_missing(settings: Settings) -> None:
    [port] = free_ports(1)
    deaf = replace(server("deaf", port), ready=lambda: "its ears")
    stack = Stack(settings.model_copy(update={"ready_timeout_s": 1.0}), planner(deaf))
    try:
        with pytest.raises(StackError, match="deaf was not ready within 1 s: its ears"):
            stack.up(board())
    finally:
        stack.down(board())
    assert not pids(stack)


def test_a_port_in_use_is_named_before_anything_starts(stack: Stack, services: list[Service]) -> None:
    port = services[1].ports["PORT_USER"]
    with closing(socket.create_server(("127.0.0.1", port))):
        with pytest.raises(StackError, match=rf"port {port} is in use by process {os.getpid()}.*PORT_USER"):
            stack.up(board())
        assert not pids(stack)


def test_down_ends_a_detached_process_that_does_not_listen_to_reason(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.stack.SCORER_SECONDS", 0.5)
    stack.up(board())
    env = {**os.environ, STACK: str(stack.settings.var)}
    with psutil.Popen([sys.executable, "-c", _STUBBORN], env=env, stdout=-1, start_new_session=True) as deaf:
        assert deaf.stdout.readline() == b"deaf\n"
        assert any(item.service == processes.DETACHED for item in processes.find(stack.settings.var))
        stack.down(board())
        assert not deaf.is_running()


def test_down_ends_scorers_after_airflow_and_before_the_servers(settings: Settings) -> None:
    store, scheduler = free_ports(2)
    plan = planner(server("store", store), server("airflow-scheduler", scheduler, "store"))
    stack = Stack(settings, plan)
    stack.up(board())
    argv = [sys.executable, "-c", _WITNESS, str(scheduler), str(store)]
    env = {**os.environ, STACK: str(settings.var)}
    with psutil.Popen(argv, env=env, stdout=-1, start_new_session=True) as scorer:
        assert scorer.stdout.readline() == b"ready\n"
        stack.down(board())
        assert scorer.stdout.read() == b"False True\n"


def test_a_changed_service_is_taken_over_at_its_next_start(
    stack: Stack, settings: Settings, services: list[Service]
) -> None:
    stack.up(board())
    stack.supervisor.stop_service("user")
    [port] = free_ports(1)
    changed = Stack(settings, planner(services[0], server("user", port, "store")))
    changed.up(board())
    assert accepts(port)
