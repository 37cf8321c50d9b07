"""The scorer's life as Airflow sees it: started detached, waited for deferred."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Context

from streamweir.contracts.streams import ObjectKey, Stream, stream_id_of
from streamweir.errors import RunFailed, StreamweirError
from streamweir.work import work_folder
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.operators.base import Result, StreamweirOperator
from streamweir_airflow.waiting import Outcome

if TYPE_CHECKING:
    from streamweir.scorer.spec import ScorerSpec

_LOG = logging.getLogger(__name__)
_STARTS_WITHIN = timedelta(minutes=5)
ASK_AGAIN = 3
"""How often a task starts a scorer again that is gone."""
UNIVERSAL = "UTC"

Event = dict[str, Any]


class ScorerOperator(StreamweirOperator):
    """What tasks that wait for a scorer share. stage: which of the pipeline's, where it has several."""

    def __init__(self, *, stage: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """All that the scorer writes: its status, its tables."""
        return self.stream(attempt).own

    def stream(self, attempt: Attempt) -> Stream:
        """The run's stream as the stage has it."""
        return attempt.run.stream.of_stage(self.stage)

    def wait(
        self, attempt: Attempt, wait: str, *, within: timedelta | None = None, **arguments: Any
    ) -> NoReturn:
        """Give the worker slot back until the trigger's wait is over; `resume` goes on then."""
        from streamweir_airflow.triggers import ScorerTrigger

        stream = self.stream(attempt)
        deadline = (datetime.now(UTC) + within).isoformat() if within else None
        self.defer(
            trigger=ScorerTrigger(
                wait=wait,
                pipeline=stream.pipeline,
                stream=stream.id,
                stage=stream.stage,
                deadline=deadline,
                outage_s=attempt.outage_s,
                **arguments,
            ),
            method_name="resume",
        )
        raise AssertionError("a deferred task does not go on here")

    def resume(self, context: Context, event: Event) -> Result:
        """Airflow's entry after the wait."""
        return self.recorded(context, lambda attempt: self.after(attempt, event))

    def error(self, attempt: Attempt, event: Event) -> StreamweirError:
        """What the end of a wait stands for, in the scorer's own words and of its exit code's type."""
        from streamweir.scorer import status

        found = status.read(attempt.store, self.stream(attempt))
        error = status.failure(found) if found else None
        kind = RunFailed if event["outcome"] == Outcome.FAILED else StreamweirError
        last = f"; its last error: {found.error}" if found and found.error else ""
        return error or kind(f"{event['sentence']}{last}")

    def after(self, attempt: Attempt, event: Event) -> Result:
        """Turn how the wait ended into the task's end."""
        raise NotImplementedError


class StartScorer(ScorerOperator):
    """Starts the stream's scorer outside Airflow, or attaches to the one that runs; returns its spec."""

    template_fields: Sequence[str] = ("dataset", "model")

    def __init__(self, *, dataset: str, model: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.model = model

    def work(self, attempt: Attempt) -> Result:
        """Defers until the first progress."""
        launch(attempt, self.spec(attempt))
        self.wait(attempt, "started", within=_STARTS_WITHIN)

    def after(self, attempt: Attempt, event: Event) -> Result:
        """Raises the driver's own error, of the type that its exit code stands for."""
        if event["outcome"] == Outcome.READY:
            self.log.info("the scorer of stream %s is at work", self.stream(attempt))
            return self.spec(attempt).to_json()
        raise self.error(attempt, event)

    def spec(self, attempt: Attempt) -> "ScorerSpec":
        """What to score, and with what."""
        from streamweir.contracts.pipelines import pipeline as pipeline_of
        from streamweir.scorer.spec import ScorerSpec

        params, pipeline = attempt.params, pipeline_of(attempt.run.stream.pipeline)
        return ScorerSpec(
            stream=self.stream(attempt),
            scorer=stream_id_of(attempt.run.id),
            dataset=self.dataset,
            model=self.model,
            # A pipeline whose results know no local time has no such param.
            time_zone=params.get("time_zone", UNIVERSAL),
            lateness_s=params.get("lateness_s", pipeline.lateness_s),
            max_messages=pipeline.max_messages,
            options={name: params[name] for name in pipeline.options},
            outage_s=attempt.outage_s,
        )


class AwaitDrained(ScorerOperator):
    """Waits until every message of the run is processed: the flush, and what was put back of the run since.

    When nobody works on the stream any more, though nobody asked for that, the scorer is started again.
    """

    template_fields: Sequence[str] = ("scorer",)

    def __init__(self, *, scorer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scorer = scorer

    def work(self, attempt: Attempt) -> Result:
        """Defers until that is processed; tried again, it starts a failed or stopped scorer, too."""
        from streamweir.scorer.health import Watch
        from streamweir_airflow.waiting import look, until_drained

        manifest = attempt.store.get_json(attempt.run.manifest)
        if manifest is None:
            raise RunFailed(f"the replay left no manifest at {attempt.run.manifest}: clear the task replay")
        redriven = attempt.store.get_json(attempt.run.redriven) or {}
        flush = max(manifest["flush_sequence"], redriven.get("last_sequence", -1))
        waited = until_drained(look(attempt.store, self.stream(attempt), Watch()), flush)
        if waited and waited.outcome == Outcome.READY:
            self.log.info("nothing to wait for: all messages up to sequence %d are processed", flush)
            return self._drained(attempt, flush, 0)
        if waited and (waited.outcome == Outcome.LOST or attempt.again):
            self.start_again(attempt, waited.sentence)
        self.wait(attempt, "drained", flush_sequence=flush)

    def after(self, attempt: Attempt, event: Event) -> Result:
        """Raises the driver's last error when the scorer is beyond help."""
        flush, again = event["flush_sequence"], event["asked_again"] + 1
        if event["outcome"] == Outcome.READY:
            self.log.info("all messages up to sequence %d are processed", flush)
            return self._drained(attempt, flush, event["asked_again"])
        if event["outcome"] != Outcome.LOST or again > ASK_AGAIN:
            raise self.error(attempt, event)
        self.start_again(attempt, event["sentence"])
        self.wait(attempt, "drained", flush_sequence=flush, asked_again=again)

    def start_again(self, attempt: Attempt, why: str) -> None:
        """Start the run's scorer as it was started before; it goes on from its checkpoint."""
        from streamweir.scorer.spec import ScorerSpec

        self.log.warning("starting the scorer again: %s", why)
        launch(attempt, ScorerSpec.from_json(self.scorer))

    def _drained(self, attempt: Attempt, flush_sequence: int, started_again: int) -> Result:
        from streamweir.scorer import status

        found = status.read(attempt.store, self.stream(attempt))
        return {
            "flush_sequence": flush_sequence,
            "started_again": started_again,
            "scoring": found.scoring if found else "",
        }


def launch(attempt: Attempt, spec: "ScorerSpec") -> None:
    """Start the scorer, or attach to the one that runs if it does what this run needs."""
    from streamweir.scorer.launch import Attached, start

    found = start(spec, attempt.scorer_servers, attempt.store, work_folder())
    if isinstance(found, Attached):
        _LOG.info("stream %s has had a scorer since %s: attached to it", spec.stream, found.status.started_at)
    else:
        _LOG.info("a scorer for stream %s is on its way; its log is %s", spec.stream, found.log)
