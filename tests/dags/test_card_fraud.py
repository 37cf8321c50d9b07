"""The params of `card_fraud`, and the flow of its training."""

import pytest

PARAMS = {
    "dataset": None,
    "seed": 42,
    "fraud_share": 0.0017,
    "model": None,
    "threshold": None,
    "fraud_label": None,
    "scoring": None,
    "speed": 3600,
    "batches": None,
    "start_ts": None,
    "late": None,
    "rate": None,
    "stream": None,
    "keep_scorer": False,
    "outage_s": None,
    "compare_with": None,
    "console_alerts": True,
    "retention_s": 604_800,
    "lateness_s": 60,
    "warn_rejected_share": 0.05,
}


def test_its_training_flows_as_that_of_the_first_pipeline(dags) -> None:
    def shape(name: str) -> dict[str, set[str]]:
        return {task.task_id: task.upstream_task_ids for task in dags[name].tasks}

    assert len(shape("card_fraud_train")) > 1
    assert shape("card_fraud_train") == shape("ecommerce_fraud_train")


def test_the_params_and_their_defaults(dags) -> None:
    assert dags["card_fraud"].params.dump() == PARAMS
    assert dags["card_fraud_train"].params.dump() == {"dataset": None, "seed": 42, "fraud_share": 0.0017}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("console_alerts", "no"),
        ("fraud_label", ""),
        ("scoring", "numpy"),
    ],
)
def test_a_wrong_param_is_refused_by_the_form(dags, name: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dags["card_fraud"].params.get_param(name).resolve(value)


@pytest.mark.parametrize("dag_id", ["card_fraud", "card_fraud_train"])
def test_the_share_of_frauds_reaches_the_generator(dags, dag_id: str) -> None:
    assert dags[dag_id].get_task("ensure_dataset").settings == ["fraud_share"]
