"""What a DAG's first task says of wrong params: all of it at once, and before anything is started."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir_airflow.attempt import Attempt
from tests.support.made_up_pair import made_up_run
from tests.support.memory_store import MemoryStore

CLIPPED = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxLength"}
PIPELINES = ["card_fraud", "clickstream_anomaly", "ecommerce_fraud", "merchant_patterns"]
NAN = float("nan")


class Asked:
    """The first task of a pipeline's DAG, given params beside the defaults; Kafka must not be asked."""

    def __init__(self, dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.dags, self.store, self.provided = dags, MemoryStore(), list[Stream]()
        monkeypatch.setattr("streamweir_airflow.hooks.StoreHook.store", self.store)
        monkeypatch.setattr("streamweir_airflow.hooks.KafkaHook.connection", None)
        monkeypatch.setattr("streamweir.broker.topics.provision", self._provision)

    def _provision(self, kafka: object, stream: Stream, declared: object) -> SimpleNamespace:
        self.provided.append(stream)
        return SimpleNamespace(created=(), existing=())

    def run(self, name: str) -> Run:
        return Run(Stream(name, "s"), "manual__1")

    def first(self, name: str, params: dict[str, object]) -> None:
        dag = self.dags[name]
        attempt = Attempt(
            task="provision_topics",
            pipeline=pipeline(name),
            run=self.run(name),
            params={**dag.params.dump(), **params},
            started_at=datetime.now(UTC),
            number=1,
            task_states=dict,
        )
        dag.get_task("provision_topics").work(attempt)

    def refusal(self, name: str, params: dict[str, object]) -> str:
        before = dict(self.store.objects)
        with pytest.raises(BadConfiguration) as raised:
            self.first(name, params)
        assert self.store.objects == before
        assert self.provided == []
        return str(raised.value)


@pytest.fixture
def asked(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(dags, monkeypatch)


def test_no_limit_is_declared_that_the_form_would_change_a_number_to(dags: dict[str, Any]) -> None:
    schemas = {
        f"{dag.dag_id}.{name}": dag.params.get_param(name).schema
        for dag in dags.values()
        for name in dag.params
    }
    assert len(schemas) > 50
    assert [name for name, schema in schemas.items() if CLIPPED & set(schema)] == []


@pytest.mark.parametrize("name", PIPELINES)
def test_the_defaults_are_taken(asked: Asked, name: str) -> None:
    asked.first(name, {})
    assert asked.provided == [asked.run(name).stream]
    assert asked.store.get_json(asked.run(name).parameters)["seed"] == 42


@pytest.mark.parametrize("name", PIPELINES)
def test_nothing_begins_before_the_first_task_has_checked_the_params(dags: dict[str, Any], name: str) -> None:
    assert [task.task_id for task in dags[name].tasks if not task.upstream_task_ids] == ["provision_topics"]


def test_every_fault_is_named_at_once(asked: Asked) -> None:
    wrong = {
        "speed": -1,
        "batches": 0,
        "start_ts": 1_764_495_000_000,
        "late": "5:90,5:90",
        "time_zone": "Australia",
        "model": "/no/such/model",
        "dataset": "/no/such/folder",
        "threshold": 1.5,
    }
    assert asked.refusal("ecommerce_fraud", wrong).split("; ") == [
        "threshold is 1.5: give a number from 0 to 1, or leave it empty",
        "speed is -1: give a number, 0 or more",
        "batches is 0: give a whole number, 1 or more, or leave it empty",
        "start_ts is 1764495000000, outside the years 1970 to 9999: give Unix seconds, not milliseconds",
        "late: '5:90' is not batch:seconds, once per batch, like 5:90,9:120",
        "time_zone 'Australia' is not known: give an IANA name, as Australia/Melbourne",
        "dataset '/no/such/folder' is neither a folder nor the fingerprint of a stored dataset",
        "the path /no/such/model does not exist: give a folder or zip with a saved PipelineModel",
    ]


@pytest.mark.parametrize(
    ("name", "param", "value", "said"),
    [
        ("ecommerce_fraud", "speed", -1, "speed is -1: give a number, 0 or more"),
        ("ecommerce_fraud", "speed", float("inf"), "speed is inf: give a number, 0 or more"),
        ("ecommerce_fraud", "seed", -1, "seed is -1: give a whole number, 0 or more"),
        ("ecommerce_fraud", "batches", 0, "batches is 0: give a whole number, 1 or more, or leave it empty"),
        ("ecommerce_fraud", "batch_rows", 0, "batch_rows is 0: give a whole number, 1 or more"),
        ("ecommerce_fraud", "lateness_s", -1, "lateness_s is -1: give a whole number, 0 or more"),
        ("ecommerce_fraud", "lookback_s", -1, "lookback_s is -1: give a whole number, 0 or more"),
        ("ecommerce_fraud", "retention_s", -1, "retention_s is -1: give a whole number, 0 or more"),
        ("ecommerce_fraud", "outage_s", -1, "outage_s is -1: give a whole number, 0 or more, or leave"),
        ("ecommerce_fraud", "warn_rejected_share", 5, "warn_rejected_share is 5: give a number from 0 to 1"),
        ("ecommerce_fraud", "start_ts", 1_764_495_000_000, "give Unix seconds, not milliseconds"),
        ("ecommerce_fraud", "start_ts", -1, "outside the years 1970 to 9999"),
        ("ecommerce_fraud", "late", "5:0", "late: '5:0' is not batch:seconds"),
        ("ecommerce_fraud", "late", "5", "late: '5' is not batch:seconds"),
        ("ecommerce_fraud", "time_zone", "", "time_zone '' is not known: give an IANA name"),
        ("ecommerce_fraud", "time_zone", "Melbourne", "time_zone 'Melbourne' is not known"),
        ("ecommerce_fraud", "model", "nope", "ecommerce_fraud has no model version 'nope'"),
        ("ecommerce_fraud", "dataset", "0123456789", "no dataset 0123456789 of ecommerce_fraud"),
        ("card_fraud", "threshold", 1.5, "threshold is 1.5: give a number from 0 to 1, or leave it empty"),
        ("card_fraud", "threshold", -0.1, "threshold is -0.1: give a number from 0 to 1"),
        ("card_fraud", "threshold", NAN, "threshold is nan: give a number from 0 to 1"),
        ("card_fraud", "rate", 0, "rate is 0: give a number above 0, or leave it empty"),
        ("card_fraud", "fraud_share", 2, "fraud_share is 2: give a number from 0 to 1"),
        ("clickstream_anomaly", "page_view_drop", -0.1, "page_view_drop is -0.1: give a number, 0 or more"),
        ("merchant_patterns", "upgrade_share", 1.5, "upgrade_share is 1.5: give a number from 0 to 1"),
        ("merchant_patterns", "watch", "drop", "watch is 'drop': give a bucket, / and a prefix"),
        ("merchant_patterns", "batch_rows", 0, "batch_rows is 0: give a whole number, 1 or more"),
        ("merchant_patterns", "time_zone", "Pune", "time_zone 'Pune' is not known"),
        ("clickstream_anomaly", "event_types", "view:page_view,cart:basket", "'cart:basket' is not a type"),
    ],
)
def test_a_wrong_value_is_refused_with_the_remedy(
    asked: Asked, name: str, param: str, value: object, said: str
) -> None:
    assert said in asked.refusal(name, {param: value})


def test_values_at_their_limits_are_taken(asked: Asked) -> None:
    asked.first("ecommerce_fraud", {"speed": 0, "batches": 1, "start_ts": 0, "threshold": 1, "lateness_s": 0})
    assert len(asked.provided) == 1


def test_a_run_that_has_sent_messages_does_not_look_for_what_it_took_again(asked: Asked) -> None:
    params: dict[str, object] = {"model": "/gone/since", "dataset": "/gone/too"}
    asked.refusal("ecommerce_fraud", params)
    asked.store.put_json(asked.run("ecommerce_fraud").plan, {})
    asked.first("ecommerce_fraud", params)
    assert len(asked.provided) == 1


def test_a_run_to_compare_with_must_be_there_and_have_had_the_same_clock(asked: Asked) -> None:
    said = asked.refusal("card_fraud", {"compare_with": "nothing"})
    assert "there is no run nothing on stream card_fraud.nothing-" in said
    made_up_run(asked.store, "card_fraud", "before", late={5: 90})
    said = asked.refusal("card_fraud", {"compare_with": "before"})
    assert "start_ts is 1767225600 there and None here; late is {5: 90} there and {} here" in said
    same = {"start_ts": 1_767_225_600, "late": "5:90"}
    asked.first("card_fraud", {"compare_with": "before", **same})
    assert len(asked.provided) == 1
    asked.provided.clear()
    asked.store.delete(made_up_run(asked.store, "card_fraud", "under way").ledger)
    said = asked.refusal("card_fraud", {"compare_with": "under way", **same})
    assert "run under way is not finished" in said


def test_every_pipeline_can_be_compared(dags: dict[str, Any]) -> None:
    assert [name for name in PIPELINES if "compare_with" not in dags[name].params] == []


def test_a_training_refuses_a_wrong_share_before_it_generates(asked: Asked, dags: dict[str, Any]) -> None:
    dag = dags["card_fraud_train"]
    params = {**dag.params.dump(), "fraud_share": 2}
    run = asked.run("card_fraud")
    attempt = Attempt("ensure_dataset", pipeline("card_fraud"), run, params, datetime.now(UTC), 1, dict)
    with pytest.raises(BadConfiguration, match="fraud_share is 2: give a number from 0 to 1"):
        dag.get_task("ensure_dataset").work(attempt)
    assert asked.store.objects == {}


@pytest.mark.parametrize(
    ("dag_id", "task", "days"),
    [
        ("clean_airflow", "clean_database", 0),
        ("clean_airflow", "clean_logs", 0),
        ("retire_streams", "retire_streams", -1),
        ("retire_streams", "retire_streams", 800_000),
        pytest.param("clean_airflow", "clean_logs", 10**400, id="more than a float holds"),
    ],
)
def test_nothing_is_deleted_for_a_wrong_number_of_days(
    dags: dict[str, Any], dag_id: str, task: str, days: int
) -> None:
    with pytest.raises(AirflowFailException, match=f"days is {days}: give a number from . to 36500"):
        dags[dag_id].get_task(task).execute({"params": {"days": days}})
