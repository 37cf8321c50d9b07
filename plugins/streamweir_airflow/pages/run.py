"""A run: how far it is while it runs, and what came out when it has ended."""

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.taskinstance import TaskInstance
from fastapi import APIRouter, Depends, Response
from sqlalchemy import select

from streamweir.contracts.runs import DATA_DOCS, REPORT, Run
from streamweir.errors import StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.overview import pace
from streamweir.overview.alerts import Alerts
from streamweir.overview.counting import Counted
from streamweir.overview.streams import Seen, look
from streamweir.overview.tables import tables_of
from streamweir.replay.plan import Plan
from streamweir_airflow.addresses import page as address
from streamweir_airflow.addresses import run_page, table_page
from streamweir_airflow.hooks import KafkaHook
from streamweir_airflow.pages.access import OF_A_DAG, Found, FoundRun, Store
from streamweir_airflow.pages.charts import line
from streamweir_airflow.pages.rendering import Link, cell, clock, number, page, part

ENDED = ("success", "failed")
"""The states of a run that does not go on."""
MOST_PLOTS = 20
_REMEMBERED = 50
"""Of so many runs it is known between two looks how far they were counted."""
router = APIRouter(prefix="/dags/{dag_id}", dependencies=OF_A_DAG)


def tasks_of(found: FoundRun, session: SessionDep) -> Sequence[TaskInstance]:
    """The run's tasks as Airflow knows them, in the order in which they began."""
    query = select(TaskInstance).where(
        TaskInstance.dag_id == found.dag_id, TaskInstance.run_id == found.run.id
    )
    return list(session.scalars(query.order_by(TaskInstance.start_date, TaskInstance.task_id)))


Tasks = Annotated[Sequence[TaskInstance], Depends(tasks_of)]


@router.get("/runs/{run_id}")
def run(found: FoundRun, tasks: Tasks, objects: Store) -> Response:
    """The page; of a run that is under way, what only its script asks is left out."""
    values = {
        "title": f"Run {found.run.id}",
        "links": _links(found),
        **_shown(found, tasks, objects),
    }
    if found.state not in ENDED:
        values["live"] = run_page(found.dag_id, found.run.id, now=True)
    return page("run.html.j2", values)


@router.get("/now/{run_id}")
def now(found: FoundRun, tasks: Tasks, objects: Store) -> Response:
    """The part of the page that changes."""
    values, ended = _shown(found, tasks, objects), found.state in ENDED
    if not ended and (plan := values["plan"]):
        values |= _moving(found, plan, values["stages"], objects)
        try:
            values |= _closely(found.run, plan, values["stages"], objects)
        except StreamweirError as error:
            values["problem"] = str(error)
    return part("run.part.j2", values, again=not ended)


def _shown(found: Found, tasks: Sequence[TaskInstance], objects: ObjectStore) -> dict[str, Any]:
    """What the store's small objects and Airflow say of the run."""
    summary = objects.get_json(found.run.summary) if found.state in ENDED else None
    return {
        "state": found.state,
        "tasks": [(task, _error(found.run, task, objects)) for task in tasks],
        "summary": summary,
        "problem": "",
        "sent": None,
        "counted": {},
        "alerts": None,
        "live_plots": [],
        **(_results(found, objects) if found.state in ENDED else _under_way(found.run, objects)),
    }


def _under_way(run: Run, objects: ObjectStore) -> dict[str, Any]:
    plan = objects.get_json(run.plan)
    return {
        "plan": Plan.from_json(plan) if plan else None,
        "manifest": objects.get_json(run.manifest),
        "stages": look(objects, [run.stream]),
        "report": "",
        "plots": [],
        "tables": [],
    }


def _results(found: Found, objects: ObjectStore) -> dict[str, Any]:
    run = found.run
    names = [key.key.removeprefix(f"{run.bundle.key}/") for key in objects.list(run.plots)]
    there = objects.exists(run.report)
    return {
        "plan": None,
        "manifest": None,
        "stages": [],
        "report": address(found.dag_id, run.id, REPORT) if there else "",
        "plots": [Link(name, address(found.dag_id, run.id, name)) for name in names[:MOST_PLOTS]],
        "tables": _tables(found, objects),
    }


def _tables(found: Found, objects: ObjectStore) -> list[Link]:
    """The result tables that the run has."""
    there = objects.folders(found.run.bundle)
    names = [name for name in tables_of(found.run.stream.pipeline) if name in there]
    return [Link(name, table_page(found.dag_id, found.run.id, name)) for name in names]


def _closely(run: Run, plan: Plan, stages: Sequence[Seen], objects: ObjectStore) -> dict[str, Any]:
    """What Kafka and the commit records say of a run that is under way."""
    counted = {}
    for seen in stages:
        # Another run's micro-batches are not this one's.
        if seen.status and seen.status.batch_id is not None:
            counted[seen.stage.stage] = _counted(run.of_stage(seen.stage.stage), plan.first_sequence)
            counted[seen.stage.stage].look(objects, seen.status.batch_id)
    return {"counted": counted, "sent": pace.newest_message(KafkaHook().connection, run.stream)}


def _moving(found: Found, plan: Plan, stages: Sequence[Seen], objects: ObjectStore) -> dict[str, Any]:
    """What the replay's chart and the scorer's alerts show while the run is under way."""
    run, alerts = found.run, _alerts(found.run, plan.first_sequence)
    names = [key.key.removeprefix(f"{run.bundle.key}/") for key in objects.list(run.live_plots)]
    # The picture is another one each time: an address that does not change would not be asked for again.
    drawn = [Link(name, f"{address(found.dag_id, run.id, name)}?at={time.time():.0f}") for name in names]
    for seen in stages:
        if seen.stage.stage == alerts.kind.stage and seen.status and seen.status.batch_id is not None:
            alerts.look(objects, seen.status.batch_id)
            return {"live_plots": drawn, "alerts": _raised(alerts)}
    return {"live_plots": drawn}


def _raised(alerts: Alerts) -> dict[str, Any]:
    batches = alerts.batches
    # One beside the other: the flush lies minutes behind the last batch, and would leave the others no room.
    points = [(at, each.alerts) for at, each in enumerate(batches)]
    ends = (clock(batches[0].ts), clock(batches[-1].ts)) if batches else ("", "")
    return {
        "kind": alerts.kind,
        "batches": len(batches),
        "chart": line("alerts of each micro-batch", points, ends, number),
        "rows": [[cell(row[name]) for name in alerts.kind.columns] for row in alerts.newest],
    }


@lru_cache(_REMEMBERED)
def _counted(run: Run, first_sequence: int) -> Counted:
    return Counted(run, first_sequence)


@lru_cache(_REMEMBERED)
def _alerts(run: Run, first_sequence: int) -> Alerts:
    return Alerts(run, first_sequence)


def _error(run: Run, task: TaskInstance, objects: ObjectStore) -> str:
    """What a task that failed said; empty for any other."""
    if task.state != "failed":
        return ""
    return str((objects.get_json(run.task(task.task_id)) or {}).get("error") or "see its log")


def _links(found: Found) -> list[Link]:
    dag_id, run_id = found.dag_id, found.run.id
    return [
        Link("Report", address(dag_id, run_id, REPORT)),
        Link("Data Docs", address(dag_id, run_id, DATA_DOCS)),
        Link("All files", address(dag_id, run_id)),
        Link("All runs", address(dag_id)),
    ]
