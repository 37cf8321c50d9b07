"""Pages of Airflow's api-server on runs: what each left in the object store.

Airflow asks nobody who opens an app of a plugin's: this one asks on every route, with Airflow's own means.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple

import jinja2
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models import DagRun
from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from sqlalchemy import select

from streamweir.contracts.runs import DATA_DOCS, REPORT, Run
from streamweir.contracts.streams import RUNS, ObjectKey
from streamweir.errors import StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir_airflow.addresses import page, pipeline_of
from streamweir_airflow.attempt import stream_of
from streamweir_airflow.hooks import StoreHook

NEWEST = 50
"""How many runs a DAG's page lists."""
MOST_FILES = 500
"""How many files a run's page lists."""
_SHOWN = {".html": "text/html; charset=utf-8", ".json": "application/json", ".png": "image/png"}
"""What is shown. Tables are for programs, and the rejected one holds the bytes of rejected records."""
_HEADERS = {
    # Texts of the data are escaped in all pages. Should one slip through, it is no code here all the same.
    "Content-Security-Policy": "sandbox allow-popups; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


def may_read_the_pipelines_runs(request: Request, dag_id: str, user: GetUserDep) -> None:
    """A training's bundle lies among those of its pipeline's runs: who sees it may see these as well."""
    if name := pipeline_of(dag_id):
        requires_access_dag("GET", DagAccessEntity.RUN, name)(request, user)


app = FastAPI(
    title="Streamweir",
    dependencies=[
        Depends(requires_access_dag("GET", DagAccessEntity.RUN)),
        Depends(may_read_the_pipelines_runs),
    ],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
)


class Cell(NamedTuple):
    """A cell of a page's table: what it says, and where it leads."""

    text: str
    link: str = ""


class Found(NamedTuple):
    """A run as Airflow knows it, and its bundle's name in the object store."""

    run: Run
    dag_id: str
    state: str


def store() -> ObjectStore:
    """The object store, with the tasks' account."""
    return StoreHook().store


def found_run(dag_id: str, run_id: str, session: SessionDep) -> Found:
    """The run; one that Airflow does not know is answered with 404."""
    known = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if known is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"Airflow knows no run {run_id} of {dag_id}")
    return Found(Run(stream_of(_pipeline(dag_id), known.conf or {}, run_id), run_id), dag_id, known.state)


Store = Annotated[ObjectStore, Depends(store)]


@app.get("/dags/{dag_id}")
def newest_runs(dag_id: str, session: SessionDep, objects: Store) -> Response:
    """The DAG's newest runs, each with links to its report, data docs and files."""
    prefix = f"s3://{objects.bucket(ObjectKey(RUNS, ''))}/{_pipeline(dag_id)}/"
    query = select(DagRun).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc()).limit(NEWEST)
    rows = [
        (
            Cell(run.run_id, page(dag_id, run.run_id)),
            Cell(run.state),
            Cell(_moment(run.start_date)),
            Cell("Report", page(dag_id, run.run_id, REPORT)),
            Cell("Data Docs", page(dag_id, run.run_id, DATA_DOCS)),
        )
        for run in session.scalars(query)
    ]
    heads = ("run", "state", "begun (UTC)", "", "")
    return _page(f"Runs of {dag_id}", f"The newest {NEWEST}. Their bundles lie in {prefix}", heads, rows)


@app.get("/dags/{dag_id}/runs/{run_id}/{name:path}")
def of_run(name: str, found: Annotated[Found, Depends(found_run)], objects: Store) -> Response:
    """A file of the run's bundle, or the list of those below this name."""
    parts = [part for part in name.split("/") if part]
    if {".", ".."} & set(parts):
        raise HTTPException(status.HTTP_404_NOT_FOUND, "a run's files lie below the run")
    key = ObjectKey(RUNS, "/".join((found.run.bundle.key, *parts)))
    kind = _SHOWN.get(PurePosixPath(name).suffix)
    if kind and (data := objects.get(key)) is not None:
        return Response(data, media_type=kind, headers=_HEADERS)
    return _files(found, key, objects)


@app.exception_handler(StreamweirError)
def refused(_: Request, error: Exception) -> Response:
    """The object store is away or refuses, or the run's stream has a name that can be none's."""
    return Response(str(error), status.HTTP_503_SERVICE_UNAVAILABLE, _HEADERS, "text/plain")


def _files(found: Found, below: ObjectKey, objects: ObjectStore) -> Response:
    """The list of the files below a key, with a sentence where there are none."""
    run_id, root = found.run.id, found.run.bundle.key
    keys = [below] if objects.exists(below) else objects.list(below)
    names = [key.key.removeprefix(f"{root}/") for key in keys[:MOST_FILES]]
    rows = [(Cell(name, _link(found, name)),) for name in names]
    says = f"In the object store at s3://{objects.bucket(below)}/{below.key}"
    if not rows:
        says += f": nothing is there. The run is {found.state}; its report is written last, by publish_report"
    elif len(keys) > MOST_FILES:
        says += f": the first {MOST_FILES} of {len(keys):,} files"
    code = status.HTTP_200_OK if rows else status.HTTP_404_NOT_FOUND
    up = Cell("All files", page(found.dag_id, run_id)), Cell("All runs", page(found.dag_id))
    return _page(f"Files of {run_id}", says, ("file",), rows, links=up, code=code)


def _link(found: Found, name: str) -> str:
    return page(found.dag_id, found.run.id, name) if PurePosixPath(name).suffix in _SHOWN else ""


def _pipeline(dag_id: str) -> str:
    name = pipeline_of(dag_id)
    if name is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{dag_id} replays nothing and trains nothing")
    return name


def _moment(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}" if when else ""


def _page(
    title: str,
    says: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    links: Sequence[Cell] = (),
    code: int = status.HTTP_200_OK,
) -> Response:
    values = {"title": title, "says": says, "heads": heads, "rows": list(rows), "links": links}
    text = _template().render(values)
    return Response(text, code, media_type=_SHOWN[".html"], headers=_HEADERS)


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("streamweir_airflow")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("page.html.j2")
