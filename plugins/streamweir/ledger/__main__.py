"""`python -m streamweir.ledger`: account for every row of a run."""

import typer

from streamweir.cli import run as run_app
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.ledger import reconcile
from streamweir.objectstore import ObjectStore

app = typer.Typer(add_completion=False)


@app.command()
def main(
    pipeline: str = typer.Option(..., help="The pipeline's word, e.g. ecommerce_fraud."),
    stream: str = typer.Option(..., help="The stream id."),
    run: str = typer.Option(..., help="The run id."),
) -> None:
    """Count what was sent, what Kafka holds and what the tables hold; write ledger and tables."""
    store = ObjectStore(StoreConnection.from_env())
    ledger = reconcile(Run(Stream(pipeline, stream), run), KafkaConnection.from_env(), store)
    for topic, line in ledger.totals.items():
        print(f"{topic}: " + ", ".join(f"{name} {rows:,}" for name, rows in line.to_dict().items()))
    print(f"{len(ledger.batches):,} batches, {len(ledger.checks)} checks, 0 rows unexplained")


if __name__ == "__main__":
    run_app(app)
