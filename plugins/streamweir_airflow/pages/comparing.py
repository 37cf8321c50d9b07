"""Two runs side by side: their figures, and what differs in their tables where that was worked out before."""

import shlex
from typing import Any

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, HTTPException, Response, status

from streamweir.contracts.formats import stored_format
from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.runs import COMPARISON_FORMAT, Run
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.overview.runs import figures
from streamweir_airflow.addresses import page as address
from streamweir_airflow.addresses import run_page
from streamweir_airflow.pages.access import OF_A_DAG, Store, found_run
from streamweir_airflow.pages.rendering import Link, page

router = APIRouter(prefix="/dags/{dag_id}", dependencies=OF_A_DAG)


@router.get("/compare")
def compare(
    dag_id: str, session: SessionDep, objects: Store, baseline: str = "", candidate: str = ""
) -> Response:
    """The page. It compares no tables itself: a million rows take longer and more memory than a page may."""
    if dag_id not in pipeline_names():
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{dag_id} replays nothing")
    if not baseline or not candidate or baseline == candidate:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "Choose two different runs in the list.")
    first, second = (found_run(dag_id, run_id, session).run for run_id in (baseline, candidate))
    values = {
        "title": f"Runs of {dag_id} side by side",
        "links": [
            Link("Baseline", run_page(dag_id, baseline)),
            Link("Candidate", run_page(dag_id, candidate)),
            Link("All runs", address(dag_id)),
        ],
        "names": (baseline, candidate),
        "sides": figures(objects, [first, second]),
        **_difference(objects, first, second),
    }
    return page("compare.html.j2", values)


def _difference(objects: ObjectStore, baseline: Run, candidate: Run) -> dict[str, Any]:
    """What the page says of the tables: what is stored of them, else how they are compared, or why not."""
    # These bring statistics and plots along: 1,300 modules that the server needs for nothing else.
    from streamweir.comparison import alike, name_of
    from streamweir.reporting.compared import grids, in_words

    said: dict[str, Any] = {"problem": "", "found": "", "grids": [], "command": ""}
    if found := _stored(objects, baseline, candidate):
        return {**said, "found": in_words(found), "grids": grids(found)}
    try:
        alike(objects, baseline, candidate)
    except BadConfiguration as error:
        return {**said, "problem": str(error)}
    names = shlex.join(map(name_of, (baseline, candidate)))
    return {**said, "command": f"streamweir compare {names} --pipeline {baseline.stream.pipeline}"}


def _stored(objects: ObjectStore, baseline: Run, candidate: Run) -> dict[str, Any] | None:
    """The comparison that the candidate's run made with this baseline; None where there is none, or it could
    not be done."""
    found: dict[str, Any] | None = objects.get_json(candidate.comparison)
    if found is None or "problem" in found:
        return None
    stored_format(found, COMPARISON_FORMAT, "comparison.json", "compare the runs again")
    said = found["baseline"]
    return found if (said["stream"], said["run"]) == (baseline.stream.id, baseline.id) else None
