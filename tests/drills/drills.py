"""One drill after another: a run, a fault, a comparison, a verdict."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamweir.errors import StreamweirError
from streamweir.scorer.spec import ScorerSpec
from tests.drills.compare import Outcome, differences, outcome
from tests.drills.faults import FAULTS
from tests.drills.ground import START_TS, Ground, Model
from tests.drills.moments import Moment
from tests.drills.trials import AirflowTrial, DrillFailed, Trial, await_

Say = Callable[[str], None]


@dataclass(frozen=True)
class Drill:
    """A drill and what came of it.

    back_s: from the blow until the run had got over it. seconds: the whole run. rows: that were compared.
    said: why it failed.
    """

    fault: str
    where: str = ""
    seen: str = ""
    back_s: float | None = None
    seconds: float = 0.0
    rows: int = 0
    said: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the run came out as the fault-free one."""
        return not self.said


def chosen(fault: str, count: int) -> list[str]:
    """The faults to drill: the one that was asked for, else each, and again from the first."""
    names = [fault] if fault else list(FAULTS)
    return [names[number % len(names)] for number in range(max(count, len(names)))]


def fault_free(ground: Ground, say: Say) -> Model:
    """Train a model in a run without a fault; raises DrillFailed when there is nothing to compare with."""
    trial = AirflowTrial(ground, "fault-free")
    say("a run without a fault, which trains the model")
    params = {**ground.subject.params, "start_ts": START_TS}
    trial.trigger({**params, "dataset": str(ground.folder)})
    trial.finish()
    found = _outcome(trial)
    if found.unexplained or found.empty():
        raise DrillFailed(
            f"nothing to compare with in {', '.join(found.empty())}: change the params of the subject"
        )
    say(f"{found.count:,} rows to compare, after {trial.seconds:.0f} s")
    spec = ScorerSpec.from_json(_result(trial, "start_scorer"))
    same = {"dataset": spec.dataset, **({"model": spec.model} if spec.model else {})}
    return Model(found, trial.seconds, trial.flush() + 1, {**params, **same}, spec)


def drill(
    ground: Ground, model: Model, fault: str, name: str, say: Say, kind: type[Trial] | None = None
) -> Drill:
    """One drill, on a stream of this name; kind: of run, by default the one that the fault wants."""
    trial = (kind or FAULTS[fault].trial)(ground, name, model.end)
    try:
        return _drilled(trial, model, fault, Moment.draw(model.end, name), say)
    except StreamweirError as error:
        trial.give_up()
        return Drill(fault, seen=_seen(trial), seconds=trial.seconds, said=(str(error),))


def _drilled(trial: Trial, model: Model, name: str, moment: Moment, say: Say) -> Drill:
    fault = FAULTS[name]
    trial.begin(model)
    blow = fault.inject(trial, moment)
    say(f"struck {blow.where}")
    goal = await_("a look after the blow", lambda: fault.goal(trial))

    def is_over() -> bool:
        trial.tend()
        return fault.reached(trial) >= goal

    await_("a step forward after the blow", is_over)
    back_s = time.monotonic() - blow.at
    say(f"back after {back_s:.1f} s")
    trial.finish()
    found = _outcome(trial)
    return Drill(
        name,
        blow.where,
        _seen(trial),
        back_s,
        trial.seconds,
        found.count,
        tuple(differences(model.outcome, found)),
    )


def _outcome(trial: Trial) -> Outcome:
    ground = trial.ground
    return outcome(trial.run, ground.subject, ground.kafka, trial.store)


def _result(trial: Trial, task: str) -> dict[str, Any]:
    found: dict[str, Any] = trial.store.get_json(trial.run.task(task))["result"]
    return found


def _seen(trial: Trial) -> str:
    status = trial.status()
    restarts = [f"{status.restarts} restarts of the driver"] if status and status.restarts else []
    return ", ".join([*restarts, *trial.notes]) or "nothing"
