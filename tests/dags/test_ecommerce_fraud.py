"""The params of `ecommerce_fraud`, what connects it with its training, and what happens when a task fails."""

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from streamweir.errors import BadConfiguration
from streamweir_airflow.attempt import Attempt
from tests.support.memory_store import MemoryStore

# What Airflow itself warns of while it runs a DAG is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

MADE = ("datasets/ecommerce_fraud", "models/ecommerce_fraud/champion")
NEWS = {"version": "v", "pr_auc": 0.5, "rows": {"a": 1}}
PARAMS = {
    "dataset": None,
    "seed": 42,
    "model": None,
    "threshold": None,
    "fraud_label": None,
    "scoring": None,
    "batch_rows": 200,
    "unsorted_ok": False,
    "speed": 10,
    "batches": None,
    "start_ts": None,
    "late": None,
    "stream": None,
    "keep_scorer": False,
    "outage_s": None,
    "compare_with": None,
    "lookback_s": 600,
    "retention_s": 604_800,
    "lateness_s": 60,
    "time_zone": "Australia/Melbourne",
    "warn_rejected_share": 0.05,
}


@pytest.fixture
def dag(dags):
    return dags["ecommerce_fraud"]


def test_the_params_and_their_defaults(dag) -> None:
    assert dag.params.dump() == PARAMS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", "fast"),
        ("batches", 1.5),
        ("start_ts", "now"),
        ("stream", "Prod"),
        ("stream", "a" * 61),
        ("keep_scorer", "yes"),
    ],
)
def test_a_wrong_param_is_refused_by_the_form(dag, name: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params.get_param(name).resolve(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", 0),
        ("speed", 0.5),
        ("late", "5:90,9:120"),
        ("stream", "prod"),
        ("stream", None),
        ("batches", 1),
    ],
)
def test_a_sensible_param_is_taken_by_the_form(dag, name: str, value: object) -> None:
    assert dag.params.get_param(name).resolve(value) == value


def test_dataset_champion_and_run_are_assets_and_connect_it_with_its_training(dags, dag) -> None:
    def ports(dag: Any) -> dict[str, tuple[list[str], list[str]]]:
        return {
            task.task_id: ([asset.uri for asset in task.inlets], [alias.name for alias in task.outlets])
            for task in dag.tasks
            if task.inlets or task.outlets
        }

    dataset, champion, runs = (
        f"streamweir://{name}"
        for name in ("datasets/ecommerce_fraud", "models/ecommerce_fraud/champion", "runs/ecommerce_fraud")
    )
    ensures = {"ensure_dataset": ([dataset], ["ecommerce_fraud.datasets"])}
    of_model = ([dataset, champion], ["ecommerce_fraud.champion"])
    of_run = {"ensure_model": of_model, "publish_report": ([runs], ["ecommerce_fraud.runs"])}
    assert ports(dag) == ensures | of_run
    assert ports(dags["ecommerce_fraud_train"]) == ensures | {"train_model": of_model}


def end(dag: object, run_id: str) -> None:
    """Mark the run as failed, as the UI does it."""
    from airflow.api.common.mark_tasks import set_dag_run_state_to_failed

    set_dag_run_state_to_failed(dag=dag, run_id=run_id, commit=True)


@pytest.fixture
def run(dag, store: MemoryStore, database: None, monkeypatch: pytest.MonkeyPatch):
    """Runs the DAG by Airflow's own decisions; each task only says that it ran; one fails or ends the run."""

    def run(broken: str = "", ended: str = "") -> tuple[str, dict[str, str], list[str]]:
        ran: list[str] = []

        def stand_in(task):
            def work(attempt: Attempt) -> dict[str, str]:
                ran.append(task.task_id)
                if task.task_id == ended:
                    end(dag, attempt.run.id)
                    raise AirflowFailException("killed")
                if task.task_id == broken:
                    raise BadConfiguration("broken on purpose")
                return {"fingerprint": "f" * 64, "version": "v"}

            return work

        for task in dag.tasks:
            if task.task_id != "publish_report":
                monkeypatch.setattr(task, "work", stand_in(task))
                monkeypatch.setattr(task, "news", lambda attempt, result: NEWS)
        finished = dag.test()
        return finished.state, {each.task_id: each.state for each in finished.get_task_instances()}, ran

    return run


def outcomes(store: MemoryStore) -> dict[str, str]:
    records = [json.loads(data) for key, data in store.objects.items() if "/tasks/" in str(key)]
    return {record["task"]: record["outcome"] for record in records}


def report(store: MemoryStore) -> str:
    (found,) = [data for key, data in store.objects.items() if str(key).endswith("report.html")]
    return found.decode()


def test_a_failed_replay_is_reported_but_not_reconciled_and_the_run_fails(run, store: MemoryStore) -> None:
    state, states, ran = run(broken="replay")
    assert state == "failed"
    assert ran[-1] == "stop_scorer"
    assert states["stop_scorer"] == "success"
    assert states["publish_report"] == "failed"
    unreached = {"await_drained", "reconcile", "validate", "plot"}
    assert {states[task] for task in unreached} == {"upstream_failed"}
    assert "broken on purpose" in report(store)
    assert set(outcomes(store)) == set(states) - unreached
    assert outcomes(store)["replay"] == "failed"


def test_a_scorer_that_does_not_start_is_stopped_all_the_same(run, store: MemoryStore) -> None:
    state, states, ran = run(broken="start_scorer")
    assert state == "failed"
    assert ran[-2:] == ["start_scorer", "stop_scorer"]
    assert states["replay"] == "upstream_failed"
    assert "broken on purpose" in report(store)
    # A second run finds dataset and champion as they are.
    run(broken="start_scorer")
    assert events() == [(f"streamweir://{made}", NEWS) for made in MADE]


def events() -> list[tuple[str, dict[str, Any]]]:
    """What Airflow was told of what the pipeline makes, by the asset's address."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        told = [(event.asset.uri, event.extra) for event in session.query(AssetEvent)]
    return sorted((uri, extra) for uri, extra in told if uri.endswith(MADE))


def test_a_failed_expectation_fails_the_run_after_the_report(run, store: MemoryStore) -> None:
    state, states, _ = run(broken="validate")
    assert state == "failed"
    assert states["plot"] == "success"
    assert states["publish_report"] == "failed"
    assert "broken on purpose" in report(store)


def test_a_run_that_is_marked_as_failed_is_a_failed_run_with_a_report(run, store: MemoryStore) -> None:
    state, states, ran = run(ended="replay")
    assert state == "failed"
    assert (states["replay"], states["stop_scorer"], states["publish_report"]) == (
        "failed",
        "success",
        "failed",
    )
    assert {states[task] for task in ("await_drained", "reconcile", "validate", "plot")} == {"skipped"}
    assert ran[-1] == "stop_scorer"
    assert "killed" in report(store)
    assert outcomes(store)["replay"] == "failed"
