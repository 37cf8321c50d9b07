"""The runs of a DAG."""

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models import DagRun
from fastapi import APIRouter, Response
from sqlalchemy import select

from streamweir.contracts.runs import DATA_DOCS, REPORT
from streamweir.contracts.streams import RUNS, ObjectKey
from streamweir_airflow.addresses import page as address
from streamweir_airflow.addresses import run_page
from streamweir_airflow.pages.access import OF_A_DAG, Store, known_pipeline
from streamweir_airflow.pages.rendering import Link, page

NEWEST = 50
"""How many runs a DAG's page lists."""
router = APIRouter(prefix="/dags/{dag_id}", dependencies=OF_A_DAG)


@router.get("")
def newest_runs(dag_id: str, session: SessionDep, objects: Store) -> Response:
    """The DAG's newest runs, each with links to its report, data docs and files."""
    query = select(DagRun).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc()).limit(NEWEST)
    prefix = f"s3://{objects.bucket(ObjectKey(RUNS, ''))}/{known_pipeline(dag_id)}/"
    values = {
        "title": f"Runs of {dag_id}",
        "links": [],
        "says": f"The newest {NEWEST}. Their bundles lie in {prefix}",
        "runs": [(run, _links(dag_id, run.run_id)) for run in session.scalars(query)],
    }
    return page("runs.html.j2", values)


def _links(dag_id: str, run_id: str) -> list[Link]:
    return [
        Link(run_id, run_page(dag_id, run_id)),
        Link("Report", address(dag_id, run_id, REPORT)),
        Link("Data Docs", address(dag_id, run_id, DATA_DOCS)),
    ]
