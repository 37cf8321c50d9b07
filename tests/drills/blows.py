"""What each fault does: it waits for its moment, strikes, and says where it struck."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import psutil

from streamweir.errors import StreamHeld
from streamweir.scorer import launch
from tests.drills.moments import Moment, OpenTransaction, frozen, kill, micro_batch, strike
from tests.drills.trials import AirflowTrial, DrillFailed, Trial, await_

_WAITING = ("start_scorer", "await_drained", "stop_scorer")
"""The tasks that wait for a scorer: in a process at first, then deferred."""
_NEARLY_ALL = 0.9
"""As a share of the run's batches: of a drilled run more than a second is left."""


@dataclass(frozen=True)
class Blow:
    """Where a fault struck, in words, and when, by the monotonic clock."""

    where: str
    at: float


Inject = Callable[[Trial, Moment], Blow]


def driver_at_work(trial: Trial, moment: Moment) -> Blow:
    """Kill the driver, its JVM and its Python, in the middle of a micro-batch."""
    moment.await_worked(trial)
    return Blow(*strike(moment, lambda: trial.scorer("driver"), lambda: micro_batch(trial)[1]))


def driver_between(trial: Trial, moment: Moment) -> Blow:
    """Kill the driver between two micro-batches."""

    def between() -> str:
        planned, unfinished = micro_batch(trial)
        return "" if unfinished else f"after micro-batch {planned}"

    moment.await_worked(trial)
    return Blow(*strike(moment, lambda: trial.scorer("driver"), between))


def replay_in_batch(trial: Trial, moment: Moment) -> Blow:
    """Kill the replay while the transaction of a batch is open."""
    moment.await_sent(trial)
    with closing(OpenTransaction(trial)) as is_open:
        return Blow(*strike(moment, lambda: _process_of(trial, "replay"), is_open))


def plot(trial: Trial, moment: Moment) -> Blow:
    """Kill the consumer that draws."""
    moment.await_sent(trial)
    return _kill(_process_of(trial, "plot_live"), f"at batch {moment.sequence}")


def keeper(trial: Trial, moment: Moment) -> Blow:
    """Kill the keeper, whose guard starts it again, or the guard, or both: their driver goes on alone."""
    moment.await_worked(trial)
    guard, keeper = sorted(trial.scorer("keeper"), key=psutil.Process.create_time)
    chances = {"the keeper": [keeper], "its guard": [guard], "keeper and guard": [guard, keeper]}
    who = moment.chance.choice(list(chances))
    return _kill(chances[who], f"{who} at batch {moment.sequence}")


def scorer(trial: Trial, moment: Moment) -> Blow:
    """Kill keeper and driver at once, as a machine that dies would."""
    moment.await_worked(trial)
    return _kill(trial.scorer(), f"at batch {moment.sequence}")


def second_scorer(trial: Trial, moment: Moment) -> Blow:
    """Start a second scorer on the stream: it ends with exit code 5, and the first one is left alone."""
    moment.await_worked(trial)
    folder = trial.ground.work / "scorers" / str(trial.run.stream)
    argv = [sys.executable, "-m", "streamweir.scorer.keeper", "--holder", "second"]
    argv += ["--spec", str(next(folder.glob("*.json")))]
    before, at = trial.status(), time.monotonic()
    done = subprocess.run(
        argv, env=launch.environment(trial.ground.servers), capture_output=True, check=False
    )
    after = trial.status()
    if done.returncode != StreamHeld.exit_code:
        raise DrillFailed(f"the second scorer ended with {done.returncode}: {done.stderr[-300:]!r}")
    if not (before and after and (after.holder, after.restarts) == (before.holder, before.restarts)):
        raise DrillFailed(f"the first scorer was disturbed: {after}")
    return Blow(f"at batch {moment.sequence}; exit code 5 after {time.monotonic() - at:.0f} s", at)


def server(name: str) -> Inject:
    """Kill one of the stack's servers; the supervisor starts it again."""

    def inject(trial: Trial, moment: Moment) -> Blow:
        moment.await_sent(trial)
        pid = trial.ground.stack.supervisor.state(name).pid
        return _kill([psutil.Process(pid)], f"at batch {moment.sequence}")

    return inject


def triggerer(trial: Trial, moment: Moment) -> Blow:
    """Kill the triggerer while a task is deferred."""
    task = moment.chance.choice(_WAITING[:2])
    if task == "start_scorer":
        return _triggerer_of(trial, moment, task)
    # A driver that keeps pace leaves nothing to wait for: it is held from just before the end until the blow.
    await_("nearly all on the topics", lambda: trial.sent() >= _NEARLY_ALL * trial.end, look_s=0.1)
    with frozen(trial.scorer("driver")):
        return _triggerer_of(trial, moment, task)


def _triggerer_of(trial: Trial, moment: Moment, task: str) -> Blow:
    await_(f"{task} to be deferred", lambda: _state(trial, task) == "deferred", look_s=0.1)
    time.sleep(moment.chance.uniform(0, 0.5))
    pid = trial.ground.stack.supervisor.state("airflow-triggerer").pid
    return _kill([psutil.Process(pid)], f"while {task} was {_state(trial, task)}")


def waiting_task(trial: Trial, moment: Moment) -> Blow:
    """Kill the process of a task that waits for the scorer."""
    task = moment.chance.choice(_WAITING)
    targets = await_(f"{task} to run", lambda: _process_of(trial, task), look_s=0.02)
    return _kill(targets, f"in the middle of {task}")


def restart(trial: Trial, moment: Moment) -> Blow:
    """End the whole stack as `make down` does, and start it again."""
    moment.await_worked(trial)
    stack, at = trial.ground.stack, time.monotonic()
    stack.down(trial.ground.board())
    down_s = time.monotonic() - at
    stack.up(trial.ground.board())
    up_s = time.monotonic() - at - down_s
    return Blow(f"at batch {moment.sequence}; down {down_s:.0f} s, up {up_s:.0f} s", at)


def _kill(targets: Sequence[psutil.Process], where: str) -> Blow:
    if not targets:
        raise DrillFailed("there is no process to strike")
    kill(targets)
    return Blow(where, time.monotonic())


def _process_of(trial: Trial, task: str) -> list[psutil.Process]:
    pid = trial.pid(task)
    # By its number alone a process could be anybody's; this one must belong to the drill's own stack.
    return [process for process in trial.ground.processes("") if process.pid == pid]


def _state(trial: Trial, task: str) -> str:
    assert isinstance(trial, AirflowTrial)
    found = trial.ground.airflow.tasks(trial.dag, trial.run.id)
    return next(item.state for item in found if item.task == task)
