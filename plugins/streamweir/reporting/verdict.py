"""The outcome of a run, and in one sentence each what speaks against it."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamweir.reporting.inputs import Bundle

SUCCESS = "success"
FAILED = "failed"
CRITICAL = "critical"
PUBLISH_TASK = "publish_report"


@dataclass(frozen=True)
class Failure:
    """What went wrong, and the task in which it did, where it was one."""

    sentence: str
    task: str = ""


@dataclass(frozen=True)
class Verdict:
    """A run's outcome; `failures` has the first cause first and is empty for a success."""

    failures: tuple[Failure, ...]

    @property
    def outcome(self) -> str:
        """`success` or `failed`."""
        return FAILED if self.failures else SUCCESS


def judge(bundle: Bundle) -> Verdict:
    """A run succeeded when no task failed, the ledger adds up, and no critical expectation failed."""
    return Verdict((*_failed_tasks(bundle), *_failed_results(bundle)))


def _failed_tasks(bundle: Bundle) -> Iterator[Failure]:
    for record in bundle.tasks:
        # The task that publishes fails because the run did: that says nothing new.
        if record["outcome"] != SUCCESS and record["task"] != PUBLISH_TASK:
            yield Failure(record.get("error") or "it gave no reason; see its log in Airflow", record["task"])


def _failed_results(bundle: Bundle) -> Iterator[Failure]:
    failed = {record["task"] for record in bundle.tasks if record["outcome"] != SUCCESS}
    if bundle.ledger is None and not failed:
        yield Failure("The run was not reconciled: nobody knows whether all rows came through.")
    if bundle.ledger is not None and bundle.ledger["outcome"] != SUCCESS and "reconcile" not in failed:
        yield Failure(
            f"{bundle.ledger['unexplained']:,} rows are unexplained or two counts differ: see the ledger."
        )
    if bundle.quality is None and not failed:
        yield Failure("The results were not validated.")
    critical = sum(check["severity"] == CRITICAL and not check["success"] for check in bundle.quality or ())
    if critical and "validate" not in failed:
        yield Failure(f"{critical} critical expectation{'s' if critical > 1 else ''} failed: see quality.")
