"""The faults by name: in which kind of run each strikes, and how one sees that the run has got over it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.drills import blows
from tests.drills.blows import Inject
from tests.drills.trials import AirflowTrial, HelpedTrial, PlainTrial, Trial

Measure = Callable[[Trial], int]


@dataclass(frozen=True)
class Fault:
    """A fault. The run has got over it when `reached` is as far as `goal` was just after the blow."""

    inject: Inject
    trial: type[Trial]
    goal: Measure
    reached: Measure


def _stream(inject: Inject, trial: type[Trial]) -> Fault:
    """Over when a message that was sent after the blow, if there was one, has been worked on."""
    return Fault(inject, trial, _next_message, lambda trial: trial.worked())


def _flow(inject: Inject) -> Fault:
    """Over when Airflow has finished another task of the run."""
    return Fault(inject, AirflowTrial, lambda trial: _finished(trial) + 1, _finished)


def _next_message(trial: Trial) -> int:
    return min(trial.sent() + 1, trial.end)


def _finished(trial: Trial) -> int:
    assert isinstance(trial, AirflowTrial)
    return trial.finished()


FAULTS: Mapping[str, Fault] = {
    "driver-at-work": _stream(blows.driver_at_work, PlainTrial),
    "driver-between": _stream(blows.driver_between, PlainTrial),
    "keeper": _stream(blows.keeper, PlainTrial),
    "second-scorer": _stream(blows.second_scorer, PlainTrial),
    "replay": _stream(blows.replay_in_batch, AirflowTrial),
    "kafka": _stream(blows.server("kafka"), AirflowTrial),
    "minio": _stream(blows.server("minio"), AirflowTrial),
    "scorer": _stream(blows.scorer, AirflowTrial),
    "restart": _stream(blows.restart, HelpedTrial),
    "plot": _flow(blows.plot),
    "task": _flow(blows.waiting_task),
    "scheduler": _flow(blows.server("airflow-scheduler")),
    "triggerer": _flow(blows.triggerer),
    "postgres": _flow(blows.server("postgres")),
}
"""Those that strike the stream alone go without Airflow, which is much faster; they come first."""
