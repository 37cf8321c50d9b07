"""`python -m streamweir.datasets`: check a folder of CSV files, or put a dataset into the object store."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from streamweir.cli import run
from streamweir.connections import StoreConnection
from streamweir.datagen import BATCHES, DEFAULT_SEED
from streamweir.datasets import checks, store
from streamweir.objectstore import ObjectStore
from streamweir.progress import console_progress

app = typer.Typer(add_completion=False, no_args_is_help=True)
Pipeline = Annotated[str, typer.Option(help="The pipeline's word.")]
UnsortedOk = Annotated[bool, typer.Option(help="Allow an unsorted live file: it is replayed in file order.")]
EventTypes = Annotated[
    str, typer.Option(help="What event types count as: view:page_view,cart:checkout_start")
]
NeedsHistory = Annotated[bool, typer.Option("--history/--no-history", help="Whether history must be there.")]


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the CSV files.")],
    pipeline: Pipeline = "ecommerce_fraud",
    history: NeedsHistory = True,
    unsorted_ok: UnsortedOk = False,
    event_types: EventTypes = "",
) -> None:
    """Say whether a folder can be replayed; the first fault is named by file, line and column."""
    wishes = checks.Wishes(unsorted_ok, event_types)
    for file in checks.check(pipeline, folder, needs_history=history, wishes=wishes):
        print(f"{file.path}: {file.rows:,} rows")


@app.command()
def ensure(
    source: Annotated[str, typer.Argument(help="A folder or a fingerprint; nothing: generated.")] = "",
    pipeline: Pipeline = "ecommerce_fraud",
    history: NeedsHistory = True,
    unsorted_ok: UnsortedOk = False,
    event_types: EventTypes = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of a generated dataset.")] = DEFAULT_SEED,
    batches: Annotated[int | None, typer.Option(min=1, help="Batches of a generated dataset.")] = None,
) -> None:
    """Put a dataset into the object store (when it is not there yet) and print its fingerprint."""
    dataset = store.ensure(
        ObjectStore(StoreConnection.from_env()),
        pipeline,
        source,
        seed=seed,
        needs_history=history,
        wishes=checks.Wishes(unsorted_ok, event_types),
        progress=console_progress,
        **({} if batches is None else {BATCHES: batches}),
    )
    print(dataset.fingerprint)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    run(app)
