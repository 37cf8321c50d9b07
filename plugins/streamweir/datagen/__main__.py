"""`python -m streamweir.datagen`: write a generated dataset into a folder."""

from pathlib import Path
from typing import Annotated

import typer

from streamweir.cli import run
from streamweir.datagen import DEFAULT_BATCHES, DEFAULT_HISTORY_BATCHES, DEFAULT_SEED, generator
from streamweir.progress import console_progress

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
    generator(pipeline)(
        target, seed=seed, batches=batches, history_batches=history_batches, progress=console_progress
    )
    print(f"dataset of {pipeline} from seed {seed}: {target}")


if __name__ == "__main__":
    run(app)
