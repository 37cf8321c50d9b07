"""After the stream: ledger, quality, plots, report."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from streamweir.contracts.runs import DATA_DOCS, REPORT, Run
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, RunFailed
from streamweir.variables import MODEL_AGAIN_ROWS
from streamweir_airflow.attempt import FAILED, SKIPPED, SUCCESS, Attempt
from streamweir_airflow.operators.base import Result, StreamweirOperator
from streamweir_airflow.processes import Child

_FROM_OUTSIDE = "it was ended from outside, marked as failed or killed; see its log in Airflow"
_NOT_RUN = "it did not run, because the run was ended before: marked as failed"


class Reconcile(StreamweirOperator):
    """Draws up the ledger and the bundle's tables."""

    def work(self, attempt: Attempt) -> Result:
        """Returns the totals; raises RunFailed when a row is unexplained or nothing could be used."""
        from streamweir.ledger import reconcile

        ledger = reconcile(attempt.run, attempt.kafka, attempt.store)
        for topic, line in ledger.totals.items():
            self.log.info("%s: %s", topic, _words(line.to_dict()))
        return {topic: line.to_dict() for topic, line in ledger.totals.items()}

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """The ledger."""
        return attempt.run.ledger


class Validate(StreamweirOperator):
    """Runs the expectations as a process of the inspection room and publishes their docs."""

    @cached_property
    def child(self) -> Child:
        """The process."""
        return Child("the quality checks", self.log)

    def work(self, attempt: Attempt) -> Result:
        """Raises RunFailed when a critical expectation failed; the docs are published before."""
        self.child.run(quality_command(attempt.run, rows_again(os.environ)), attempt.child_environment)
        return {}

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """The data docs."""
        return attempt.run.data_docs

    def on_kill(self) -> None:
        """A task that is killed takes its process along."""
        self.child.end()


def rows_again(env: Mapping[str, str]) -> int:
    """The setting; raises BadConfiguration when it is no number of rows."""
    text = MODEL_AGAIN_ROWS.of(env)
    if not text.isdecimal() or int(text) < 1:
        raise BadConfiguration(f"{MODEL_AGAIN_ROWS} is {text!r}: give a whole number of rows, 1 or more")
    return int(text)


def quality_command(run: Run, again: int) -> list[str]:
    """The quality checks of a run, as a command; again: how many rows its model scores twice, at most."""
    names = {
        "--pipeline": run.stream.pipeline,
        "--stream": run.stream.id,
        "--run": run.id,
        "--rows-again": str(again),
    }
    return [sys.executable, "-m", "streamweir_quality", *(part for pair in names.items() for part in pair)]


class Plot(StreamweirOperator):
    """Draws the pipeline's plots from the bundle's tables."""

    def work(self, attempt: Attempt) -> Result:
        """Returns the plots' names."""
        from streamweir.reporting import plot

        drawn = list(plot(attempt.run, attempt.store))
        self.log.info("drew %s", ", ".join(drawn) or "nothing: there is nothing to draw")
        return {"plots": drawn}

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """The plots."""
        return attempt.run.plots


class PublishReport(StreamweirOperator):
    """Publishes report and summary of the run, whatever came of it; a failed run stays a failed run."""

    def work(self, attempt: Attempt) -> Result:
        """Returns where the report lies; raises RunFailed, after publishing, for a failed run."""
        from streamweir.reporting import publish

        self._compare(attempt)
        states = sorted(attempt.task_states().items())
        unfinished = {task: state for task, state in states if task != self.task_id and state != SUCCESS}
        _bring_up_to_date(attempt, unfinished)
        verdict = publish(attempt.run, attempt.store)
        self.log.info(
            "outcome: %s; the report lies at %s", verdict.outcome, attempt.address(attempt.run.report)
        )
        for sentence in verdict.warnings:
            self.log.warning("%s", sentence)
        reasons = [f"{failure.task}: {failure.sentence}".lstrip(": ") for failure in verdict.failures]
        if reasons or unfinished:
            why = reasons[0] if reasons else f"no success of {', '.join(unfinished)}"
            raise RunFailed(f"the run failed, {why} (the report is at {attempt.run.report})")
        return {
            "report": str(attempt.run.report),
            "outcome": verdict.outcome,
            "rows": (attempt.store.get_json(attempt.run.ledger) or {}).get("totals", {}),
        }

    def _compare(self, attempt: Attempt) -> None:
        """Set the run beside the one that was named; a run without a ledger has no tables for it."""
        from streamweir.comparison import put_comparison
        from streamweir.reporting.compared import in_words

        compare_with = attempt.params.get("compare_with")
        if compare_with and attempt.store.exists(attempt.run.ledger):
            self.log.info("%s", in_words(put_comparison(attempt.store, compare_with, attempt.run)))

    def news(self, attempt: Attempt, result: Result) -> Result:
        """The run: how it ended, its rows by input topic, and links to its report and data docs."""
        return {
            "run": attempt.run.id,
            "stream": attempt.run.stream.id,
            "outcome": result["outcome"],
            "rows": result["rows"],
            "report": attempt.link(REPORT),
            "data_docs": attempt.link(DATA_DOCS),
        }


def _words(counts: Mapping[str, int]) -> str:
    told = {name: rows for name, rows in counts.items() if rows or name in ("produced", "unexplained")}
    return ", ".join(f"{rows:,} {name.replace('_', ' ')}" for name, rows in told.items())


def _bring_up_to_date(attempt: Attempt, unfinished: Mapping[str, str | None]) -> None:
    """Let the records of these tasks say what Airflow knows: one may be from when the run was tried before,
    and a task that was killed, or had no store to write to, has left none."""
    nothing_failed = FAILED not in unfinished.values()
    for task, state in unfinished.items():
        key = attempt.run.task(task)
        record = attempt.store.get_json(key)
        if state == FAILED and (record is None or record["outcome"] != FAILED):
            replace(attempt, task=task).record(FAILED, error=_FROM_OUTSIDE)
        elif state == SKIPPED and nothing_failed:
            replace(attempt, task=task).record(FAILED, error=_NOT_RUN)
        elif state != FAILED and record is not None:
            attempt.store.delete(key)
