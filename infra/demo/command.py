"""The command: bring the stack up, start a run, watch it, bring its bundle home, say what came of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from infra.demo.airflow_api import AirflowApi
from infra.demo.outcome import bring_home, print_outcome
from infra.demo.store import store_of_tasks
from infra.demo.watch import Watch
from infra.processes import MemoryWatch
from infra.stack import Stack
from infra.starting import Board
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.errors import BadConfiguration
from streamweir.models.rule import checked
from streamweir.objectstore import ObjectStore
from streamweir.settings import Settings

_INTERRUPTED = 130


def demo(
    pipeline: Annotated[
        str, typer.Option(help="the pipeline's word, which is its DAG's")
    ] = "ecommerce_fraud",
    dataset: Annotated[str, typer.Option(help="a folder of CSVs; generated when left out")] = "",
    model: Annotated[
        str, typer.Option(help="a folder or zip with a PipelineModel; trained when left out")
    ] = "",
    threshold: Annotated[
        float | None, typer.Option(help="the probability from which a transaction is called fraud")
    ] = None,
    fraud_label: Annotated[
        str | None, typer.Option(help="the label that means fraud, where the model's own do not say it")
    ] = None,
    scoring: Annotated[
        str | None, typer.Option(help="spark: score with the model's own transform also where numpy could")
    ] = None,
    speed: Annotated[float | None, typer.Option(help="seconds of the virtual clock in a real one")] = None,
    rate: Annotated[float | None, typer.Option(help="batches a second instead of a speed")] = None,
    batches: Annotated[int | None, typer.Option(help="how many batches to send; all when left out")] = None,
    event_types: Annotated[
        str | None, typer.Option(help="what a clickstream's event types count as: view:page_view")
    ] = None,
    start_ts: Annotated[
        int | None, typer.Option(help="Unix seconds of the first batch; now when left out")
    ] = None,
) -> None:
    """Replay a pipeline through Airflow and end with a report."""
    console = Console(highlight=False, soft_wrap=True)
    asked = {
        "threshold": checked(threshold),
        "fraud_label": fraud_label,
        "scoring": scoring,
        "speed": speed,
        "rate": rate,
        "batches": batches,
        "event_types": event_types,
        "start_ts": start_ts,
    }
    params: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    params |= {name: _local(name, path) for name, path in (("dataset", dataset), ("model", model)) if path}
    stack = Stack(Settings.load())
    stack.up(Board(console))
    run = _new_run(pipeline)
    if not _run(stack, run, params, console):
        raise typer.Exit(1)


def _run(stack: Stack, run: Run, params: dict[str, Any], console: Console) -> bool:
    airflow = AirflowApi(
        stack.settings.airflow_url, stack.secrets.airflow_admin_user, stack.secrets.airflow_admin_password
    )
    store = ObjectStore(store_of_tasks(stack))
    watch = Watch(airflow, store, run, console)
    with MemoryWatch(stack.settings.var) as memory:
        airflow.trigger(run.stream.pipeline, run.id, params)
        try:
            state = watch.to_the_end()
        except KeyboardInterrupt:
            console.print(f"\nthe run goes on without you: {watch.page}\n`make down` ends it with the stack")
            raise typer.Exit(_INTERRUPTED) from None
    folder = bring_home(store, run, memory.peak, stack.settings.var / "runs" / run.stream.pipeline / "latest")
    print_outcome(console, stack, folder, page=watch.page)
    return state == "success"


def _new_run(pipeline: str) -> Run:
    run_id = f"demo__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    return Run(Stream(pipeline, stream_id_of(run_id)), run_id)


def _local(name: str, value: str) -> str:
    """The path as the tasks, which run in another folder, find it; a name that is no path stays as it is."""
    path = Path(value).expanduser()
    if path.exists():
        return str(path.resolve())
    if "/" in value or path.suffix:
        raise BadConfiguration(f"{name} {value} is not there: give the path of a folder or file that exists")
    return value
