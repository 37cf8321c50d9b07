"""The flow of `merchant_patterns`: the same as of the other replays, without a model, and nothing is late."""

import pytest
from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import ParamValidationError

UPSTREAM = {
    "provision_topics": set(),
    "ensure_dataset": {"provision_topics"},
    "start_scorer": {"ensure_dataset"},
    "replay": {"start_scorer", "ensure_dataset"},
    "plot_live": {"start_scorer"},
    "await_drained": {"replay", "start_scorer"},
    "stop_scorer": {"await_drained"},
    "reconcile": {"await_drained", "stop_scorer"},
    "validate": {"reconcile"},
    "plot": {"reconcile"},
    "publish_report": {"plot_live", "stop_scorer", "validate", "plot"},
}
PARAMS = {
    "dataset": None,
    "seed": 42,
    "batch_rows": 10_000,
    "speed": 1,
    "batches": None,
    "start_ts": None,
    "feeder": "replay",
    "watch": None,
    "idle_stop_s": 60,
    "stream": None,
    "keep_scorer": False,
    "outage_s": None,
    "upgrade_min_transactions": 50_000,
    "upgrade_share": 0.01,
    "upgrade_weight": "mean",
    "child_min_transactions": 80,
    "child_mean_below": 23.0,
    "dei_min_female": 100,
    "preset": None,
    "flush_after_s": None,
    "time_zone": "Asia/Kolkata",
    "warn_rejected_share": 0.05,
}


@pytest.fixture
def dag(dags):
    return dags["merchant_patterns"]


def test_the_tasks_and_what_each_waits_for(dag) -> None:
    assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == UPSTREAM


def test_the_params_and_their_defaults(dag) -> None:
    assert dag.params.dump() == PARAMS


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("upgrade_share", 0.1, "a tenth"),
        ("upgrade_weight", "total", "median"),
        ("preset", "assignment_v1", "assignment_v2"),
        ("child_min_transactions", 5, 5.5),
        ("feeder", "watch", "mail"),
    ],
)
def test_a_param_is_of_its_type_or_one_of_its_values(dag, name: str, good: object, wrong: object) -> None:
    param = dag.params.get_param(name)
    assert param.resolve(good) == good
    with pytest.raises(ParamValidationError):
        param.resolve(wrong)


def test_the_scorer_is_stopped_and_the_run_reported_whatever_happened(dag) -> None:
    rules = {task.task_id: task.trigger_rule for task in dag.tasks}
    assert dag.get_task("stop_scorer").is_teardown
    assert rules.pop("stop_scorer") == TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert dag.get_task("publish_report").on_failure_fail_dagrun
    assert rules.pop("publish_report") == TriggerRule.ALL_DONE_SETUP_SUCCESS
    assert set(rules.values()) == {TriggerRule.ALL_SUCCESS}


def test_dataset_and_report_are_assets(dag) -> None:
    assets = {task.task_id: [asset.uri for asset in task.inlets] for task in dag.tasks if task.outlets}
    assert assets == {
        "ensure_dataset": ["streamweir://datasets/merchant_patterns"],
        "publish_report": ["streamweir://runs/merchant_patterns"],
    }
