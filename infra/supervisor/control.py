"""Talking to the supervisor: write its configuration, start it, ask it, end it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from jinja2 import Environment, PackageLoader, StrictUndefined
from supervisor.xmlrpc import Faults, SupervisorTransport
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from infra.layout import Layout, write_private
from infra.service import Service
from streamweir.errors import StackError
from streamweir.settings import CHECKOUT

_START_SECONDS = 10
_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor knows of a service: state in its words, pid (0: none), since when."""

    name: str
    state: str
    pid: int
    since: datetime
    detail: str

    @property
    def alive(self) -> bool:
        """Whether the process runs or is about to."""
        return self.state in ("STARTING", "RUNNING")


class Supervisor:
    """The supervisor of one stack; every call raises StackError when it does not answer."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._socket = layout.sockets / "supervisor.sock"

    def is_alive(self) -> bool:
        """Whether it answers."""
        try:
            return str(self._call("getState")["statename"]) == "RUNNING"
        except StackError:
            return False

    def pid(self) -> int:
        """Its process id."""
        return int(self._call("getPID"))

    def configure(self, services: Sequence[Service], common: Mapping[str, str]) -> None:
        """Write its configuration and, unreadable for others, what each service is started with."""
        folder = self._layout.supervisor
        for service in services:
            described = {"argv": service.argv, "env": {**common, **service.env}}
            write_private(folder / f"{service.name}.json", json.dumps(described, indent=1))
        templates = Environment(
            loader=PackageLoader("infra.supervisor", "."),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701
        )
        text = templates.get_template("supervisord.conf.j2").render(
            folder=_literal(folder), logs=_literal(self._layout.logs), socket=_literal(self._socket),
            python=_literal(Path(sys.executable)), launch=_literal(_LAUNCH), services=services,
            root=os.getuid() == 0,
        )  # fmt: skip
        write_private(folder / "supervisord.conf", text)

    def start(self, env: Mapping[str, str]) -> None:
        """Start it in the background and wait until it answers."""
        argv = [
            sys.executable,
            "-m",
            "supervisor.supervisord",
            "-c",
            str(self._layout.supervisor / "supervisord.conf"),
        ]
        done = subprocess.run(argv, env=dict(env), cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if done.returncode or not self._answers():
            log = self._layout.supervisor / "supervisord.log"
            raise StackError(
                f"the supervisor did not start: {done.stderr.strip() or 'no message'}; see {log}"
            )

    @retry(retry=retry_if_result(lambda alive: not alive), stop=stop_after_delay(_START_SECONDS),
           wait=wait_fixed(0.05), retry_error_callback=lambda state: False)  # fmt: skip
    def _answers(self) -> bool:
        return self.is_alive()

    def reload(self) -> None:
        """Take over a changed configuration of services that are not running."""
        _, changed, _ = self._call("reloadConfig")[0]
        for name in changed:
            if not self.state(name).alive:
                self._call("removeProcessGroup", name)
                self._call("addProcessGroup", name)

    def start_service(self, name: str) -> None:
        """Start a service without waiting for it; one that runs is left alone."""
        try:
            self._call("startProcess", name, False)
        except Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise StackError(f"the supervisor could not start {name}: {fault.faultString}") from fault

    def stop_service(self, name: str) -> None:
        """Stop a service and wait until it has ended; killed when it does not end in its time."""
        try:
            self._call("stopProcess", name, True)
        except Fault as fault:
            if fault.faultCode not in (Faults.NOT_RUNNING, Faults.BAD_NAME):
                raise StackError(f"the supervisor could not stop {name}: {fault.faultString}") from fault

    def shutdown(self) -> None:
        """End it, and with it what still runs; wait until it is gone."""
        pid = self.pid()
        self._call("shutdown")
        try:
            psutil.Process(pid).wait(timeout=60)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired as error:
            raise StackError(f"the supervisor (pid {pid}) did not end within a minute") from error

    def states(self) -> dict[str, ProcessState]:
        """All services by name."""
        return {item["name"]: _state(item) for item in self._call("getAllProcessInfo")}

    def state(self, name: str) -> ProcessState:
        """One service."""
        return _state(self._call("getProcessInfo", name))

    def _call(self, method: str, *arguments: Any) -> Any:
        # A proxy is not safe to share between threads, and making one costs nothing.
        transport = SupervisorTransport("", "", f"unix://{self._socket}")
        proxy = ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, ConnectionError) as error:
            raise StackError("the supervisor does not answer: run `make up`") from error
        finally:
            transport.close()


def _state(item: Mapping[str, Any]) -> ProcessState:
    since = datetime.fromtimestamp(item["start"] or item["stop"] or item["now"], UTC)
    return ProcessState(item["name"], item["statename"], item["pid"], since, item["spawnerr"])


def _literal(path: Path) -> str:
    """A path in the supervisor's configuration, where a percent sign begins an expansion."""
    return str(path).replace("%", "%%")
