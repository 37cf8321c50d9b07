"""`python -m streamweir.liveplot`: draw a run while it is replayed."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from streamweir.broker.clients import keep_quiet
from streamweir.cli import run as run_program
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.liveplot.live import TIMEOUT_S, draw_live
from streamweir.objectstore import ObjectStore

app = typer.Typer(add_completion=False)


@app.command()
def main(
    stream: Annotated[str, typer.Option(help="Stream id.")],
    run: Annotated[str, typer.Option(help="Run id.")],
    pipeline: Annotated[str, typer.Option(help="The pipeline's word.")] = "ecommerce_fraud",
    page: Annotated[Path | None, typer.Option(help="A folder for the local live page.")] = None,
    timeout_s: Annotated[float, typer.Option(help="Give up when nothing comes for so long.")] = TIMEOUT_S,
) -> None:
    """Draw the run's live chart until its flush was seen."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    keep_quiet()
    kafka, store = KafkaConnection.from_env(), ObjectStore(StoreConnection.from_env())
    if page is not None:
        print(f"live page: {(page / 'index.html').resolve().as_uri()}")
    drawn = draw_live(
        Run(Stream(pipeline, stream), run), kafka=kafka, store=store, page=page, timeout_s=timeout_s
    )
    if drawn is not None:
        print(f"{drawn.plot}: {drawn.total:,} in {drawn.batches:,} batches, {drawn.frames} frames")


if __name__ == "__main__":
    run_program(app)
