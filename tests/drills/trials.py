"""Runs that are drilled: through the DAG, or, much faster, through what its operators call."""

import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from infra.processes import kill
from streamweir.broker.records import topic_end
from streamweir.broker.topics import provision
from streamweir.commits import newest
from streamweir.errors import BadConfiguration, Retryable, StreamweirError
from streamweir.ledger import reconcile
from streamweir.scorer import launch, stop
from streamweir.scorer.health import Watch
from streamweir.scorer.spec import Servers
from streamweir.scorer.status import Status, failure, read
from streamweir_airflow.waiting import Outcome, look, stopped, until_drained
from tests.drills.ground import Ground, Model

PATIENCE_S = 300
_LOOK_S = 0.3
_TRIES = 3


class DrillFailed(StreamweirError):
    """A drill did not end as it should."""


def await_(what: str, reached: Any, *, within: float = PATIENCE_S, look_s: float = _LOOK_S) -> Any:
    """Call until the answer is true, patient with servers that are away; returns the answer."""
    tries = Retrying(
        retry=retry_if_result(lambda answer: not answer) | retry_if_exception_type(Retryable),
        stop=stop_after_delay(within),
        wait=wait_fixed(look_s),
        retry_error_callback=lambda _: None,
    )
    answer = tries(reached)
    if not answer:
        raise DrillFailed(f"{what}: not within {within:.0f} s")
    return answer


class Trial(ABC):
    """A run on a stream of its own, from its beginning to its ledger; end: the sequence after its flush."""

    def __init__(self, ground: Ground, name: str, end: int = 0) -> None:
        self.ground = ground
        self.end = end
        self.run = ground.run(name)
        self.store = ground.store
        self.began = time.monotonic()
        self.notes: list[str] = []

    @abstractmethod
    def begin(self, model: Model) -> None:
        """Start it; does not wait."""

    @abstractmethod
    def finish(self) -> None:
        """Wait for its end; raises StreamweirError when it failed."""

    @abstractmethod
    def tend(self) -> None:
        """Look after it while something else is waited for; raises DrillFailed when it has failed."""

    @abstractmethod
    def pid(self, task: str) -> int | None:
        """The process that does a task of the run, while there is one."""

    def give_up(self) -> None:
        """End what a failed drill has left."""
        kill(self.scorer())

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def status(self) -> Status | None:
        """The scorer's status."""
        return read(self.store, self.run.stream)

    def sent(self) -> int:
        """The next sequence that the leading topic does not hold; 0 as long as there is no topic."""
        leading = self.ground.subject.pipeline.leading.topic.name
        try:
            end = topic_end(self.ground.kafka, self.run.stream.topic(leading))
        except BadConfiguration:
            return 0
        sequences = [record.headers.sequence for record in end.last.values() if record.headers]
        return max(sequences, default=-1) + 1

    def flush(self) -> int:
        """The sequence of the flush, once it was sent."""
        return int(self.store.get_json(self.run.manifest)["flush_sequence"])

    def worked(self) -> int:
        """The next sequence that no committed micro-batch has worked on."""
        found = newest(self.store, self.run.stream, None)
        return found.next_sequence if found else 0

    def scorer(self, word: str = "") -> list[psutil.Process]:
        """The processes of the stream's scorer: `keeper`, `driver`, or all of them."""
        stream = self.run.stream
        keepers = self.ground.processes(f"scorers/{stream}/")
        drivers = self.ground.processes(f"--stream {stream.id} ")
        drivers = [process for process in drivers if process not in keepers]
        return {"keeper": keepers, "driver": drivers}.get(word, [*keepers, *drivers])


class AirflowTrial(Trial):
    """A run of the DAG. may_clear: whether tasks that failed because of the fault may be cleared, once."""

    may_clear = False

    def begin(self, model: Model) -> None:
        """Trigger it."""
        self.trigger(model.params)

    def trigger(self, params: Mapping[str, Any]) -> None:
        """Trigger it with params of its own."""
        self.ground.airflow.trigger(self.dag, self.run.id, {**params, "stream": self.run.stream.id})

    @property
    def dag(self) -> str:
        """The DAG's id."""
        return self.run.stream.pipeline

    def tend(self) -> None:
        """Raise DrillFailed when the run has failed and nobody may clear its tasks, or did so before."""
        if self.ground.airflow.run_state(self.dag, self.run.id) != "failed":
            return
        if not self.may_clear:
            raise DrillFailed(f"run {self.run.id} failed: {self._why()}")
        self.may_clear = False
        cleared = self.ground.airflow.clear_failed(self.dag, self.run.id)
        self.notes.append(f"cleared {', '.join(cleared)}")

    def finish(self) -> None:
        """Wait for the end."""

        def ended() -> bool:
            self.tend()
            return self.ground.airflow.run_state(self.dag, self.run.id) == "success"

        await_(f"the end of run {self.run.id}", ended, within=2 * PATIENCE_S)
        self.notes += [
            f"{task.task} try {task.tries}"
            for task in self.ground.airflow.tasks(self.dag, self.run.id)
            if task.tries > 1
        ]

    def pid(self, task: str) -> int | None:
        """The task's process."""
        return self.ground.airflow.pid(self.dag, self.run.id, task)

    def give_up(self) -> None:
        """End the run; its teardown stops the scorer."""
        self.ground.airflow.give_up(self.dag, self.run.id)
        await_("the teardown", lambda: self.ground.airflow.run_state(self.dag, self.run.id) != "running")

    def finished(self) -> int:
        """How many of the run's tasks have succeeded."""
        return sum(task.state == "success" for task in self.ground.airflow.tasks(self.dag, self.run.id))

    def _why(self) -> str:
        for key in self.store.list(self.run.tasks):
            record = self.store.get_json(key)
            if record["error"]:
                return f"{record['task']}: {record['error']}"
        return "no task says why"


class HelpedTrial(AirflowTrial):
    """A run of the DAG in which a person clears what has failed."""

    may_clear = True


class PlainTrial(Trial):
    """A run without Airflow: the same code in the same order, and processes started again when killed."""

    def __init__(self, ground: Ground, name: str, end: int = 0) -> None:
        super().__init__(ground, name, end)
        self._workers: dict[str, Worker] = {}
        self._watch = Watch()

    def begin(self, model: Model) -> None:
        """Start the scorer and, when it is up, replay and plot, in the background."""
        self._spec = model.spec_for(self.run)
        self._params = model.params
        provision(self.ground.kafka, self.run.stream, self.ground.subject.pipeline)
        self._launch()
        self._sending = threading.Thread(target=self._send, daemon=True)
        self._sending.start()

    def finish(self) -> None:
        """Wait for what the DAG's tasks wait for."""
        self._sending.join(PATIENCE_S)
        for task in ("replay", "plot_live"):
            if task not in self._workers:
                raise DrillFailed("the scorer did not start")
            self._workers[task].join()
        self._await_drained()
        stop.request(self.store, self.run.stream, "the drill is over")
        await_("the scorer's stop", lambda: stopped(self._look(), -1))
        reconcile(self.run, self.ground.kafka, self.store)

    def tend(self) -> None:
        """Raise DrillFailed when the scorer is beyond help."""
        found = self.status()
        if found and (error := failure(found)):
            raise DrillFailed(str(error))

    def pid(self, task: str) -> int | None:
        """The worker's process."""
        return self._workers[task].pid if task in self._workers else None

    def give_up(self) -> None:
        """End the workers and the scorer."""
        for worker in self._workers.values():
            worker.end()
        super().give_up()

    def _send(self) -> None:
        with suppress(DrillFailed):
            await_("the scorer's start", lambda: (found := self.status()) and found.state == "running")
            common = {"pipeline": self.run.stream.pipeline, "stream": self.run.stream.id, "run": self.run.id}
            # What the scorer counts with it has from the spec.
            others = {"model", *self.ground.subject.pipeline.options}
            asked = {key.replace("_", "-"): value for key, value in self._params.items() if key not in others}
            self._workers["plot_live"] = Worker(self, "liveplot", common)
            self._workers["replay"] = Worker(self, "replay", {**common, **asked})

    def _launch(self) -> None:
        launch.start(self._spec, self.ground.servers, self.store, self.ground.work)

    def _look(self) -> Any:
        return look(self.store, self.run.stream, self._watch)

    def _await_drained(self) -> None:
        flush = self.flush()

        def verdict() -> Any:
            found = until_drained(self._look(), flush)
            if found and found.outcome == Outcome.LOST:
                self.notes.append("the wait started the scorer again")
                self._launch()
                return None
            return found

        found = await_("the drain", verdict)
        if found.outcome != Outcome.READY:
            raise DrillFailed(found.sentence)


class Worker:
    """A process of the foundation that is started again when it is killed, as Airflow does with a task."""

    def __init__(self, trial: Trial, module: str, options: Mapping[str, Any]) -> None:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._argv = [sys.executable, "-m", f"streamweir.{module}", *words]
        ground = trial.ground
        self._env = launch.environment(Servers(ground.kafka, ground.tasks, ground.servers.spark))
        self._log = ground.stack.layout.log(f"drill-{trial.run.id}-{module}")
        self._process: subprocess.Popen[bytes] | None = None
        self._code: int | None = None
        self._wanted = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The process that works now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def end(self) -> None:
        """Kill it, for good."""
        self._wanted = False
        if self._process is not None:
            self._process.kill()

    def join(self) -> None:
        """Wait for its end; raises DrillFailed when it failed."""
        self._thread.join(PATIENCE_S)
        if self._code != 0:
            raise DrillFailed(f"{self._argv[2]} ended with {self._code}: see {self._log}")

    def _run(self) -> None:
        with self._log.open("ab") as log:
            for _ in range(_TRIES):
                self._process = subprocess.Popen(self._argv, env=self._env, stdout=log, stderr=log)
                self._code = self._process.wait()
                if self._code >= 0 or not self._wanted:
                    return
