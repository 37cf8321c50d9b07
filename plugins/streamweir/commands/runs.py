"""`streamweir runs`: which runs there are, and how one went, task by task."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

import typer

from streamweir.commands.common import (
    DEFAULT_PIPELINE,
    MOST,
    AsJson,
    Most,
    Pipeline,
    StreamOf,
    group,
    print_facts,
    print_json,
    print_rows,
    store,
)
from streamweir.commits import READERS
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.runs import PLAN, SUMMARY, Run
from streamweir.contracts.streams import RUNS, ObjectKey, Stream, stream_id_of
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore

app = group("The runs that left a bundle.")
RunId = Annotated[str, typer.Argument(help="The run id, as Airflow has it.")]
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dt\d\d-\d\d-\d\d")
"""In the names of bundles: Airflow's run ids hold it."""
_TASK = "task", "outcome", "attempt", "started_at", "seconds", "error"


@app.command("list")
def list_runs(
    pipeline: Pipeline = DEFAULT_PIPELINE,
    stream: Annotated[str, typer.Option(help="The runs of one stream only.")] = "",
    most: Most = MOST,
    as_json: AsJson = False,
) -> None:
    """The newest runs: outcome, when they began, how long they took, rows that were sent."""
    objects = store()
    streams = [stream] if stream else _streams(objects, pipeline, most)
    with ThreadPoolExecutor(READERS) as pool:
        bundles = list(pool.map(partial(_newest, objects, pipeline, most=most), streams))
        newest = sorted((bundle for some in bundles for bundle in some), key=_moment, reverse=True)
        rows = list(pool.map(partial(_row, objects), newest[:most]))
    print_rows(rows, as_json=as_json, nothing="there is no run")


@app.command()
def show(
    run: RunId, stream: StreamOf = "", pipeline: Pipeline = DEFAULT_PIPELINE, as_json: AsJson = False
) -> None:
    """What was asked for, and what each task did; also of a run that is under way."""
    objects, of = store(), run_of(pipeline, stream, run)
    tasks = [record for key in objects.list(of.tasks) if (record := objects.get_json(key))]
    tasks.sort(key=lambda record: record["started_at"])
    parameters = objects.get_json(of.parameters)
    if parameters is None and not tasks:
        raise nothing_of(of)
    if as_json:
        print_json({"run": of.id, "stream": str(of.stream), "parameters": parameters, "tasks": tasks})
        return
    print_facts({"run": of.id, "stream": str(of.stream), **(parameters or {})})
    print()
    rows = [{name: record.get(name) for name in _TASK} for record in tasks]
    print_rows(rows, as_json=False, nothing="no task has ended")


def run_of(pipeline: str, stream: str, run: str) -> Run:
    """The run of this id; on its own stream where none is named."""
    return Run(Stream(pipeline_of(pipeline).name, stream or stream_id_of(run)), run)


def nothing_of(run: Run) -> BadConfiguration:
    """The error of a run that left nothing where it was looked for."""
    return BadConfiguration(
        f"run {run.id} has left nothing on stream {run.stream}: see `streamweir runs list`, and name the "
        "stream by --stream if it is not the run's own"
    )


def _streams(objects: ObjectStore, pipeline: str, most: int) -> Iterable[str]:
    """Streams that may have the newest runs: all that have a name of their own, and the newest of the others,
    which are called like their run."""
    names = objects.folders(ObjectKey(RUNS, pipeline_of(pipeline).name))
    of_a_run = sorted(filter(_MOMENT.search, names), key=_moment_in)
    return [*(name for name in names if not _MOMENT.search(name)), *of_a_run[-most:]]


def _newest(objects: ObjectStore, pipeline: str, stream: str, *, most: int) -> list[ObjectKey]:
    below = ObjectKey(RUNS, f"{pipeline}/{stream}")
    return sorted((below / name for name in objects.folders(below)), key=_moment)[-most:]


def _moment(bundle: ObjectKey) -> tuple[str, str]:
    return _moment_in(bundle.key.rpartition("/")[2])


def _moment_in(name: str) -> tuple[str, str]:
    found = _MOMENT.search(name)
    return found[0] if found else "", name


def _row(objects: ObjectStore, bundle: ObjectKey) -> dict[str, Any]:
    said = objects.get_json(bundle / SUMMARY) or {}
    run = said.get("run") or (objects.get_json(bundle / PLAN) or {}).get("run")
    began = [task["started_at"] for task in said.get("tasks", {}).values()]
    folders = bundle.key.split("/")
    return {
        "run": run or folders[-1],
        "stream": folders[-2],
        "outcome": said.get("outcome") or "no report yet",
        "began": min(began, default=None),
        "seconds": said.get("seconds"),
        "rows": (said.get("replay") or {}).get("rows"),
        "unexplained": said.get("unexplained"),
    }
