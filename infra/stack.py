"""The stack as a whole: up, down, and what state it is in."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from infra import environment, processes
from infra.bootstrap.cache import exclusive
from infra.layout import Layout
from infra.plan import Plan, Planner, embedded
from infra.ports import check_free
from infra.running import RunningSettings
from infra.secrets import Secrets
from infra.starting import Board, Starter
from infra.supervisor.control import Supervisor
from streamweir.errors import StackError
from streamweir.settings import Settings

SCORER_SECONDS = 30.0
"""How long `down` waits for scorers to stop by themselves, which loses nothing, before it ends them."""


@dataclass(frozen=True)
class ServiceStatus:
    """One line of `make status`; memory in bytes. What no service accounts for has neither port nor state."""

    name: str
    state: str
    memory: int
    ports: tuple[int, ...] = ()
    since: datetime | None = None

    @property
    def is_up(self) -> bool:
        """Whether the process runs."""
        return self.state == "RUNNING"


class Stack:
    """The servers of one state folder; by default the embedded ones."""

    def __init__(self, settings: Settings, planner: Planner = embedded) -> None:
        self.settings = settings
        self.layout = Layout(settings.var)
        self.supervisor = Supervisor(self.layout)
        self._planner = planner

    @property
    def secrets(self) -> Secrets:
        """The passwords of a stack that was started before; raises StackError when it never was."""
        return Secrets.load(self.layout.secrets)

    def up(self, board: Board) -> bool:
        """Start what is not running and wait until all is ready; returns False when all was ready before.

        Raises StackError: before anything starts for a port in use or a state folder that a newer version
        made, later with the end of a service's log.
        """
        self.layout.make()
        with exclusive(self.layout.supervisor / "stack.lock", board.note):
            self.layout.note_format()
            plan = self._planner(self.settings, self.layout)
            running = self._running(board)
            if running == plan.names and not any(service.ready() for service in plan.services):
                return False
            check_free({
                setting: port
                for service in plan.services if service.name not in running
                for setting, port in service.ports.items()
            })  # fmt: skip
            self._supervise(plan)
            environment.write_shell(self.layout.env, plan.shell)
            timeout = self.settings.ready_timeout_s
            Starter(self.supervisor, self.layout, timeout, board).start(plan.services, running)
        return True

    def down(self, board: Board) -> bool:
        """End every process of the stack, in order; returns False when there was none."""
        if not self.layout.supervisor.is_dir():
            return False
        with exclusive(self.layout.supervisor / "stack.lock", board.note):
            found = bool(processes.find(self.settings.var))
            with board:
                self._end_in_order(board)
            self._sweep(board)
        return found

    def status(self) -> list[ServiceStatus]:
        """Every service, then what else belongs to the stack; raises StackError when it was never started."""
        if not self.layout.secrets.exists():
            raise StackError("the stack was never started: run `make up`")
        plan = self._planner(self.settings, self.layout)
        states = self.supervisor.states() if self.supervisor.is_alive() else {}
        used = processes.measure(self.settings.var)
        lines = []
        for service in plan.services:
            state = states.get(service.name)
            lines.append(
                ServiceStatus(
                    service.name,
                    state.state if state else "STOPPED",
                    used.pop(service.name, 0),
                    tuple(service.ports.values()),
                    state.since if state and state.alive else None,
                )
            )
        return [*lines, *(ServiceStatus(name, "RUNNING", size) for name, size in sorted(used.items()))]

    def _running(self, board: Board) -> set[str]:
        """The services that run already; what a dead supervisor has left behind is ended."""
        if self.supervisor.is_alive():
            RunningSettings(self.layout).check(self.settings)
            return {name for name, state in self.supervisor.states().items() if state.alive}
        left = [item.process for item in processes.find(self.settings.var) if not item.detached]
        if left:
            board.note(f"ending {len(left)} processes that an interrupted stack has left behind")
            processes.kill(processes.ask_to_end(left, 10))
        return set()

    def _supervise(self, plan: Plan) -> None:
        self.supervisor.configure(plan.services, plan.env)
        if self.supervisor.is_alive():
            self.supervisor.reload()
        else:
            RunningSettings(self.layout).record(self.settings)
            self.supervisor.start(plan.env)

    def _end_in_order(self, board: Board) -> None:
        alive = self.supervisor.is_alive()
        names = list(self.supervisor.states()) if alive else []
        users = [name for name in names if name.startswith("airflow-")]
        # Airflow first: a task that waits for a scorer would start it again.
        self._end_group(users, board)
        self._end_scorers(board)
        self._end_group([name for name in names if name not in users], board)
        if alive:
            self.supervisor.shutdown()

    def _end_scorers(self, board: Board) -> None:
        """Before the servers: they write their last status while those are still there."""
        scorers = [item for item in processes.find(self.settings.var) if item.detached]
        if scorers:
            board.say("scorers", "stopping")
            processes.ask_to_end(processes.topmost(scorers), SCORER_SECONDS)
            board.say("scorers", "stopped", final=True)

    def _end_group(self, names: Sequence[str], board: Board) -> None:
        def end(name: str) -> None:
            board.say(name, "stopping")
            self.supervisor.stop_service(name)
            board.say(name, "stopped", final=True)

        with ThreadPoolExecutor() as pool:
            list(pool.map(end, names))

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
