"""The keeper: the detached parent of a scorer's driver. Starts it again after a crash, gives up when that
does not help. The keeper is itself started again by its guard.

`python -m streamweir.scorer.keeper --spec FILE --holder ID` with the connections in the environment ends with
the driver's exit code; with `--detach` it goes on in the background.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from streamweir.cli import run as run_cli
from streamweir.connections import SparkConnection, StoreConnection
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.errors import (
    BadConfiguration,
    DependencyUnreachable,
    ModelUnusable,
    StreamHeld,
    StreamweirError,
)
from streamweir.objectstore import ObjectStore
from streamweir.scorer import package, stop
from streamweir.scorer.command import Installation, locate, stage_command
from streamweir.scorer.driver import Driver, end_all_of
from streamweir.scorer.guard import guarded, listen
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import State, Status, read, touched, write
from streamweir.scorer.stop import Signalled
from streamweir.variables import HOLDER

_LOG = logging.getLogger(__name__)

_FINAL = (0, BadConfiguration.exit_code, ModelUnusable.exit_code, StreamHeld.exit_code)
"""Exit codes after which a new start would end the same way, or is not wanted."""

_FAILURES_IN_A_ROW = 3
"""Ends without progress after which the driver's own fault is taken to be lasting."""
_LONG_S = 600.0
"""A driver that lived for so long was worth starting. One that breaks at its first row takes minutes
to get there on a busy machine."""
_SAY_AGAIN_S = 1.0
_WAIT = wait_exponential(multiplier=1, max=8)


class DriverCrashed(StreamweirError):
    """The driver ended without having been asked to; `code` is its exit code, as a shell would give it."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


class Keeper:
    """Keeps one scorer alive; `run` returns its exit code."""

    def __init__(
        self,
        spec: ScorerSpec,
        holder: str,
        start: Callable[[], Driver],
        store: ObjectStore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._holder = holder
        self._start = start
        self._store = store
        self._clock = clock
        self._failing_since: float | None = None
        self._failures = 0
        self._driver: Driver | None = None
        self._ending = Signalled()
        self._pause = threading.Event()

    def end(self) -> None:
        """Stop the scorer; does not wait for it. Safe to call from a signal handler."""
        self._ending.set()

    def take_over(self) -> None:
        """Go on in place of a keeper that was killed: its driver is unguarded, and is replaced."""
        end_all_of(self._holder)
        self._report(state=State.RESTARTING, error="the keeper was killed", restarts=1)

    def run(self) -> int:
        """Run the driver, again and again if need be; the outcome ends up in the status object."""
        threading.Thread(target=self._pass_stop_on, name="stop", daemon=True).start()
        tries = Retrying(
            retry=retry_if_exception_type(DriverCrashed),
            wait=_WAIT,
            stop=self._enough,
            sleep=self._rest,
            before_sleep=self._announce_restart,
            reraise=True,
        )
        try:
            code, said = tries(self._attempt), self._words()
        except DriverCrashed as crash:
            code, said = crash.code, str(crash)
            if self._ending.is_set():
                return self._stopped(said)
        except (StreamweirError, OSError) as error:
            code, said = StreamweirError.exit_code, f"the driver cannot be started: {error}"
        if code:
            self._report(state=State.FAILED, error=said, exit_code=code)
        return code

    def _attempt(self) -> int:
        if self._ending.is_set() or self._stop_requested():
            return self._stopped(None)
        before, began = self._progress(), self._clock()
        self._driver = self._start()
        code = self._driver.wait()
        if code in _FINAL:
            return code
        # A driver that moved the stream on, or lived for long, was worth starting: only the others add up.
        worth = self._progress() > before or self._clock() - began > _LONG_S
        self._count(code, anew=worth)
        raise DriverCrashed(_sentence(code, self._words()), code if code > 0 else 128 - code)

    def _stop_requested(self) -> bool:
        # While a server is away no driver comes up to see the request.
        try:
            return stop.requested(self._store, self._spec.stream, self._holder)
        except StreamweirError:
            return False

    def _stopped(self, said: str | None) -> int:
        """However the driver ended, it was asked to: nothing is lost, and the next scorer goes on."""
        self._report(state=State.STOPPED, error=said, exit_code=0)
        return 0

    def _count(self, code: int, *, anew: bool) -> None:
        if anew or self._failing_since is None:
            self._failures, self._failing_since = 0, self._clock()
        if code != DependencyUnreachable.exit_code:
            self._failures += 1

    def _pass_stop_on(self) -> None:
        # Said more than once: a driver that is just starting up does not listen yet.
        self._ending.wait()
        while True:
            if self._driver is not None:
                self._driver.stop()
            self._pause.wait(_SAY_AGAIN_S)

    def _enough(self, _: RetryCallState) -> bool:
        if self._ending.is_set() or self._failures >= _FAILURES_IN_A_ROW:
            return True
        patience = self._spec.outage_s
        return patience is not None and self._clock() - (self._failing_since or self._clock()) > patience

    def _rest(self, seconds: float) -> None:
        self._ending.wait(seconds)

    def _announce_restart(self, state: RetryCallState) -> None:
        crash = state.outcome.exception() if state.outcome else None
        _LOG.warning("the driver ended and is started again: %s", crash)
        self._report(state=State.RESTARTING, error=str(crash), restarts=1)

    def _progress(self) -> int:
        status = self._status()
        return -1 if status is None or status.batch_id is None else status.batch_id

    def _words(self) -> str:
        return self._driver.last_words() if self._driver else ""

    def _status(self) -> Status | None:
        try:
            return read(self._store, self._spec.stream)
        except StreamweirError:
            return None

    def _report(self, *, restarts: int = 0, **changes: Any) -> None:
        status = self._status()
        # Another scorer may have the stream by now; its status is not this keeper's to write.
        if status is not None and status.holder == self._holder:
            try:
                write(
                    self._store,
                    self._spec.stream,
                    touched(status, restarts=status.restarts + restarts, **changes),
                )
            except DependencyUnreachable as error:
                _LOG.warning("the status could not be written: %s", error)


def _sentence(code: int, words: str) -> str:
    if code < 0:
        return f"the driver was killed by {signal.Signals(-code).name}"
    if code > 128:
        return f"the driver's Python was killed by signal {code - 128}"
    return words


def main(
    spec: Annotated[Path, typer.Option()],
    holder: Annotated[str, typer.Option()],
    detach: Annotated[bool, typer.Option("--detach")] = False,
) -> None:
    """Run the scorer that the file `spec` describes, until it is stopped or cannot go on."""
    if detach and os.fork():
        os._exit(0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sys.exit(guarded(lambda again: _keep(spec, holder, again=again)))


def _keep(spec: Path, holder: str, *, again: bool) -> int:
    wanted = ScorerSpec.from_json(orjson.loads(spec.read_bytes()))
    store = ObjectStore(StoreConnection.from_env())
    keeper = Keeper(wanted, holder, _starter(wanted, holder, spec.parent, os.environ), store)
    listen(keeper.end)
    if again:
        keeper.take_over()
    return keeper.run()


def _starter(spec: ScorerSpec, holder: str, folder: Path, env: Mapping[str, str]) -> Callable[[], Driver]:
    [stage] = pipeline_of(spec.stream.pipeline).of_stage(spec.stream.stage).stages

    def installed() -> Installation:
        return locate(package.build(folder.parent / "packages"), env)

    def start() -> Driver:
        argv = stage_command(stage, spec, holder, spark=SparkConnection.from_env(env), at=installed)
        return Driver(argv, {**env, HOLDER: holder}, folder / "scorer.log")

    return start


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_cli(app)
