"""The params of `clickstream_anomaly`, and what its first task refuses."""

from datetime import UTC, datetime

import pytest

from streamweir.contracts.clickstream_anomaly import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir_airflow.attempt import Attempt
from tests.support.memory_store import MemoryStore

PARAMS = {
    "dataset": None,
    "seed": 42,
    "speed": 3600,
    "batches": None,
    "start_ts": None,
    "late": None,
    "stream": None,
    "keep_scorer": False,
    "outage_s": None,
    "compare_with": None,
    "event_types": None,
    "lateness_s": 600,
    "page_view_drop": 0.5,
    "session_drop": 0.4,
    "low_conversion": 0.1,
    "high_abandonment": 0.8,
    "warn_rejected_share": 0.05,
}


@pytest.fixture
def dag(dags):
    return dags["clickstream_anomaly"]


def test_the_params_and_their_defaults(dag) -> None:
    assert dag.params.dump() == PARAMS


def test_event_types_that_cannot_be_meant_fail_the_first_task_before_anything_is_made(
    dag, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    monkeypatch.setattr("streamweir_airflow.hooks.StoreHook.store", store)
    run = Run(Stream("clickstream_anomaly", "s"), "manual__1")
    params = PARAMS | {"event_types": "view:page_view,cart:basket"}
    first = Attempt("provision_topics", PIPELINE, run, params, datetime.now(UTC), 1, dict)
    with pytest.raises(BadConfiguration, match=r"'cart:basket' is not .* checkout_start"):
        dag.get_task("provision_topics").work(first)
    assert not store.list(run.stream.root)


@pytest.mark.parametrize("name", ["page_view_drop", "session_drop", "low_conversion", "high_abandonment"])
def test_a_threshold_is_a_number(dag, name: str) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    param = dag.params.get_param(name)
    assert param.resolve(0.75) == 0.75
    assert param.resolve(2) == 2
    for wrong in ("half", None):
        with pytest.raises(ParamValidationError):
            param.resolve(wrong)
