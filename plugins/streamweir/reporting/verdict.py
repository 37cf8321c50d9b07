"""The outcome of a run, and in one sentence each what speaks against it."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamweir.contracts.rejected import WARN_SHARE
from streamweir.reporting.compared import in_words
from streamweir.reporting.inputs import Bundle

SUCCESS = "success"
WARNING = "warning"
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
    """A run's outcome; `failures` has the first cause first. A success has neither failures nor warnings."""

    failures: tuple[Failure, ...]
    warnings: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """`success`, `warning` for one that a person should look at, or `failed`."""
        if self.failures:
            return FAILED
        return WARNING if self.warnings else SUCCESS


def judge(bundle: Bundle) -> Verdict:
    """A run succeeded when no task failed, the ledger adds up, no critical expectation failed, and it could
    be compared with the run that was named, if one was.

    It is a warning when a larger share of a topic's rows was rejected than its `warn_rejected_share`.
    """
    return Verdict((*_failed_tasks(bundle), *_failed_results(bundle)), tuple(_warnings(bundle)))


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
        yield Failure(f"The ledger says: {bundle.ledger['problem']}.")
    if bundle.quality is None and not failed:
        yield Failure("The results were not validated.")
    critical = sum(check["severity"] == CRITICAL and not check["success"] for check in bundle.quality or ())
    if critical and "validate" not in failed:
        yield Failure(f"{critical} critical expectation{'s' if critical > 1 else ''} failed: see quality.")
    if bundle.comparison and "problem" in bundle.comparison:
        yield Failure(f"{in_words(bundle.comparison)}.")


def _warnings(bundle: Bundle) -> Iterator[str]:
    allowed = (bundle.parameters or {}).get("warn_rejected_share", WARN_SHARE)
    for topic in (bundle.ledger or {"set_aside": {}})["set_aside"].values():
        if topic["share"] > allowed:
            yield f"More than {100 * allowed:g} % is worth a look at the dataset: {topic['sentence']}."
