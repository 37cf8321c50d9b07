"""`python -m streamweir_quality`: check a run, publish the docs; exit status 6 when a critical one failed."""

import importlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from streamweir.cli import run as run_program
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.pipelines import pipeline as declared
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.spec import Servers

app = typer.Typer(add_completion=False)


@app.command()
def main(
    pipeline: Annotated[str, typer.Option(help="The pipeline's word.")],
    stream: Annotated[str, typer.Option(help="The stream id.")],
    run: Annotated[str, typer.Option(help="The run id.")],
    rows_again: Annotated[
        int, typer.Option(min=1, help="How many rows the model scores a second time, at most.")
    ],
) -> None:
    """Check the tables of a run and publish the result as `quality/` of its bundle."""
    from streamweir_quality.publishing import inspect

    servers = Servers(KafkaConnection.from_env(), StoreConnection.from_env(), SparkConnection.from_env())
    suites = importlib.import_module(f"streamweir_quality.{declared(pipeline).name}")
    with tempfile.TemporaryDirectory(prefix="streamweir-quality-") as folder:
        sentence = inspect(
            ObjectStore(servers.store),
            servers,
            Run(Stream(pipeline, stream), run),
            suites.subjects,
            rows_again,
            Path(folder),
        )
    print(sentence)


if __name__ == "__main__":
    run_program(app)
