"""How fast and how punctual the replay is, by itself: `python -m tests.bench.bench_replay` beside `make up`.

Prints the unpaced rate (browsing rows a second, every round and the median) and, at SPEED=1, the most that a
batch was off its schedule: when it was handed to Kafka, and by Kafka's own append times.
"""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from streamweir.broker.records import read_topic
from streamweir.broker.topics import delete, provision
from streamweir.cli import run as run_program
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.progress import console_progress, no_progress
from streamweir.replay.plan import Request
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay

app = typer.Typer(add_completion=False)


@app.command()
def main(
    batches: Annotated[int, typer.Option(help="Batches of 200 browsing rows to send unpaced.")] = 5000,
    rounds: Annotated[int, typer.Option(help="How often to send them.")] = 3,
    seconds: Annotated[
        int, typer.Option(help="How long the replay at SPEED=1 takes; 0 leaves it out.")
    ] = 600,
) -> None:
    """Measure and print."""
    kafka, store = KafkaConnection.from_env(), ObjectStore(StoreConnection.from_env())
    with tempfile.TemporaryDirectory(prefix="streamweir-bench-") as name:
        folder = Path(name)
        generator(PIPELINE.name)(folder, seed=1, batches=batches, history_batches=1, progress=no_progress)
        rates = [_unpaced(kafka, store, folder) for _ in range(rounds)]
        each = ", ".join(f"{rate:,.0f}" for rate in rates)
        typer.echo(f"unpaced: {median(rates):,.0f} browsing rows/s ({each})")
        if seconds:
            typer.echo(_paced(kafka, store, folder, seconds))


def _unpaced(kafka: KafkaConnection, store: ObjectStore, folder: Path) -> float:
    with _stream(kafka) as stream:
        return _sent(Request("bench", speed=0), stream, kafka, store, folder).rows_per_second


def _paced(kafka: KafkaConnection, store: ObjectStore, folder: Path, seconds: int) -> str:
    with _stream(kafka) as stream:
        manifest = _sent(Request("bench", speed=1, batches=seconds), stream, kafka, store, folder)
        off = {topic.name: _append_off_ms(kafka, stream.topic(topic.name)) for topic in PIPELINE.inputs}
    appended = ", ".join(f"{name} {ms:.0f} ms" for name, ms in off.items())
    return f"SPEED=1, {seconds} s: handed over at most {manifest.off_schedule_ms} ms late; append: {appended}"


def _append_off_ms(kafka: KafkaConnection, topic: str) -> float:
    """The most that an append was off a schedule that begins with the median batch's."""
    starts = [
        record.appended_ms - 1000 * record.headers.batch
        for record in read_topic(kafka, topic)
        if record.headers and record.headers.kind is Kind.BATCH
    ]
    middle = median(starts)
    return max(abs(start - middle) for start in starts)


def _sent(
    request: Request, stream: Stream, kafka: KafkaConnection, store: ObjectStore, folder: Path
) -> Manifest:
    return replay(
        Run(stream, stream.id), request, kafka=kafka, store=store, folder=folder, progress=console_progress
    )


@contextmanager
def _stream(kafka: KafkaConnection) -> Iterator[Stream]:
    made = Stream(PIPELINE.name, f"bench-{uuid.uuid4().hex[:8]}")
    provision(kafka, made, PIPELINE)
    try:
        yield made
    finally:
        delete(kafka, made)


if __name__ == "__main__":
    run_program(app)
