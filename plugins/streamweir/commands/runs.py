"""`streamweir runs`: which runs there are, and how one went, task by task."""

from typing import Annotated

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
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.errors import BadConfiguration
from streamweir.overview.runs import newest_runs

app = group("The runs that left a bundle.")
RunId = Annotated[str, typer.Argument(help="The run id, as Airflow has it.")]
_TASK = "task", "outcome", "attempt", "started_at", "seconds", "error"


@app.command("list")
def list_runs(
    pipeline: Pipeline = DEFAULT_PIPELINE,
    stream: Annotated[str, typer.Option(help="The runs of one stream only.")] = "",
    most: Most = MOST,
    as_json: AsJson = False,
) -> None:
    """The newest runs: outcome, when they began, how long they took, rows that were sent."""
    rows = newest_runs(store(), pipeline_of(pipeline).name, stream, most=most)
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
