"""`python -m streamweir.replay`: send a dataset as a run."""

import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from streamweir.broker.clients import keep_quiet
from streamweir.broker.topics import provision
from streamweir.cli import run as run_program
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.datasets.checks import Wishes
from streamweir.datasets.store import download, ensure
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.progress import console_progress
from streamweir.replay.plan import Request, parse_late
from streamweir.replay.replayer import replay
from streamweir.replay.stop import request as request_stop

app = typer.Typer(add_completion=False)


@app.command()
def main(
    pipeline: Annotated[str, typer.Option(help="The pipeline's word.")] = "ecommerce_fraud",
    stream: Annotated[str, typer.Option(help="Stream id; the run's own by default.")] = "",
    run: Annotated[str, typer.Option(help="Run id; the same one resumes. Default: the time.")] = "",
    dataset: Annotated[str, typer.Option(help="A folder of CSVs or a fingerprint; default: generated.")] = "",
    speed: Annotated[float, typer.Option(help="Virtual seconds per second; 0 is as fast as possible.")] = 10,
    rate: Annotated[float, typer.Option(help="Batches a second instead of a speed; 0 is by speed.")] = 0,
    batches: Annotated[int, typer.Option(help="How many batches to send; 0 is all.")] = 0,
    batch_rows: Annotated[int, typer.Option(help="Rows per batch; 0 is the pipeline's own number.")] = 0,
    start_ts: Annotated[int, typer.Option(help="Unix seconds of the first batch; 0 is now.")] = 0,
    late: Annotated[str, typer.Option(help="Batches to delay: index:seconds, e.g. 5:90,9:120.")] = "",
    lateness: Annotated[
        int, typer.Option(help="Seconds that the scorer allows; -1: the pipeline's own.")
    ] = -1,
    unsorted_ok: Annotated[bool, typer.Option(help="Replay an unsorted live file in file order.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Ask the endless replay of --run to end.")] = False,
) -> None:
    """Provision the stream's topics and replay a dataset through them."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    keep_quiet()
    kafka, store = KafkaConnection.from_env(), ObjectStore(StoreConnection.from_env())
    declared = pipeline_of(pipeline)
    run_id = run or datetime.now(UTC).strftime("cli-%Y%m%dT%H%M%S")
    target = Run(Stream(pipeline, stream or stream_id_of(run_id)), run_id)
    if stop:
        if not run:
            raise BadConfiguration("--stop needs --run: the id of the run whose replay is to end")
        if store.get_json(target.plan) is None:
            raise BadConfiguration(
                f"stream {target.stream} has no run {run}: take the --stream of its replay"
            )
        request_stop(store, target)
        print(f"run {run} is asked to end; a replay that has an end of its own goes on to it")
        return
    provision(kafka, target.stream, declared)
    known = ensure(
        store, pipeline, dataset, needs_history=False, wishes=Wishes(unsorted_ok), progress=console_progress
    )
    request = Request(
        dataset=known.fingerprint,
        start_ts=start_ts or None,
        speed=speed,
        batches=batches or None,
        batch_rows=batch_rows or None,
        late=parse_late(late),
        unsorted_ok=unsorted_ok,
        rate=rate or None,
        lateness_s=None if lateness < 0 else lateness,
    )
    with tempfile.TemporaryDirectory(prefix="streamweir-") as scratch:
        folder = download(store, known, Path(scratch), known.live)
        manifest = replay(target, request, kafka=kafka, store=store, folder=folder, progress=console_progress)
    rows = ", ".join(f"{count:,} {topic}" for topic, count in manifest.rows.items())
    print(f"run {run_id} on stream {target.stream}: {rows} rows in {manifest.batches} batches")
    print(f"manifest: {target.manifest}")


if __name__ == "__main__":
    run_program(app)
