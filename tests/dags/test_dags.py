"""What every DAG must have, starting from the list of those that there are."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from streamweir.errors import BadConfiguration

DAGS = Path(__file__).parents[2] / "dags"
EXPECTED = {
    "card_fraud",
    "card_fraud_train",
    "clean_airflow",
    "clickstream_anomaly",
    "ecommerce_fraud",
    "ecommerce_fraud_train",
    "merchant_patterns",
    "retire_streams",
    "stop_scorer",
}
TYPES = {"null", "string", "integer", "number", "boolean"}


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dag_{name}", DAGS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_exactly_the_expected_dags_are_there(dags) -> None:
    assert set(dags) == EXPECTED


def test_every_dag_lies_in_a_file_of_its_own_word() -> None:
    assert {path.stem for path in DAGS.glob("*.py")} == EXPECTED


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_the_page_of_a_dag_says_what_a_failure_of_each_task_means(dags, dag_id: str) -> None:
    page = dags[dag_id].doc_md
    assert "### What it does" in page
    assert "### What a failure means, and what to do" in page
    for task in dags[dag_id].task_ids:
        assert f"**{task}**" in page, f"{dag_id}: the page does not speak of {task}"


def test_the_share_of_rejected_rows_that_is_worth_a_warning_is_a_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAMWEIR_WARN_REJECTED_SHARE", "0.2")
    for name in ("card_fraud", "clickstream_anomaly", "ecommerce_fraud", "merchant_patterns"):
        assert loaded(name).publish_report.dag.params["warn_rejected_share"] == 0.2


@pytest.mark.parametrize("said", ["5 %", "5", "-0.1", "nan"])
def test_a_share_that_is_none_is_refused_by_the_settings_name(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("STREAMWEIR_WARN_REJECTED_SHARE", said)
    with pytest.raises(BadConfiguration, match=f"STREAMWEIR_WARN_REJECTED_SHARE is '{said}'"):
        loaded("card_fraud")


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_every_param_is_typed_described_and_in_a_section(dags, dag_id: str) -> None:
    params = dags[dag_id].params
    assert list(params)
    for name in params:
        param = params.get_param(name)
        kinds = param.schema["type"]
        assert set([kinds] if isinstance(kinds, str) else kinds) <= TYPES, name
        assert len(param.description) > 20, name
        assert param.schema["title"], name
        assert param.schema["section"], name


@pytest.mark.parametrize("dag_id", sorted(EXPECTED - {"stop_scorer"}))
def test_the_defaults_of_the_params_are_valid(dags, dag_id: str) -> None:
    assert dags[dag_id].params.validate()


def test_stopping_needs_to_be_told_which_stream(dags) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dags["stop_scorer"].params.validate()


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_house_defaults_reach_every_task(dags, dag_id: str) -> None:
    from streamweir_airflow.attempt import record_lost_task

    assert dags[dag_id].tasks
    for task in dags[dag_id].tasks:
        assert task.owner == "streamweir"
        assert task.retries == 2
        assert list(task.on_failure_callback) == [record_lost_task]


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_a_dag_file_only_arranges(dag_id: str) -> None:
    source = (DAGS / f"{dag_id}.py").read_text()
    assert len(source.splitlines()) <= 120
    assert not [line for line in source.splitlines() if line.lstrip().startswith(("def ", "class ", "for "))]


def test_only_what_cleans_up_runs_by_itself(dags) -> None:
    schedules = {dag_id: dag.schedule for dag_id, dag in dags.items()}
    daily = dict.fromkeys(("retire_streams", "clean_airflow"), "@daily")
    assert schedules == dict.fromkeys(EXPECTED, None) | daily


def test_a_setting_schedules_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.setenv("STREAMWEIR_SCHEDULE_ECOMMERCE_FRAUD", "30 6 * * 1-5")
    dag = DagBag(dag_folder=DAGS / "ecommerce_fraud.py").dags["ecommerce_fraud"]
    assert dag.schedule == "30 6 * * 1-5"


def test_a_setting_says_how_long_streams_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("retire_streams").DAYS == 7
    monkeypatch.setenv("STREAMWEIR_RETENTION_DAYS", "30")
    assert loaded("retire_streams").DAYS == 30


def test_a_setting_says_how_long_airflow_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("clean_airflow").DAYS == 30
    monkeypatch.setenv("STREAMWEIR_RETENTION_AIRFLOW_DAYS", "90")
    assert loaded("clean_airflow").DAYS == 90
