"""The params of `merchant_patterns`: nothing is late."""

import pytest
from airflow.sdk.exceptions import ParamValidationError

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
    "compare_with": None,
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
