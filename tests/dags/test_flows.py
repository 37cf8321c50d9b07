"""The flow that all replays share: its tasks, what each waits for, and what runs after a failure."""

import pytest
from airflow.sdk import TriggerRule

from streamweir.contracts.pipelines import pipeline_names

UPSTREAM = {
    "provision_topics": set(),
    "ensure_dataset": {"provision_topics"},
    "ensure_model": {"ensure_dataset"},
    "start_scorer": {"ensure_dataset", "ensure_model"},
    "replay": {"start_scorer", "ensure_dataset"},
    "plot_live": {"start_scorer"},
    "await_drained": {"replay", "start_scorer"},
    "stop_scorer": {"await_drained"},
    "reconcile": {"await_drained", "stop_scorer"},
    "validate": {"reconcile"},
    "plot": {"reconcile"},
    "publish_report": {"plot_live", "stop_scorer", "validate", "plot"},
}
"""With a model; without one there is no `ensure_model`, and nothing waits for it."""
WITH_MODEL = ("card_fraud", "ecommerce_fraud")
WITHOUT_MODEL = ("clickstream_anomaly", "merchant_patterns")


@pytest.fixture(params=[*WITH_MODEL, *WITHOUT_MODEL])
def dag(dags, request: pytest.FixtureRequest):
    return dags[request.param]


def model_task(dag) -> set[str]:
    return {"ensure_model"} if dag.dag_id in WITH_MODEL else set()


def test_the_flow_of_every_pipeline_is_looked_at() -> None:
    assert sorted([*WITH_MODEL, *WITHOUT_MODEL]) == sorted(pipeline_names())


def test_the_tasks_and_what_each_waits_for(dag) -> None:
    left_out = {"ensure_model"} - model_task(dag)
    expected = {task: before - left_out for task, before in UPSTREAM.items() if task not in left_out}
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == expected


def test_the_scorer_is_stopped_whatever_happened(dag) -> None:
    stop = dag.get_task("stop_scorer")
    assert stop.is_teardown
    assert stop.trigger_rule == TriggerRule.ALL_DONE_SETUP_SUCCESS
    # A set-up that failed would keep the teardown from running, and a scorer may run by then.
    assert not [task.task_id for task in dag.tasks if task.is_setup]


def test_only_the_report_runs_after_a_failure_beside_the_scorers_stop(dag) -> None:
    rules = {task.task_id: task.trigger_rule for task in dag.tasks}
    assert rules.pop("publish_report") == TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert rules.pop("stop_scorer") == TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert set(rules.values()) == {TriggerRule.ALL_SUCCESS}


def test_the_report_is_a_teardown_that_fails_the_run(dag) -> None:
    report = dag.get_task("publish_report")
    assert report.is_teardown
    assert report.on_failure_fail_dagrun
    assert not report.downstream_task_ids


def test_what_it_makes_are_assets(dag) -> None:
    makes = {"ensure_dataset": f"datasets/{dag.dag_id}", "publish_report": f"runs/{dag.dag_id}"}
    makes |= dict.fromkeys(model_task(dag), f"models/{dag.dag_id}/champion")
    found = {task.task_id: task.inlets[-1].uri for task in dag.tasks if task.outlets}
    assert found == {task: f"streamweir://{name}" for task, name in makes.items()}


def test_one_run_at_a_time(dag) -> None:
    assert dag.max_active_runs == 1


def test_a_replay_and_a_training_may_take_as_long_as_they_like(dag) -> None:
    unlimited = {task.task_id for task in dag.tasks if task.execution_timeout is None}
    assert unlimited == {"replay", "plot_live"} | model_task(dag)
