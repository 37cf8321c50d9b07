"""`streamweir dataset`: check a folder of CSV files, put it into the object store, look at what is there."""

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from streamweir.commands.common import (
    DEFAULT_PIPELINE,
    MOST,
    AsJson,
    Pipeline,
    group,
    print_facts,
    print_json,
    print_rows,
    store,
)
from streamweir.commits import READERS
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.datagen import BATCHES, DEFAULT_SEED
from streamweir.datasets import checks
from streamweir.datasets import store as datasets
from streamweir.datasets.dataset import Dataset, DatasetFile, all_of, is_fingerprint
from streamweir.errors import DatasetUnusable
from streamweir.objectstore import ObjectStore
from streamweir.progress import console_progress

app = group("The datasets of a pipeline.")
UnsortedOk = Annotated[bool, typer.Option(help="Allow an unsorted live file: it is replayed in file order.")]
EventTypes = Annotated[
    str, typer.Option(help="What event types count as: view:page_view,cart:checkout_start")
]
NeedsHistory = Annotated[bool, typer.Option("--history/--no-history", help="Whether history must be there.")]
_DIGITS = 12
"""Of a fingerprint in a listing: enough to name it."""


@app.command("list")
def list_datasets(
    pipeline: Pipeline = DEFAULT_PIPELINE,
    most: Annotated[int, typer.Option(min=1, help="How many to show.")] = MOST,
    as_json: AsJson = False,
) -> None:
    """The stored datasets by fingerprint, with where each came from."""
    objects, root = store(), all_of(pipeline_of(pipeline).name)
    names = [name for name in objects.folders(root) if is_fingerprint(name)]
    with ThreadPoolExecutor(READERS) as pool:
        stored = pool.map(partial(_stored, objects, pipeline), names[:most])
        rows = [_row(dataset) for dataset in stored if dataset]
    print_rows(rows, as_json=as_json, nothing="no dataset is stored")


@app.command()
def show(
    fingerprint: Annotated[str, typer.Argument(help="A fingerprint, or its first 8 or more digits.")],
    pipeline: Pipeline = DEFAULT_PIPELINE,
    as_json: AsJson = False,
) -> None:
    """A stored dataset's files, and what the check found in them."""
    objects = store()
    whole = datasets.named(objects, pipeline_of(pipeline).name, fingerprint)
    if whole is None:
        raise DatasetUnusable(f"{fingerprint!r} is a folder: `streamweir dataset check` looks at folders")
    dataset = datasets.load(objects, pipeline, whole)
    if as_json:
        print_json(dataset.to_json())
        return
    print_facts({"fingerprint": whole, "source": dataset.source})
    print()
    print_rows([_file_row(file) for file in dataset.files], as_json=False, nothing="it has no files")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the CSV files.")],
    pipeline: Pipeline = DEFAULT_PIPELINE,
    history: NeedsHistory = True,
    unsorted_ok: UnsortedOk = False,
    event_types: EventTypes = "",
    as_json: AsJson = False,
) -> None:
    """Say whether a folder can be replayed; the first fault is named by file, line and column."""
    _speak()
    wishes = checks.Wishes(unsorted_ok, event_types)
    found = checks.check(pipeline, folder, needs_history=history, wishes=wishes)
    rows = [{"file": str(file.path), "rows": file.rows} for file in found]
    print_rows(rows, as_json=as_json, nothing="there is no file")


@app.command()
def ensure(
    source: Annotated[str, typer.Argument(help="A folder or a fingerprint; nothing: generated.")] = "",
    pipeline: Pipeline = DEFAULT_PIPELINE,
    history: NeedsHistory = True,
    unsorted_ok: UnsortedOk = False,
    event_types: EventTypes = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of a generated dataset.")] = DEFAULT_SEED,
    batches: Annotated[int | None, typer.Option(min=1, help="Batches of a generated dataset.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a dataset into the object store (when it is not there yet) and print its fingerprint."""
    _speak()
    dataset = datasets.ensure(
        store(),
        pipeline,
        source,
        seed=seed,
        needs_history=history,
        wishes=checks.Wishes(unsorted_ok, event_types),
        progress=console_progress,
        **({} if batches is None else {BATCHES: batches}),
    )
    if as_json:
        print_json(dataset.to_json())
    else:
        print(dataset.fingerprint)


def _speak() -> None:
    """Let warnings be seen."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")


def _stored(objects: ObjectStore, pipeline: str, fingerprint: str) -> Dataset | None:
    """The dataset; None where an upload broke off."""
    described = objects.get_json(all_of(pipeline) / fingerprint / datasets.DESCRIPTION)
    return Dataset.from_json(described) if described else None


def _row(dataset: Dataset) -> dict[str, Any]:
    return {
        "fingerprint": dataset.fingerprint[:_DIGITS],
        "files": len(dataset.files),
        "rows": sum(file.rows for file in dataset.files),
        "bytes": sum(file.size for file in dataset.files),
        "history": dataset.history_fingerprint is not None,
        "source": dataset.source,
    }


def _file_row(file: DatasetFile) -> dict[str, Any]:
    found = file.findings
    said = [*found.warnings, *filter(None, (found.unsorted, found.untaught))]
    return {
        "file": file.name,
        "rows": file.rows,
        "bytes": file.size,
        "history": file.history,
        "found": "; ".join(said),
    }
