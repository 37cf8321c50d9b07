"""`python -m streamweir.reporting`: draw a run's plots, publish its report."""

import typer

from streamweir.cli import run as run_app
from streamweir.connections import StoreConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.reporting import plot, publish

app = typer.Typer(add_completion=False, no_args_is_help=True)
PIPELINE = typer.Option(..., help="The pipeline's word, e.g. ecommerce_fraud.")
STREAM = typer.Option(..., help="The stream id.")
RUN = typer.Option(..., help="The run id.")


@app.command("plot")
def plot_command(pipeline: str = PIPELINE, stream: str = STREAM, run: str = RUN) -> None:
    """Draw the plots of a reconciled run into its bundle."""
    of = Run(Stream(pipeline, stream), run)
    names = plot(of, ObjectStore(StoreConnection.from_env()))
    print(f"drew {len(names)} plots to {of.plots}: {', '.join(names)}")


@app.command("publish")
def publish_command(pipeline: str = PIPELINE, stream: str = STREAM, run: str = RUN) -> None:
    """Write report.html and summary.json into the run's bundle."""
    of = Run(Stream(pipeline, stream), run)
    verdict = publish(of, ObjectStore(StoreConnection.from_env()))
    print(f"wrote {of.report}, outcome: {verdict.outcome}")


if __name__ == "__main__":
    run_app(app)
