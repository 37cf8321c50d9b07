"""Sends a run: reads the dataset, keeps the schedule, commits batches, resumes where the topics end."""

from pathlib import Path

from streamweir.connections import KafkaConnection
from streamweir.contracts.streams import Run
from streamweir.objectstore import ObjectStore
from streamweir.progress import Progress, no_progress
from streamweir.replay.manifest import Manifest
from streamweir.replay.plan import Request


def replay(
    run: Run,
    request: Request,
    *,
    kafka: KafkaConnection,
    store: ObjectStore,
    folder: Path,
    progress: Progress = no_progress,
) -> Manifest:
    """Send the run's batches and its flush, each exactly once, however often this is called for the run."""
    raise NotImplementedError
