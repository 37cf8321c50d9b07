"""The benchmark's own stack, and what it needs on it: topics, a dataset, a model, a scorer."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from infra import environment
from infra.layout import Layout
from infra.plan import installed_tools
from infra.ports import free_ports
from infra.stack import Stack
from infra.starting import Board
from streamweir.broker.topics import provision
from streamweir.commits import Commit
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.contracts.tables import Pipeline
from streamweir.datasets.dataset import Dataset
from streamweir.datasets.store import download, upload
from streamweir.errors import StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.progress import console_progress
from streamweir.replay.plan import Request
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay
from streamweir.scorer import launch, package, status, stop
from streamweir.scorer.command import locate, spark_submit
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.settings import Settings

_PORTS = ("kafka_port", "kafka_controller_port", "minio_port", "minio_console_port", "airflow_port")


@dataclass(frozen=True)
class Bench:
    """A running stack, a scratch folder, and the pipeline that is measured on them.

    servers: with the scorer's account. tasks: with the other. options, time_zone: of the pipeline's scorers.
    """

    pipeline: Pipeline
    options: Mapping[str, Any]
    time_zone: str
    kafka: KafkaConnection
    tasks: StoreConnection
    store: ObjectStore
    servers: Servers
    folder: Path

    def dataset(self, folder: Path) -> Dataset:
        """Upload a dataset."""
        return upload(self.store, self.pipeline.name, folder, "benchmark", progress=console_progress)

    def train(self, dataset: Dataset) -> str:
        """Train a model; returns its version."""
        result = ObjectKey("runs", "bench/training.json")
        arguments = ["--dataset", dataset.fingerprint, "--promote", "--result", str(result)]
        self.submit(f"{self.pipeline.name}_train", arguments)
        return str(self.store.get_json(result)["version"])

    def submit(self, app: str, arguments: list[str]) -> str:
        """Run a Spark app as the platform does; returns what it printed."""
        at = locate(package.build(self.folder / "packages"), os.environ)
        command = spark_submit(app, arguments, name=app, spark=self.servers.spark, at=at)
        # Training writes models, which the scorer's account may not.
        servers = replace(self.servers, store=self.tasks)
        env = {**launch.environment(servers), "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StreamweirError(f"{app} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    def run(self, stream_id: str) -> Run:
        """A run on a new stream with its topics."""
        stream = Stream(self.pipeline.name, stream_id)
        provision(self.kafka, stream, self.pipeline)
        return Run(stream, stream_id)

    def send(self, run: Run, dataset: Dataset, **request: float) -> Manifest:
        """Replay the dataset."""
        folder = download(self.store, dataset, self.folder / dataset.fingerprint)
        wanted = Request(dataset=dataset.fingerprint, **request)  # type: ignore[arg-type]
        return replay(
            run, wanted, kafka=self.kafka, store=self.store, folder=folder, progress=console_progress
        )

    def start_scorer(self, run: Run, dataset: Dataset, model: str, max_messages: int) -> None:
        """Start the stream's scorer."""
        spec = ScorerSpec(
            run.stream,
            run.id,
            dataset.fingerprint,
            model,
            self.time_zone,
            self.pipeline.lateness_s,
            max_messages,
            self.options,
        )
        launch.start(spec, self.servers, self.store, self.folder)

    def stop_scorer(self, run: Run) -> None:
        """Stop the stream's scorer and wait until it has ended."""
        stop.request(self.store, run.stream, "the benchmark is over")
        await_status(self.store, run.stream, lambda found: found.state == status.State.STOPPED)


def await_status(store: ObjectStore, stream: Stream, wanted: Callable[[status.Status], bool]) -> None:
    """Wait until the stream's status is as wanted; raises its error when the scorer has failed."""

    @retry(retry=retry_if_result(lambda there: not there), wait=wait_fixed(0.5), stop=stop_after_delay(900))
    def look() -> bool:
        found = status.read(store, stream)
        if found is not None and (error := status.failure(found)) is not None:
            raise error
        return found is not None and wanted(found)

    look()


def steady_rate(commits: Sequence[Commit], rows: Mapping[int, int]) -> float:
    """Rows a second, the median of the micro-batches after the first and before the last, which is not full.

    rows: by micro-batch; those without any are left out.
    """
    rates = [
        rows[commit.batch_id] / (commit.committed_at - before.committed_at) * 1e6
        for before, commit in pairwise(commits)
        if rows.get(commit.batch_id)
    ]
    return median(rates[:-1])


@contextmanager
def bench_stack(pipeline: Pipeline, options: Mapping[str, Any], time_zone: str) -> Iterator[Bench]:
    """A stack of its own, on free ports and in a scratch folder; ended afterwards."""
    os.environ.update(environment.programs(Layout(Path("/nowhere")), installed_tools()))
    with tempfile.TemporaryDirectory(prefix="streamweir-bench-") as name:
        folder, board = Path(name), Board(Console(file=sys.stderr))
        os.environ["STREAMWEIR_WORK"] = str(folder / "work")
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        stack = Stack(Settings.load(var=folder / "var", **ports))
        try:
            stack.up(board)
            kafka = environment.kafka_connection(stack.settings)
            tasks = environment.tasks_store(stack.settings, stack.secrets)
            scorers = environment.scorer_store(stack.settings, stack.secrets)
            servers = Servers(kafka, scorers, SparkConnection(stack.settings.spark_master))
            yield Bench(pipeline, options, time_zone, kafka, tasks, ObjectStore(tasks), servers, folder)
        finally:
            stack.down(board)
