"""`streamweir compare`: two runs of the same recording, row by row."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from streamweir.commands.common import (
    DEFAULT_PIPELINE,
    AsJson,
    Pipeline,
    print_json,
    print_rows,
    store,
)
from streamweir.contracts.runs import COMPARISON
from streamweir.errors import BadConfiguration, StreamweirError
from streamweir.objectstore import to_json

RunName = Annotated[
    str, typer.Argument(help="A run id, or <stream>/<run id> where the stream is not its own.")
]
DIFFERENT, TROUBLE = 1, 2
"""Exit codes, as `diff` has them."""


def compare(
    baseline: RunName,
    candidate: RunName,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, help="How far two numbers that are not whole may be apart; left out: equal to the bit."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder, made if need be, for comparison.json.")] = None,
    pipeline: Pipeline = DEFAULT_PIPELINE,
    as_json: AsJson = False,
) -> None:
    """Compare two finished runs of the same recording, row by row; exit status as of diff.

    0: equal. 1: different. 2: they cannot be compared, and why.
    """
    from streamweir import comparison

    try:
        first, second = (comparison.run_named(pipeline, name) for name in (baseline, candidate))
        found = comparison.compare(store(), first, second, tolerance)
        if out:
            _write(out / COMPARISON, to_json(found))
    except StreamweirError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(TROUBLE) from error
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found["outcome"] != comparison.EQUAL:
        raise typer.Exit(DIFFERENT)


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        raise BadConfiguration(f"{file} cannot be written: {error.strerror}") from error


def _print(found: Mapping[str, Any]) -> None:
    from streamweir.reporting.compared import grids, in_words

    print(found["outcome"])
    print(in_words(found))
    for grid in grids(found):
        print(f"\n{grid.title}: {grid.caption}")
        print_rows(grid.rows, as_json=False, nothing="")
