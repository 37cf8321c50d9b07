"""The runs of a DAG, the newest first, each in numbers."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models import DagRun
from fastapi import APIRouter, Query, Response
from sqlalchemy import select

from streamweir.contracts.runs import DATA_DOCS, REPORT, Run
from streamweir.contracts.streams import RUNS, ObjectKey
from streamweir.errors import BadConfiguration
from streamweir.overview.runs import Figures, figures
from streamweir_airflow.addresses import compare_page, run_page, runs_page, streams_page
from streamweir_airflow.addresses import page as address
from streamweir_airflow.attempt import stream_of
from streamweir_airflow.pages.access import OF_A_DAG, Store, known_pipeline
from streamweir_airflow.pages.charts import Chart, line
from streamweir_airflow.pages.rendering import Link, page, seconds, share
from streamweir_airflow.pages.rendering import number as number_in_words

SHOWN = 25
"""How many runs a page lists."""
_ENDS = "older", "newer"
_TRENDS: Sequence[tuple[str, Callable[[Figures], float | None], Callable[[float], str]]] = (
    ("rows scored a second", attrgetter("scored_per_second"), number_in_words),
    ("latency, 95 % within", attrgetter("p95"), seconds),
    ("rejected, of the rows sent", attrgetter("rejected"), share),
    ("precision of the alerts", attrgetter("precision"), share),
    ("recall of the alerts", attrgetter("recall"), share),
)
"""What is drawn over the runs: label, value, and how the value is written."""
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
        "trends": _trends(told[::-1]),
        # A training has nothing to be set beside another's.
        "compare": compare_page(dag_id) if dag_id == pipeline else "",
    }
    return page("runs.html.j2", values)


def _bundle(pipeline: str, run: DagRun) -> Run:
    try:
        return Run(stream_of(pipeline, run.conf or {}, run.run_id), run.run_id)
    except BadConfiguration:
        # Its stream was refused by its first task: it left nothing, and on its own stream nothing is found.
        return Run(stream_of(pipeline, {}, run.run_id), run.run_id)


def _trends(told: Sequence[Figures | None]) -> list[Chart]:
    """Figures of the listed runs as lines, the oldest run on the left; a run without a report is a gap."""
    drawn = (
        line(label, [(at, value(run) if run else None) for at, run in enumerate(told)], _ENDS, form)
        for label, value, form in _TRENDS
    )
    return [chart for chart in drawn if chart]


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
