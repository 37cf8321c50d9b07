"""Watching a run: a live table of its tasks in a terminal, a line per change otherwise."""

import time
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from infra.demo.airflow_api import AirflowApi, TaskState
from streamweir.contracts.pipelines import stages_of
from streamweir.contracts.runs import Run
from streamweir.errors import DependencyUnreachable
from streamweir.objectstore import ObjectStore
from streamweir.scorer import status

_LOOK_EVERY_S = 1.0
_LINE_EVERY_S = 10.0
_PATIENCE_S = 120
_ENDED = ("success", "failed")
_STYLES = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "red",
    "running": "yellow",
    "deferred": "magenta",
    "up_for_retry": "dark_orange",
}


@dataclass(frozen=True)
class Look:
    """What one look shows: the run's state, its tasks, a sentence about the scorer."""

    state: str
    tasks: list[TaskState]
    scorer: str


@dataclass
class Watch:
    """Follows a run until it has ended."""

    airflow: AirflowApi
    store: ObjectStore
    run: Run
    console: Console
    _said: dict[str, str] = field(default_factory=dict, init=False)
    _scorer_said_at: float = field(default=0.0, init=False)

    @property
    def page(self) -> str:
        """The run's page in Airflow."""
        return self.airflow.run_page(self.run.stream.pipeline, self.run.id)

    def to_the_end(self) -> str:
        """Show the run until it has ended; returns its state.

        Raises DependencyUnreachable when Airflow does not answer for two minutes.
        """
        self.console.print(f"run {self.run.id}: {self.page}")
        looks = Retrying(
            retry=retry_if_result(lambda state: state not in _ENDED), wait=wait_fixed(_LOOK_EVERY_S)
        )
        if not self.console.is_terminal:
            return str(looks(self._say))
        with Live(console=self.console, auto_refresh=False) as live:
            return str(looks(self._draw, live))

    def look(self) -> Look:
        """Look once; Airflow may be away for a while."""
        patient = Retrying(
            retry=retry_if_exception_type(DependencyUnreachable),
            stop=stop_after_delay(_PATIENCE_S),
            wait=wait_fixed(2 * _LOOK_EVERY_S),
            reraise=True,
        )
        dag = self.run.stream.pipeline
        tasks = patient(self.airflow.tasks, dag, self.run.id)
        return Look(patient(self.airflow.run_state, dag, self.run.id), tasks, self._scorer())

    def _draw(self, live: Live) -> str:
        look = self.look()
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for task in look.tasks:
            state = Text(task.state, style=_STYLES.get(task.state, "dim"))
            table.add_row(task.task, state, _seconds(task))
        live.update(Group(table, Text(look.scorer, style="dim")), refresh=True)
        return look.state

    def _say(self) -> str:
        look = self.look()
        for task in look.tasks:
            if self._said.get(task.task, "waiting") != task.state:
                self._said[task.task] = task.state
                self.console.print(f"{task.task}: {task.state} {_seconds(task)}".rstrip())
        moved = look.scorer != self._said.get("", "")
        if moved and time.monotonic() - self._scorer_said_at > _LINE_EVERY_S:
            self._said[""], self._scorer_said_at = look.scorer, time.monotonic()
            self.console.print(look.scorer)
        return look.state

    def _scorer(self) -> str:
        stages = stages_of(self.run.stream)
        try:
            found = [(stage.stage or "scorer", status.read(self.store, stage)) for stage in stages]
        except DependencyUnreachable:
            return "the object store does not answer"
        return "; ".join(status.in_words(seen, name) for name, seen in found if seen)


def _seconds(task: TaskState) -> str:
    tries = f", try {task.tries}" if task.tries > 1 else ""
    return "" if task.seconds is None else f"{task.seconds:.1f} s{tries}"
