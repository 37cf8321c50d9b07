"""A run's files: each that people look at, and the list of them."""

from pathlib import PurePosixPath

from fastapi import APIRouter, HTTPException, Response, status

from streamweir.contracts.streams import RUNS, ObjectKey
from streamweir.objectstore import ObjectStore
from streamweir_airflow.addresses import page as address
from streamweir_airflow.addresses import run_page
from streamweir_airflow.pages.access import OF_A_DAG, Found, FoundRun, Store
from streamweir_airflow.pages.rendering import ALWAYS, HTML, Link, page

MOST_FILES = 500
"""How many files a run's page lists."""
_SHOWN = {".html": HTML, ".json": "application/json", ".png": "image/png"}
"""What is shown. Tables are for programs, and the rejected one holds the bytes of rejected records."""
SANDBOXED = {
    **ALWAYS,
    # Texts of the data are escaped in all files. Should one slip through, it is no code here all the same.
    "Content-Security-Policy": "sandbox allow-popups; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
}
router = APIRouter(prefix="/dags/{dag_id}", dependencies=OF_A_DAG)


@router.get("/runs/{run_id}/{name:path}")
def of_run(name: str, found: FoundRun, objects: Store) -> Response:
    """A file of the run's bundle, or the list of those below this name."""
    parts = [part for part in name.split("/") if part]
    if {".", ".."} & set(parts):
        raise HTTPException(status.HTTP_404_NOT_FOUND, "a run's files lie below the run")
    key = ObjectKey(RUNS, "/".join((found.run.bundle.key, *parts)))
    kind = _SHOWN.get(PurePosixPath(name).suffix)
    if kind and (data := objects.get(key)) is not None:
        return Response(data, media_type=kind, headers=SANDBOXED)
    return _files(found, key, objects)


def _files(found: Found, below: ObjectKey, objects: ObjectStore) -> Response:
    """The list of the files below a key, with a sentence where there are none."""
    run_id, root = found.run.id, found.run.bundle.key
    keys = [below] if objects.exists(below) else objects.list(below)
    names = [key.key.removeprefix(f"{root}/") for key in keys[:MOST_FILES]]
    says = f"In the object store at s3://{objects.bucket(below)}/{below.key}"
    if not names:
        says += f": nothing is there. The run is {found.state}; its report is written last, by publish_report"
    elif len(keys) > MOST_FILES:
        says += f": the first {MOST_FILES} of {len(keys):,} files"
    dag_id = found.dag_id
    links = [
        Link("The run", run_page(dag_id, run_id)),
        Link("All files", address(dag_id, run_id)),
        Link("All runs", address(dag_id)),
    ]
    listed = [Link(name, _link(found, name)) for name in names]
    values = {"title": f"Files of {run_id}", "links": links, "says": says, "files": listed}
    return page("files.html.j2", values, code=status.HTTP_200_OK if names else status.HTTP_404_NOT_FOUND)


def _link(found: Found, name: str) -> str:
    return address(found.dag_id, found.run.id, name) if PurePosixPath(name).suffix in _SHOWN else ""
