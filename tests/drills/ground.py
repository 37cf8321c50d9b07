"""Where drills take place: a stack of their own, a dataset and a model, and a run without any fault."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from infra import environment
from infra.plan import installed_tools
from infra.ports import free_ports
from infra.processes import find
from infra.stack import Stack
from infra.starting import Board
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.progress import no_progress
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.settings import Settings
from tests.drills.airflow import Airflow
from tests.drills.compare import Outcome
from tests.drills.subjects import Subject

START_TS = 1_700_000_000
_PORTS = ("kafka_port", "kafka_controller_port", "minio_port", "minio_console_port", "airflow_port")


@dataclass(frozen=True)
class Ground:
    """A running stack that drills may harm, and what all their runs share."""

    stack: Stack
    subject: Subject
    airflow: Airflow
    folder: Path

    @property
    def kafka(self) -> KafkaConnection:
        """The broker."""
        return environment.kafka_connection(self.stack.settings)

    @property
    def tasks(self) -> StoreConnection:
        """The object store with the tasks' account."""
        return environment.tasks_store(self.stack.settings, self.stack.secrets)

    @property
    def store(self) -> ObjectStore:
        """The object store, opened with the tasks' account."""
        return ObjectStore(self.tasks)

    @property
    def servers(self) -> Servers:
        """What scorers are given."""
        settings = self.stack.settings
        return Servers(
            self.kafka,
            environment.scorer_store(settings, self.stack.secrets),
            SparkConnection(settings.spark_master),
        )

    @property
    def work(self) -> Path:
        """The scratch folder of tasks and scorers."""
        return self.stack.layout.work

    def run(self, name: str) -> Run:
        """A run on a stream of its own."""
        return Run(Stream(self.subject.pipeline.name, name), name)

    def processes(self, word: str) -> list[psutil.Process]:
        """The stack's processes, and no others, that have a word in their command line."""
        return [item.process for item in find(self.stack.settings.var) if word in _line(item.process)]

    def board(self) -> Board:
        """Where the stack says what it does."""
        return Board(Console(file=sys.stderr))


@dataclass(frozen=True)
class Model:
    """A fault-free run, for others to do the same.

    outcome: what it left. seconds: how long it took. end: the sequence after its flush. params, spec: what
    it was asked for, and what its scorer was.
    """

    outcome: Outcome
    seconds: float
    end: int
    params: dict[str, Any]
    spec: ScorerSpec

    def spec_for(self, run: Run) -> ScorerSpec:
        """The same scorer for another run."""
        return replace(self.spec, stream=run.stream, scorer=run.stream.id)


@contextmanager
def drill_ground(subject: Subject) -> Iterator[Ground]:
    """A stack on free ports, and the subject's dataset; ended afterwards. Its folder stays."""
    var = Path(tempfile.mkdtemp(prefix="streamweir-drills-"))
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    stack = Stack(Settings.load(var=var, **ports))
    board = Board(Console(file=sys.stderr))
    board.note(f"the stack of the drills, with its logs: {var}")
    try:
        stack.up(board)
        yield from _ground(stack, subject)
    finally:
        stack.down(board)


def _ground(stack: Stack, subject: Subject) -> Iterator[Ground]:
    # Whatever a drill starts belongs to its stack: it is found, struck and ended by this environment.
    os.environ.update(environment.common(stack.settings, stack.layout, installed_tools()))
    folder = stack.settings.var / "dataset" / subject.pipeline.name
    generator(subject.pipeline.name)(
        folder,
        seed=1,
        progress=no_progress,
        **subject.dataset,
    )
    user, password = stack.secrets.airflow_admin_user, stack.secrets.airflow_admin_password
    with closing(Airflow(stack.settings.airflow_url, user, password)) as airflow:
        yield Ground(stack, subject, airflow, folder)


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
