"""The one place for the defaults of this house: owner, retries, callbacks, time-outs, schedules."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param

from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.variables import SCHEDULE, WARN_REJECTED_SHARE
from streamweir_airflow.addresses import TRAINING, runs_page, streams_page
from streamweir_airflow.assets import champion_asset
from streamweir_airflow.attempt import record_lost_task
from streamweir_airflow.params import OUTCOME, Params, comparison_params

OWNER = "streamweir"
ON_CHAMPION = "champion"
"""The schedule of a pipeline that replays whenever there is a new champion, and with it."""
_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_DEFAULTS: dict[str, Any] = {
    "owner": OWNER,
    # Only errors that a second try can mend reach a retry; the others fail the task at once.
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=2),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": record_lost_task,
}

UNLIMITED = None
"""The execution time-out of a task that takes as long as the user's choices ask: a replay, a training."""


def pipeline_dag(pipeline: Pipeline, *, page: str | None, params: Params) -> DAG:
    """The DAG that replays a pipeline. `page`: the DAG file's docstring, which the UI shows.

    params: beside those on a run's outcome, which all have.
    """
    own = {**params, "warn_rejected_share": _warn_share_param(), **comparison_params()}
    return _pipeline_dag(pipeline, pipeline.name, page=page, params=own, defaults={})


def training_dag(pipeline: Pipeline, *, page: str | None, params: Params) -> DAG:
    """The DAG that trains a pipeline's model; it belongs to no replay, so its tasks leave no records."""
    defaults = {"in_bundle": False}
    return _pipeline_dag(pipeline, f"{pipeline.name}{TRAINING}", page=page, params=params, defaults=defaults)


def house_dag(dag_id: str, *, page: str | None, params: Params, schedule: str | None = None) -> DAG:
    """A DAG that belongs to the house and not to one pipeline."""
    return _dag(dag_id, page=page, params=params, schedule=schedule, defaults={}, tags=["house"])


def _warn_share_param() -> Param:
    said = WARN_REJECTED_SHARE.of()
    try:
        share = float(said)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise BadConfiguration(f"{WARN_REJECTED_SHARE} is {said!r}: take a number from 0 to 1, such as 0.05")
    return Param(
        share,
        type="number",
        least=0,
        most=1,
        title="Share of rejected rows",
        description="The outcome is a warning when a larger share of a topic's rows was rejected. A run that "
        "could use none of them has failed, whatever this says.",
        section=OUTCOME,
    )


def _pipeline_dag(
    pipeline: Pipeline, dag_id: str, *, page: str | None, defaults: dict[str, Any], **settings: Any
) -> DAG:
    return _dag(
        dag_id,
        page=page
        and f"{page}\n[Runs and what they left]({runs_page(dag_id)}), [streams]({streams_page()})\n",
        schedule=_schedule(pipeline, dag_id),
        defaults={"pipeline": pipeline.name, **defaults},
        tags=[pipeline.name],
        # A scorer is the largest thing in memory: runs queue up.
        max_active_runs=1,
        **settings,
    )


def _schedule(pipeline: Pipeline, dag_id: str) -> "str | list[Asset] | None":
    """Cron, `@daily` and the like, or each new champion; a DAG without one runs when it is triggered."""
    said = os.environ.get(f"{SCHEDULE}{dag_id.upper()}") or None
    if said != ON_CHAMPION:
        return said
    if dag_id != pipeline.name:
        raise BadConfiguration(
            f"{SCHEDULE}{dag_id.upper()} is {said!r}: every training would start the next one; "
            f"give it to {SCHEDULE}{pipeline.name.upper()}"
        )
    return [champion_asset(pipeline)]


def _dag(dag_id: str, *, page: str | None, defaults: dict[str, Any], **settings: Any) -> DAG:
    if not page:
        raise ValueError(f"DAG {dag_id} has no docstring: its operator would have no page to read")
    return DAG(
        dag_id=dag_id,
        description=page.strip().partition("\n")[0],
        doc_md=page,
        start_date=_FIRST_DAY,
        catchup=False,
        default_args={**_DEFAULTS, **defaults},
        **settings,
    )
