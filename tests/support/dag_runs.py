"""Runs of the DAGs on a real Airflow, and the tables that they leave."""

import uuid
from io import BytesIO
from typing import Any

import httpx
import pandas as pd
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from infra.demo.airflow_api import AirflowApi
from infra.stack import Stack
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.objectstore import ObjectStore


def finished_run(airflow: AirflowApi, pipeline: str, parameters: dict[str, Any]) -> Run:
    """A successful run of a pipeline's DAG; its tasks are shown when it failed."""
    run = begun_run(airflow, pipeline, parameters)
    assert outcome(airflow, run) == "success", airflow.tasks(pipeline, run.id)
    return run


def begun_run(airflow: AirflowApi, pipeline: str, parameters: dict[str, Any]) -> Run:
    """A run of a pipeline's DAG that has just been triggered."""
    run_id = f"e2e__{uuid.uuid4().hex[:8]}"
    airflow.trigger(pipeline, run_id, parameters)
    return Run(Stream(pipeline, stream_id_of(run_id)), run_id)


def signed_in(stack: Stack) -> httpx.Client:
    """Somebody at Airflow's address who is its admin."""
    url, secrets = stack.settings.airflow_url, stack.secrets
    login = {"username": secrets.airflow_admin_user, "password": secrets.airflow_admin_password}
    token: str = httpx.post(f"{url}/auth/token", json=login).json()["access_token"]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def table(store: ObjectStore, run: Run, name: str) -> pd.DataFrame:
    """A result table of a run's bundle."""
    data = store.get(run.table_file(name))
    assert data is not None, f"the bundle lacks {name}"
    return pd.read_parquet(BytesIO(data))


def model_again(store: ObjectStore, run: Run) -> dict[str, Any]:
    """What became of the expectation that the run's model scores its rows the same a second time."""
    (found,) = [
        one for one in store.get_json(run.quality / "results.json") if one["suite"] == "the model again"
    ]
    return dict(found)


@retry(
    retry=retry_if_result(lambda state: state not in ("success", "failed")),
    wait=wait_fixed(1),
    stop=stop_after_delay(600),
)
def outcome(airflow: AirflowApi, run: Run) -> str:
    """How the run ended; waits for its end."""
    return airflow.run_state(run.stream.pipeline, run.id)
