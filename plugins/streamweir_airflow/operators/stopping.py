"""Stopping scorers: the run's own as a teardown, and those of a stream by name."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from streamweir.contracts.streams import ObjectKey, stream_id_of
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.operators.base import Result
from streamweir_airflow.operators.scorer import Event, ScorerOperator
from streamweir_airflow.waiting import Outcome

if TYPE_CHECKING:
    from streamweir.scorer.status import Status

_STOPS_WITHIN = timedelta(minutes=3)


class StopScorer(ScorerOperator):
    """Asks the run's scorer to stop and waits until it has.

    Does nothing when there is none, or when the run only attached to another run's.
    """

    def work(self, attempt: Attempt) -> Result:
        """Defers until no scorer works on the stream."""
        if attempt.params.get("keep_scorer"):
            self.log.info("the scorer goes on, as keep_scorer asks")
            return {"kept": True}
        status = self.at_work(attempt)
        if status is None:
            self.log.info("nothing to stop: no scorer works on stream %s", self.stream(attempt))
            return {"stopped": False}
        if status.scorer != stream_id_of(attempt.run.id):
            # Another run's may be at work for others.
            self.log.info("the scorer was started by %s, not by this run, and goes on", status.scorer)
            return {"kept": True}
        self.ask(attempt)
        self.wait(attempt, "stopped", within=_STOPS_WITHIN)

    def at_work(self, attempt: Attempt) -> "Status | None":
        """The status of a scorer that can be asked; None where there is none."""
        from streamweir.scorer.health import Health, Watch
        from streamweir_airflow.waiting import look

        seen = look(attempt.store, self.stream(attempt), Watch())
        # One without a word for long is asked, too: it may only be slow, and would hear it when it comes up.
        return None if seen.health in (Health.ENDED, Health.FAILED) else seen.status

    def ask(self, attempt: Attempt) -> None:
        """Ask the scorer to stop."""
        from streamweir.scorer import stop

        stop.request(attempt.store, self.stream(attempt), f"task {self.task_id} of run {attempt.run.id}")

    def after(self, attempt: Attempt, event: Event) -> Result:
        """Raises when the scorer did not stop in time."""
        if event["outcome"] != Outcome.READY:
            raise self.error(attempt, event)
        if event["sentence"]:
            self.log.warning(event["sentence"])
        self.log.info("no scorer works on stream %s any more", self.stream(attempt))
        return {"stopped": True}


class StopStream(StopScorer):
    """The same for all stages of whichever stream the DAG's params name, whoever started them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(in_bundle=False, **kwargs)

    def attempt(self, context: Context) -> Attempt:
        """The pipeline is a param here."""
        return Attempt.of(context["params"]["pipeline"], context)

    def work(self, attempt: Attempt) -> Result:
        """Asks all of them, and then waits for one after the other."""
        asked = False
        for stage in _stages(attempt):
            self.stage = stage
            if self.at_work(attempt):
                self.ask(attempt)
                asked = True
        if not asked:
            self.log.info("nothing to stop: no scorer works on stream %s", attempt.run.stream)
        self.wait_for_each(attempt, _stages(attempt))
        return {"stopped": asked}

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """What all stages keep."""
        return attempt.run.stream.root

    def after(self, attempt: Attempt, event: Event) -> Result:
        """Raises when a stage did not stop in time."""
        stages, self.stage = _stages(attempt), event.get("stage", "")
        result = super().after(attempt, event)
        self.wait_for_each(attempt, stages[stages.index(self.stage) + 1 :])
        return result

    def wait_for_each(self, attempt: Attempt, stages: Sequence[str]) -> None:
        """Defers until the first of these stages that is at work has stopped; `after` goes on behind it."""
        for stage in stages:
            self.stage = stage
            if self.at_work(attempt):
                self.wait(attempt, "stopped", within=_STOPS_WITHIN)


def _stages(attempt: Attempt) -> list[str]:
    return [stage.name for stage in attempt.pipeline.stages]
