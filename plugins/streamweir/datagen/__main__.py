"""`python -m streamweir.datagen`: write a generated dataset into a folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streamweir.cli import run
from streamweir.datagen import DEFAULT_BATCHES, DEFAULT_HISTORY_BATCHES, DEFAULT_SEED, generator

app = typer.Typer(add_completion=False)


@app.command()
def main(
    pipeline: Annotated[str, typer.Option(help="The pipeline's word.")] = "ecommerce_fraud",
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; var/data/<pipeline> when not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = DEFAULT_SEED,
    batches: Annotated[int, typer.Option(min=1, help="Live batches of 200 browsing rows.")] = DEFAULT_BATCHES,
    history_batches: Annotated[
        int, typer.Option(min=1, help="The same for the history that models are trained on.")
    ] = DEFAULT_HISTORY_BATCHES,
) -> None:
    """Write a dataset made from a seed, as CSV files."""
    target = folder or Path("var") / "data" / pipeline
    console = Console()

    def progress(done: str, files: int, of: int) -> None:
        console.print(f"{files}/{of} {target / done}", highlight=False)

    generator(pipeline)(target, seed=seed, batches=batches, history_batches=history_batches, progress=progress)
    console.print(f"Dataset of {pipeline}, seed {seed}: {target}", highlight=False)


if __name__ == "__main__":
    run(app)
