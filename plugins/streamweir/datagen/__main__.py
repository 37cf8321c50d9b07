"""`python -m streamweir.datagen`: write a generated dataset into a folder."""

from pathlib import Path
from typing import Annotated

import typer

from streamweir.cli import run
from streamweir.datagen import BATCHES, DEFAULT_SEED, generator, parse_settings, settings_of
from streamweir.progress import console_progress

app = typer.Typer(add_completion=False)


@app.command()
def main(
    pipeline: Annotated[str, typer.Option(help="The pipeline's word.")] = "ecommerce_fraud",
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; var/data/<pipeline> when not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = DEFAULT_SEED,
    batches: Annotated[int | None, typer.Option(min=1, help="How many batches a replay of it sends.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting of the generator: name=number.")
    ] = None,
) -> None:
    """Write a dataset made from a seed, as CSV files."""
    target = folder or Path("var") / "data" / pipeline
    asked = parse_settings(setting or ()) | ({} if batches is None else {BATCHES: batches})
    generator(pipeline)(target, seed=seed, progress=console_progress, **settings_of(pipeline, asked))
    print(f"dataset of {pipeline} from seed {seed}: {target}")


if __name__ == "__main__":
    run(app)
