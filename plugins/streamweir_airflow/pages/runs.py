"""The runs of a DAG, the newest first, each in numbers."""

from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models import DagRun
from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from streamweir.contracts.runs import DATA_DOCS, REPORT, Run
from streamweir.contracts.streams import RUNS, ObjectKey
from streamweir.errors import BadConfiguration
from streamweir.overview.runs import figures
from streamweir_airflow.addresses import page as address
from streamweir_airflow.addresses import run_page, runs_page, streams_page
from streamweir_airflow.attempt import stream_of
from streamweir_airflow.pages.access import OF_A_DAG, Store, known_pipeline
from streamweir_airflow.pages.rendering import Link, page

SHOWN = 25
"""How many runs a page lists."""
router = APIRouter(prefix="/dags/{dag_id}", dependencies=OF_A_DAG)


@router.get("")
def newest_runs(
    dag_id: str, session: SessionDep, objects: Store, number: Annotated[int, Query(ge=1)] = 1
) -> Response:
    """Runs of the DAG as Airflow knows them, with what their bundles say, and links to what they left."""
    pipeline = known_pipeline(dag_id)
    known = select(DagRun).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc())
    # One more than is shown tells whether there is a next page.
    found = list(session.scalars(known.offset((number - 1) * SHOWN).limit(SHOWN + 1)))
    shown = found[:SHOWN]
    told = figures(objects, [_bundle(pipeline, run) for run in shown])
    rows = [(run, each, _links(dag_id, run.run_id)) for run, each in zip(shown, told, strict=True)]
    values = {
        "title": f"Runs of {dag_id}",
        "links": [Link("Streams", streams_page()), *_turns(dag_id, number, more=len(found) > SHOWN)],
        "says": f"Their bundles lie in s3://{objects.bucket(ObjectKey(RUNS, ''))}/{pipeline}/",
        "runs": rows,
    }
    return page("runs.html.j2", values)


def _bundle(pipeline: str, run: DagRun) -> Run:
    try:
        return Run(stream_of(pipeline, run.conf or {}, run.run_id), run.run_id)
    except BadConfiguration:
        # Its stream was refused by its first task: it left nothing, and on its own stream nothing is found.
        return Run(stream_of(pipeline, {}, run.run_id), run.run_id)


def _turns(dag_id: str, number: int, *, more: bool) -> list[Link]:
    newer = [Link("Newer", runs_page(dag_id, number - 1))] if number > 1 else []
    return newer + ([Link("Older", runs_page(dag_id, number + 1))] if more else [])


def _links(dag_id: str, run_id: str) -> list[Link]:
    return [
        Link(run_id, run_page(dag_id, run_id)),
        Link("Report", address(dag_id, run_id, REPORT)),
        Link("Data Docs", address(dag_id, run_id, DATA_DOCS)),
        Link("Files", address(dag_id, run_id)),
    ]
