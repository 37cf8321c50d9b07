"""Starting services side by side, each after those that it needs, until all are ready."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra.layout import Layout
from infra.progress import Board
from infra.service import Service
from infra.supervisor.control import Supervisor
from streamweir.errors import StackError

_POLL_S = 0.2
_TAIL_LINES = 25


class Starter:
    """Starts services of one supervisor and waits for each at most `timeout_s`."""

    def __init__(self, supervisor: Supervisor, layout: Layout, timeout_s: float, board: Board) -> None:
        self._supervisor = supervisor
        self._layout = layout
        self._timeout_s = timeout_s
        self._board = board
        self._interrupted = threading.Event()

    def start(self, services: Sequence[Service], running: set[str]) -> None:
        """Start those that do not run, wait for all; raises the first StackError, with the end of the log."""
        ready: dict[str, Future[None]] = {}
        with self._board, ThreadPoolExecutor(max_workers=len(services)) as pool:
            for service in services:
                needed = [ready[name] for name in service.needs]
                ready[service.name] = pool.submit(self._start, service, needed, service.name in running)
            try:
                wait(ready.values())
            except KeyboardInterrupt:
                self._interrupted.set()
                raise
        failures = [future.exception() for future in ready.values()]
        first = next((failure for failure in failures if failure is not None), None)
        if first is not None:
            raise first

    def _start(self, service: Service, needed: Sequence[Future[None]], running: bool) -> None:
        self._board.say(service.name, "waiting")
        for other in needed:
            other.result()
        try:
            if not running:
                self._board.say(service.name, "preparing")
                service.prepare()
                self._supervisor.start_service(service.name)
            self._board.say(service.name, "starting")
            self._await_ready(service)
            service.provision()
        except StackError:
            self._board.say(service.name, "failed", final=True)
            raise
        self._board.say(service.name, "ready", final=True)

    def _await_ready(self, service: Service) -> None:
        attempts = Retrying(
            retry=retry_if_result(lambda missing: missing is not None),
            stop=stop_after_delay(self._timeout_s),
            wait=wait_fixed(_POLL_S),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        missing = attempts(self._missing, service)
        if missing is not None:
            raise self._failure(service, f"was not ready within {self._timeout_s:.0f} s: {missing}")

    def _missing(self, service: Service) -> str | None:
        if self._interrupted.is_set():
            raise StackError("interrupted: run `make up` to go on, or `make down`")
        if self._supervisor.state(service.name).state == "FATAL":
            raise self._failure(service, "ended again and again")
        return service.ready()

    def _failure(self, service: Service, what: str) -> StackError:
        log = self._layout.log(service.name)
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
        tail = "\n".join(f"  | {line}" for line in lines)
        return StackError(f"{service.name} {what}\n{tail}\nsee {log}, then run `make up` again")
