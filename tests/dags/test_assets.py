"""What the tasks tell Airflow of datasets, champions and runs, and what a new champion starts."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from streamweir.contracts.models import ModelKeys
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.errors import BadConfiguration
from streamweir_airflow.assets import champion_asset, dataset_asset, run_asset, tell
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.factory import pipeline_dag, training_dag
from streamweir_airflow.operators.base import StreamweirOperator
from streamweir_airflow.operators.prepare import EnsureDataset
from streamweir_airflow.operators.results import PublishReport
from streamweir_airflow.operators.train import TrainModel
from tests.support.memory_store import MemoryStore

NAME = "card_fraud"
PIPELINE = pipeline(NAME)
RUN = Run(Stream(NAME, stream_id_of("manual__1")), "manual__1")
CHAMPION = champion_asset(PIPELINE)
DECISION = {
    "version": "v2",
    "pr_auc": 0.8,
    "champion": "v1",
    "champion_pr_auc": 0.7,
    "held_out_rows": 50,
    "reason": "it is better",
    "decided_at": "2026-11-30T13:00:00+00:00",
    "promoted": True,
}
DATASET = {
    "fingerprint": "f" * 64,
    "source": "generated",
    "files": [{"name": "creditcard.csv", "rows": 300}],
}


def events(*extras: dict[str, Any]) -> Any:
    """An asset's events as Airflow gives them, asked for as it is done here: the newest, and not all."""
    found = [SimpleNamespace(extra=extra) for extra in extras]
    return SimpleNamespace(
        ascending=lambda oldest_first: SimpleNamespace(
            limit=lambda most: list(found if oldest_first else reversed(found))[:most]
        )
    )


def context(told: Any = None, **more: Any) -> Any:
    from airflow.sdk.execution_time.context import OutletEventAccessors

    known = {asset: told or events() for asset in (CHAMPION, dataset_asset(PIPELINE), run_asset(PIPELINE))}
    return {"inlet_events": known, "outlet_events": OutletEventAccessors(), **more}


def given(found: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """What Airflow is handed: by alias, asset and extra."""
    accessors = found["outlet_events"]._dict.values()
    return [
        (event.source_alias_name, event.dest_asset_key.uri, event.extra)
        for accessor in accessors
        for event in accessor.asset_alias_events
    ]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ([], True),
        ([{"version": "v1"}], True),
        ([{"version": "v2"}], False),
        # One that was the champion before and is told of by an older event.
        ([{"version": "v2"}, {"version": "v1"}], False),
    ],
)
def test_only_what_is_new_is_told(before: list[dict[str, Any]], *, said: bool) -> None:
    found = context(events(*before))
    tell(found, CHAMPION, {"version": "v2"})
    event = (CHAMPION.name, CHAMPION.uri, {"version": "v2"})
    assert given(found) == ([event] if said else [])


Told = Callable[[StreamweirOperator, dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture
def told(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What a task tells that succeeds with a result."""
    from datetime import UTC, datetime

    def told(task: StreamweirOperator, result: dict[str, Any]) -> list[dict[str, Any]]:
        asked = Attempt(task.task_id, PIPELINE, RUN, {}, datetime.now(UTC), 1, dict)
        monkeypatch.setattr(Attempt, "of", lambda name, context: asked)
        found = context()
        task.recorded(found, lambda attempt: result)
        return [extra for _, _, extra in given(found)]

    return told


def test_a_dataset_is_told_by_its_fingerprint_rows_and_address(told: Told) -> None:
    task = EnsureDataset(task_id="ensure_dataset", pipeline=NAME, makes=dataset_asset(PIPELINE))
    (said,) = told(task, DATASET)
    assert said == {
        "fingerprint": "f" * 64,
        "source": "generated",
        "rows": {"creditcard.csv": 300},
        "address": f"s3://datasets/{NAME}/{'f' * 64}",
    }


def test_a_champion_is_told_by_its_version_and_the_figures_that_made_it_one(
    told: Told, store: MemoryStore
) -> None:
    task = TrainModel(task_id="train_model", pipeline=NAME, dataset="d", makes=CHAMPION)
    assert told(task, {"version": "refused"}) == []
    store.put_json(ModelKeys(NAME).champion, DECISION)
    (said,) = told(task, {"version": "refused"})
    assert said == {
        "version": "v2",
        "before": "v1",
        "address": f"s3://models/{NAME}/v2",
        **{name: DECISION[name] for name in ("pr_auc", "champion_pr_auc", "held_out_rows")},
        **{name: DECISION[name] for name in ("reason", "decided_at")},
    }


def test_a_run_is_told_by_its_outcome_rows_and_links(told: Told) -> None:
    task = PublishReport(task_id="publish_report", pipeline=NAME, makes=run_asset(PIPELINE))
    rows = {"transactions": {"produced": 300, "scored": 300}}
    (said,) = told(task, {"report": "r", "outcome": "warning", "rows": rows})
    page = f"http://here:8080/streamweir/dags/{NAME}/runs/manual__1"
    assert said == {
        "run": "manual__1",
        "stream": RUN.stream.id,
        "outcome": "warning",
        "rows": rows,
        "report": f"{page}/report.html",
        "data_docs": f"{page}/quality/index.html",
    }


def test_a_task_that_makes_nothing_tells_nothing(told: Told) -> None:
    assert told(EnsureDataset(task_id="ensure_dataset", pipeline=NAME), DATASET) == []


class TestANewChampion:
    def test_it_starts_a_run_where_a_setting_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert pipeline_dag(PIPELINE, page="page", params={}).schedule is None
        monkeypatch.setenv("STREAMWEIR_SCHEDULE_CARD_FRAUD", "champion")
        found: Any = pipeline_dag(PIPELINE, page="page", params={}).schedule
        assert found == [CHAMPION]
        assert isinstance(found[0], Asset)

    def test_it_starts_no_training(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMWEIR_SCHEDULE_CARD_FRAUD_TRAIN", "champion")
        with pytest.raises(BadConfiguration, match="every training would start the next one"):
            training_dag(PIPELINE, page="page", params={})

    @pytest.mark.parametrize(
        ("asked", "started", "model"),
        [
            (None, [{"version": "v1"}, {"version": "v2"}], "v2"),
            ("mine", [{"version": "v2"}], "mine"),
            (None, [{"from_rest_api": True}], None),
            (None, [], None),
        ],
    )
    def test_the_run_that_it_starts_takes_it(
        self, asked: str | None, started: list[dict[str, Any]], model: str | None
    ) -> None:
        found = {CHAMPION: [SimpleNamespace(extra=extra) for extra in started]}
        instance = SimpleNamespace(task_id="t", start_date=None, try_number=1, dag_id=NAME)
        attempt = Attempt.of(
            NAME,
            context(
                ti=instance,
                params={"model": asked},
                run_id="r",
                dag_run=SimpleNamespace(clear_number=0),
                triggering_asset_events=found if started else {},
            ),
        )
        assert attempt.params["model"] == model
