"""Delayed batches on real servers: late are the records of those that come too late, and no others.

The run is marked as failed in each of its phases, and carried on every time as the DAG's page says.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamweir.broker.records import topic_end
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import FRAUD_SLIDE_S, FRAUD_WINDOW_S
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from tests.drills.airflow import Airflow
from tests.drills.trials import await_
from tests.oracle import ecommerce_fraud as oracle
from tests.support.dag_runs import begun_run, outcome, table
from tests.support.hostile_dataset import START_TS

LATENESS_S = 200
IN_TIME, LATE, ALSO_LATE = 5, 1, 34
ROWS = 25
SPEED = 16
"""The replay lasts 20 s, so that it can be ended in the middle."""
DAG = "ecommerce_fraud"
BEFORE, AFTER = ("ensure_dataset", "start_scorer"), ("await_drained", "validate")
"""Where the run is ended, before and after it is in the middle of its replay."""
WAITING = ("waiting", "scheduled", "queued")


@dataclass(frozen=True)
class Ended:
    """A run that was marked as failed, as it was when it had ended."""

    run: Run
    outcome: str
    states: dict[str, str]
    summary: dict[str, Any]
    report: str


@pytest.fixture(scope="module")
def ended(airflow: Airflow, store: ObjectStore, kafka: KafkaConnection, run: Run, dataset: Path) -> Ended:
    """A run with another lateness than the default, and the model that the first run has trained."""
    late = f"{IN_TIME}:{LATENESS_S},{LATE}:{LATENESS_S + 1},{ALSO_LATE}:{LATENESS_S + 60}"
    parameters = {"late": late, "lateness_s": LATENESS_S, "batch_rows": ROWS, "start_ts": START_TS}
    found = begun_run(airflow, DAG, {"dataset": str(dataset), "speed": SPEED, **parameters})
    for task in BEFORE:
        end_in(airflow, found, task)
        carry_on(airflow, found)
    await_("a plan", lambda: store.exists(found.plan))
    await_("a message", lambda: topic_end(kafka, found.stream.topic("browsing")).last)
    airflow.give_up(DAG, found.id)
    ended_as = outcome(airflow, found)
    assert not store.exists(found.manifest), "the replay was through before it was ended"
    return Ended(
        found,
        ended_as,
        states(airflow, found),
        store.get_json(found.summary),
        (store.get(found.report) or b"").decode(),
    )


@pytest.fixture(scope="module")
def delayed(airflow: Airflow, ended: Ended) -> Run:
    """The same run, carried on to its success."""
    carry_on(airflow, ended.run)
    for task in AFTER:
        end_in(airflow, ended.run, task)
        carry_on(airflow, ended.run)
    assert outcome(airflow, ended.run) == "success", airflow.tasks(DAG, ended.run.id)
    return ended.run


def states(airflow: Airflow, run: Run) -> dict[str, str]:
    return {task.task: task.state for task in airflow.tasks(DAG, run.id)}


def end_in(airflow: Airflow, run: Run, task: str) -> None:
    """Mark the run as failed once this task has begun; a short one may be through by then.

    Not before: Airflow lets a task that an executor is about to start go on, whatever its run was marked as.
    """
    await_(f"the task {task}", lambda: states(airflow, run)[task] not in WAITING)
    airflow.give_up(DAG, run.id)
    assert outcome(airflow, run) == "failed", states(airflow, run)


def carry_on(airflow: Airflow, run: Run) -> None:
    """Clear the tasks that did not succeed, with all tasks after them."""
    airflow.clear(DAG, run.id, [task for task, state in states(airflow, run).items() if state != "success"])


@pytest.fixture(scope="module")
def ledger(store: ObjectStore, delayed: Run) -> dict[str, Any]:
    found: dict[str, Any] = store.get_json(delayed.ledger)
    return found


def test_a_run_that_is_marked_as_failed_is_a_failed_run_and_its_report_says_so(ended: Ended) -> None:
    assert (ended.outcome, ended.summary["outcome"]) == ("failed", "failed")
    assert {task for task, state in ended.states.items() if state == "success"} == {
        "provision_topics",
        "ensure_dataset",
        "ensure_model",
        "start_scorer",
        "stop_scorer",
    }
    assert {ended.states[task] for task in ("replay", "plot_live", "publish_report")} == {"failed"}
    assert {ended.states[task] for task in ("await_drained", "reconcile", "validate", "plot")} == {"skipped"}
    assert "replay" in {failure["task"] for failure in ended.summary["failures"]}
    assert ended.run.id in ended.report
    assert "marked as failed" in ended.report


def test_it_is_carried_on_from_where_it_was_and_at_the_first_time(
    airflow: Airflow, store: ObjectStore, delayed: Run
) -> None:
    tries = {task.task: task.tries for task in airflow.tasks(DAG, delayed.id)}
    assert (tries["provision_topics"], tries["replay"]) == (1, 2)
    assert store.get_json(delayed.manifest)["resumed_at_sequence"] > 0
    assert store.get_json(delayed.summary)["outcome"] == "success"


def test_the_log_of_a_replay_holds_its_own_words_and_no_errors(airflow: Airflow, delayed: Run) -> None:
    lines = airflow.log(DAG, delayed.id, "replay", 2)
    said = [str(line["event"]) for line in lines]
    assert any(text.startswith(f"replaying {delayed.id}: ") for text in said), said
    assert sum(text.startswith("the result lies at s3://") for text in said) == 1, said
    assert [line for line in lines if line.get("level") == "error"] == []
    assert [line for line in lines if str(line.get("logger")).startswith("kafka")] == []


def test_the_late_records_are_exactly_those_of_the_batches_that_came_too_late(
    store: ObjectStore, delayed: Run, dataset: Path, ledger: dict[str, Any]
) -> None:
    batch = oracle.compute(dataset, START_TS, batch_rows=ROWS)
    sent = {index: batch.sent(index) for index in (LATE, ALSO_LATE)}
    found = table(store, delayed, "rejected").query("reason == 'late'")
    for topic in ("browsing", "transactions"):
        expected = {index: len(rows[topic]) for index, rows in sent.items()}
        assert sum(expected.values()) > 0
        said = {line["batch_index"]: line["topics"][topic]["late"] for line in ledger["batches"]}
        assert {index: rows for index, rows in said.items() if rows} == {
            k: n for k, n in expected.items() if n
        }
        assert found[found.topic == topic].groupby("batch_index").rows.sum().to_dict() == {
            index: rows for index, rows in expected.items() if rows
        }
    transactions = [name for rows in sent.values() for name in rows["transactions"]]
    assert sorted(found[found.topic == "transactions"].id) == sorted(transactions)


def test_what_came_late_is_in_no_other_table_and_all_is_accounted_for(
    store: ObjectStore, delayed: Run, ledger: dict[str, Any]
) -> None:
    assert (ledger["outcome"], ledger["unexplained"]) == ("success", 0)
    batches = set(table(store, delayed, "predictions").batch_index)
    assert IN_TIME in batches
    assert not {LATE, ALSO_LATE} & batches


def test_every_window_closes_although_more_lateness_is_allowed(store: ObjectStore, delayed: Run) -> None:
    predictions, windows = (table(store, delayed, name) for name in ("predictions", "fraud_windows"))
    assert len(predictions) > 500
    assert windows.scored.sum() == len(predictions) * FRAUD_WINDOW_S // FRAUD_SLIDE_S


def test_a_run_that_is_through_can_be_cleared_from_its_first_task_on(
    airflow: Airflow, store: ObjectStore, delayed: Run
) -> None:
    before = {key: store.get(key) for key in store.list(delayed.bundle) if key.key.endswith("/data.parquet")}
    assert len(before) > 3
    airflow.clear(DAG, delayed.id, ["provision_topics"])
    assert outcome(airflow, delayed) == "success", airflow.tasks(DAG, delayed.id)
    assert {key: store.get(key) for key in before} == before
    assert store.get_json(delayed.summary)["outcome"] == "success"
