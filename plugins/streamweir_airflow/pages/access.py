"""Who may open a page.

Airflow asks nobody who opens an app of a plugin's: each route here asks, with Airflow's own means. A test
walks over all routes and fails where none of `CHECKS` is asked.
"""

from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models import DagRun
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request, status
from sqlalchemy import select

from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from streamweir_airflow.addresses import pipeline_of
from streamweir_airflow.attempt import stream_of
from streamweir_airflow.hooks import StoreHook

may_read_runs = requires_access_dag("GET", DagAccessEntity.RUN)
"""Whether the user may read the runs of the DAG that the path names: 401 without a session, else 403."""

may_change_runs = requires_access_dag("PUT", DagAccessEntity.RUN)
"""Whether the user may change the runs of the DAG that the path names."""


def may_read_the_pipelines_runs(request: Request, dag_id: str, user: GetUserDep) -> None:
    """A training's bundle lies among those of its pipeline's runs: who sees it may see these as well."""
    if name := pipeline_of(dag_id):
        requires_access_dag("GET", DagAccessEntity.RUN, name)(request, user)


def same_origin(request: Request) -> None:
    """Whether a change was asked for by a page of this server, or with a token in the header: 403 else.

    Another site's page would come with the user's cookie, but the browser says where it is from.
    """
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    site, origin = request.headers.get("sec-fetch-site"), urlsplit(request.headers.get("origin", ""))
    if site != "same-origin" and (site or origin.netloc != request.headers.get("host")):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this is asked from a page of this server only")


def readable_pipelines(user: GetUserDep) -> list[str]:
    """The pipelines whose DAG's runs the user may read; 403 where there are none."""
    found = _allowed("GET", user)
    if not found:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Forbidden")
    return found


def changeable_pipelines(user: GetUserDep) -> list[str]:
    """The pipelines whose DAG's runs the user may change."""
    return _allowed("PUT", user)


def _allowed(method: ResourceMethod, user: GetUserDep) -> list[str]:
    return [name for name in pipeline_names() if _is_allowed(method, name, user)]


def _is_allowed(method: ResourceMethod, dag_id: str, user: GetUserDep) -> bool:
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return get_auth_manager().is_authorized_dag(
        method=method, access_entity=DagAccessEntity.RUN, details=details, user=user
    )


OF_A_DAG = [Depends(may_read_runs), Depends(may_read_the_pipelines_runs)]
"""What every route asks whose path names a DAG."""
CHECKS = (may_read_runs, readable_pipelines)
Readable = Annotated[list[str], Depends(readable_pipelines)]
Changeable = Annotated[list[str], Depends(changeable_pipelines)]


class Found(NamedTuple):
    """A run as Airflow knows it, and its bundle's name in the object store."""

    run: Run
    dag_id: str
    state: str


def known_pipeline(dag_id: str) -> str:
    """The pipeline that the DAG replays or trains for; 404 for a DAG of another kind."""
    name = pipeline_of(dag_id)
    if name is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{dag_id} replays nothing and trains nothing")
    return name


def found_run(dag_id: str, run_id: str, session: SessionDep) -> Found:
    """The run; one that Airflow does not know is answered with 404."""
    known = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if known is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"Airflow knows no run {run_id} of {dag_id}")
    return Found(
        Run(stream_of(known_pipeline(dag_id), known.conf or {}, run_id), run_id), dag_id, known.state
    )


def store() -> ObjectStore:
    """The object store, with the tasks' account."""
    return StoreHook().store


FoundRun = Annotated[Found, Depends(found_run)]
Store = Annotated[ObjectStore, Depends(store)]
