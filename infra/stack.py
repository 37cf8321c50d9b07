"""The stack as a whole: up, down, and what state it is in."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra import environment, memory, processes
from infra.airflow import server as airflow
from infra.bootstrap import stamp
from infra.bootstrap.cache import exclusive
from infra.kafka import server as kafka
from infra.layout import Layout
from infra.minio import server as minio
from infra.ports import check_free
from infra.postgres import server as postgres
from infra.progress import Board
from infra.running import RunningSettings
from infra.secrets import Secrets
from infra.service import Service
from infra.supervisor.control import ProcessState, Supervisor
from streamweir.errors import StackError
from streamweir.settings import CHECKOUT, Settings

_POLL_S = 0.2
_SCORER_SECONDS = 30
_TAIL_LINES = 25


@dataclass(frozen=True)
class ServiceStatus:
    """One line of `make status`; `ports` in the order of their settings, memory in bytes."""

    name: str
    state: str
    ports: tuple[int, ...]
    pid: int
    memory: int
    since: datetime | None

    @property
    def is_up(self) -> bool:
        """Whether the process runs."""
        return self.state == "RUNNING"


class Stack:
    """The embedded servers of one state folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout = Layout(settings.var)
        self.supervisor = Supervisor(self.layout)

    @property
    def secrets(self) -> Secrets:
        """The passwords of a stack that was started before; raises StackError when it never was."""
        return Secrets.load(self.layout.secrets)

    def up(self, board: Board) -> bool:
        """Start what is not running and wait until all is ready; returns False when all was ready before.

        Raises StackError with the service's name and the end of its log.
        """
        tools = _tools()
        self.layout.make()
        with exclusive(self.layout.supervisor / "stack.lock", board.note):
            secrets = Secrets.load_or_generate(self.layout.secrets)
            common = environment.common(self.settings, self.layout, tools)
            services = self._services(tools, secrets, common)
            running = self._take_over(services, board)
            environment.write_shell_env(self.settings, self.layout, tools, secrets)
            if running == {service.name for service in services} and not any(
                each.ready() for each in services
            ):
                return False
            self._supervise(services, common)
            self._start_all(services, running, board)
        return True

    def down(self, board: Board) -> bool:
        """End every process of the stack, in order; returns False when there was none."""
        if not self.layout.supervisor.is_dir():
            return False
        with exclusive(self.layout.supervisor / "stack.lock", board.note):
            found = bool(processes.find(self.settings.var))
            self._end_scorers(board)
            if self.supervisor.is_alive():
                self._end_services(board)
            self._sweep(board)
        return found

    def status(self) -> list[ServiceStatus]:
        """Every service; raises StackError when set-up or the first `up` is missing."""
        secrets = self.secrets
        tools = _tools()
        services = self._services(tools, secrets, environment.common(self.settings, self.layout, tools))
        states = self.supervisor.states() if self.supervisor.is_alive() else {}
        used = memory.measure(self.settings.var)
        return [_status(service, states.get(service.name), used.get(service.name, 0)) for service in services]

    def _services(
        self, tools: Mapping[str, Path], secrets: Secrets, common: Mapping[str, str]
    ) -> Sequence[Service]:
        return (
            kafka.service(self.settings, self.layout, tools),
            minio.service(self.settings, self.layout, tools, secrets),
            postgres.service(self.layout),
            *airflow.services(self.settings, self.layout, secrets, common),
        )

    def _take_over(self, services: Sequence[Service], board: Board) -> set[str]:
        """The services that run already; what a dead supervisor left behind is ended, ports are checked."""
        running: set[str] = set()
        if self.supervisor.is_alive():
            RunningSettings(self.layout).check(self.settings)
            running = {name for name, state in self.supervisor.states().items() if state.alive}
        else:
            left = [item for item in processes.find(self.settings.var) if item.service != processes.DETACHED]
            if left:
                board.note(f"ending {len(left)} processes that an interrupted stack has left behind")
                processes.kill(processes.ask_to_end([item.process for item in left], 10))
        check_free({
            setting: port
            for service in services if service.name not in running
            for setting, port in service.ports.items()
        })  # fmt: skip
        return running

    def _supervise(self, services: Sequence[Service], common: Mapping[str, str]) -> None:
        self.supervisor.configure(services, common)
        if self.supervisor.is_alive():
            self.supervisor.reload()
        else:
            RunningSettings(self.layout).record(self.settings)
            self.supervisor.start(common)

    def _start_all(self, services: Sequence[Service], running: set[str], board: Board) -> None:
        """Start all at the same time; each waits for those that it needs."""
        ready: dict[str, Future[None]] = {}
        with board, ThreadPoolExecutor(max_workers=len(services)) as pool:
            for service in services:
                needed = [ready[name] for name in service.needs]
                ready[service.name] = pool.submit(
                    self._start, service, needed, service.name in running, board
                )
        failures = [future.exception() for future in ready.values()]
        first = next((failure for failure in failures if failure is not None), None)
        if first is not None:
            raise first

    def _start(self, service: Service, needed: Sequence[Future[None]], running: bool, board: Board) -> None:
        board.say(service.name, "waiting")
        for other in needed:
            other.result()
        try:
            if not running:
                board.say(service.name, "preparing")
                service.prepare()
                self.supervisor.start_service(service.name)
            board.say(service.name, "starting")
            self._await_ready(service)
            service.provision()
        except StackError:
            board.say(service.name, "failed", final=True)
            raise
        board.say(service.name, "ready", final=True)

    def _await_ready(self, service: Service) -> None:
        attempts = Retrying(
            retry=retry_if_result(lambda missing: missing is not None),
            stop=stop_after_delay(self.settings.ready_timeout_s),
            wait=wait_fixed(_POLL_S),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        missing = attempts(self._missing, service)
        if missing is not None:
            raise self._failure(
                service, f"was not ready within {self.settings.ready_timeout_s:.0f} s: {missing}"
            )

    def _missing(self, service: Service) -> str | None:
        if self.supervisor.state(service.name).state == "FATAL":
            raise self._failure(service, "ended again and again")
        return service.ready()

    def _failure(self, service: Service, what: str) -> StackError:
        log = self.layout.log(service.name)
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
        tail = "\n".join(f"  | {line}" for line in lines)
        return StackError(f"{service.name} {what}\n{tail}\nsee {log}, then run `make up` again")

    def _end_scorers(self, board: Board) -> None:
        """Scorers first: they write their last status while the servers are still there."""
        scorers = [item for item in processes.find(self.settings.var) if item.service == processes.DETACHED]
        if scorers:
            board.say("scorers", "stopping")
            processes.ask_to_end(processes.topmost(scorers), _SCORER_SECONDS)
            board.say("scorers", "stopped", final=True)

    def _end_services(self, board: Board) -> None:
        """Airflow before the servers that it uses."""
        names = list(self.supervisor.states())
        users = [name for name in names if name.startswith("airflow-")]
        with board:
            for group in (users, [name for name in names if name not in users]):
                with ThreadPoolExecutor() as pool:
                    list(pool.map(lambda name: self._end_service(name, board), group))
            self.supervisor.shutdown()

    def _end_service(self, name: str, board: Board) -> None:
        board.say(name, "stopping")
        self.supervisor.stop_service(name)
        board.say(name, "stopped", final=True)

    def _sweep(self, board: Board) -> None:
        """End what is left after a crash, whoever its parent was."""
        left = [item.process for item in processes.find(self.settings.var)]
        if left:
            board.note(f"ending {len(left)} processes that were left behind")
            processes.kill(processes.ask_to_end(left, 5))
        still = processes.find(self.settings.var)
        if still:
            pids = ", ".join(str(item.process.pid) for item in still)
            raise StackError(f"these processes do not end: {pids}; look at them with `ps -fp {pids}`")


def _tools() -> dict[str, Path]:
    if not stamp.is_current(CHECKOUT):
        raise StackError("set-up is missing or out of date: run `make setup`")
    return stamp.tools(CHECKOUT)


def _status(service: Service, state: ProcessState | None, used: int) -> ServiceStatus:
    ports = tuple(service.ports.values())
    if state is None:
        return ServiceStatus(service.name, "STOPPED", ports, 0, used, None)
    since = state.since if state.alive else None
    return ServiceStatus(service.name, state.state, ports, state.pid, used, since)
