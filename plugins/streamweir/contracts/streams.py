"""Streams: the names of their topics and of their objects in the store."""

import hashlib
import re
from dataclasses import dataclass, replace

from streamweir.errors import BadConfiguration

STREAM_ID_PATTERN = "[a-z0-9-]{1,60}"
_STREAM_ID = re.compile(STREAM_ID_PATTERN)
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class ObjectKey:
    """An object, or a prefix of objects: the bucket's name without the prefix setting, and the key in it."""

    bucket: str
    key: str

    def __truediv__(self, name: str) -> "ObjectKey":
        return ObjectKey(self.bucket, f"{self.key}/{name}")

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


DATASETS = "datasets"
MODELS = "models"
RUNS = "runs"
STREAMS = "streams"
BUCKETS = (DATASETS, MODELS, RUNS, STREAMS)


def stream_id_of(run_id: str) -> str:
    """The stream id of an isolated run: Kafka allows fewer characters than Airflow does in a run id.

    The digest keeps two run ids apart that differ only in characters that Kafka does not allow.
    """
    plain = _NOT_ALLOWED.sub("-", run_id.lower()).strip("-")
    return f"{plain[:51]}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def named(stage: str, name: str) -> str:
    """What a run's bundle calls an input or table: by its name, behind the stage's where that has one."""
    return f"{stage}.{name}" if stage else name


@dataclass(frozen=True)
class Stream:
    """A pipeline and a stream id: one set of topics, one checkpoint, one set of output tables.

    stage: whose status, lease, checkpoint, commits, tables and stop are meant, where a pipeline has several
    stages; empty for a pipeline's only stage.
    """

    pipeline: str
    id: str
    stage: str = ""

    def __post_init__(self) -> None:
        if not _STREAM_ID.fullmatch(self.id):
            raise BadConfiguration(
                f"stream id {self.id!r} is not usable: take 1 to 60 of the characters a-z, 0-9 and -"
            )

    def __str__(self) -> str:
        return ".".join(filter(None, (self.pipeline, self.id, self.stage)))

    def of_stage(self, stage: str) -> "Stream":
        """The same stream, as one of its stages has it."""
        return replace(self, stage=stage)

    def topic(self, name: str) -> str:
        """The full name of one of the pipeline's topics."""
        return f"{self.pipeline}.{self.id}.{name}"

    @property
    def writer(self) -> str:
        """The transactional id of the stream's scorer, and its name on what it publishes."""
        return f"{self}.scorer"

    @property
    def root(self) -> ObjectKey:
        """Everything that the stream keeps in the object store."""
        return ObjectKey(STREAMS, f"{self.pipeline}/{self.id}")

    @property
    def origin(self) -> ObjectKey:
        """The run that made the stream, and whether the stream is its own; written before the first topic."""
        return self.root / "origin.json"

    @property
    def newest_run(self) -> ObjectKey:
        """Which run was planned last; written before its first message. Each plan names the run before it."""
        return self.root / "newest_run.json"

    @property
    def own(self) -> ObjectKey:
        """Everything that the stage keeps in the object store."""
        return self.root / "stages" / self.stage if self.stage else self.root

    @property
    def status(self) -> ObjectKey:
        """The scorer's status object."""
        return self.own / "status.json"

    @property
    def settings(self) -> ObjectKey:
        """What the scorer that has the stream was asked to count with, and which scorer that is."""
        return self.own / "settings.json"

    @property
    def lease(self) -> ObjectKey:
        """The object whose compare-and-set makes sure of one writer."""
        return self.own / "lease.json"

    @property
    def stop_marker(self) -> ObjectKey:
        """An object that asks the scorer that it names to stop."""
        return self.own / "stop.json"

    @property
    def checkpoint(self) -> ObjectKey:
        """Spark's checkpoint location."""
        return self.own / "checkpoint"

    def table(self, name: str) -> ObjectKey:
        """The prefix of an output table; its files lie in `batch_id=<n>/data.parquet`."""
        return self.own / "tables" / name

    def table_file(self, name: str, batch_id: int) -> ObjectKey:
        """The one file that micro-batch `batch_id` writes, whole, to an output table."""
        return self.table(name) / f"batch_id={batch_id}" / "data.parquet"

    @property
    def commits(self) -> ObjectKey:
        """The prefix of the micro-batches' commit records."""
        return self.own / "commits"

    def commit(self, batch_id: int) -> ObjectKey:
        """The commit record of a micro-batch: what it read, when it was readable."""
        return self.commits / f"{batch_id:010d}.json"

    @property
    def announced(self) -> ObjectKey:
        """The prefix of what the stream's runs found where others drop objects, in its order."""
        return self.root / "announced"

    @property
    def intent(self) -> ObjectKey:
        """What a stage decided for the step that it is at, before the step's first output."""
        return self.own / "intent.json"

    @property
    def segments(self) -> ObjectKey:
        """The prefix of what finished runs left, put together."""
        return self.own / "segments"

    def segment(self, last: int) -> ObjectKey:
        """The segment whose last micro-batch this is: which ones it holds, and in which files beside it."""
        return self.segments / f"{last:010d}.json"

    def totals(self, batch_id: int) -> ObjectKey:
        """The figures' totals after a micro-batch: two objects in turn, so that the ones before it stay."""
        return self.own / "totals" / f"{batch_id % 2}.json"

    def memory(self, batch_id: int) -> ObjectKey:
        """What a driver's core remembers after a micro-batch, without ids, pickled; two objects in turn."""
        return self.own / "memory" / f"{batch_id % 2}.pickle"

    @property
    def blocks(self) -> ObjectKey:
        """The prefix of the blocks of ids that a driver's core remembers."""
        return self.own / "memory" / "blocks"

    def block(self, digest: str) -> ObjectKey:
        """A block, by the SHA-256 of its data: it never changes."""
        return self.blocks / digest
