"""Streams and runs: the names of their topics and of their objects in the store."""

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


DATASETS, MODELS, RUNS, STREAMS = "datasets", "models", "runs", "streams"
BUCKETS = (DATASETS, MODELS, RUNS, STREAMS)


def stream_id_of(run_id: str) -> str:
    """The stream id of an isolated run: Kafka allows fewer characters than Airflow does in a run id.

    The digest keeps two run ids apart that differ only in characters that Kafka does not allow.
    """
    plain = _NOT_ALLOWED.sub("-", run_id.lower()).strip("-")
    return f"{plain[:51]}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


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
    def segments(self) -> ObjectKey:
        """The prefix of what finished runs left, put together."""
        return self.own / "segments"

    def segment(self, last: int) -> ObjectKey:
        """The segment whose last micro-batch this is: which ones it holds, and in which files beside it."""
        return self.segments / f"{last:010d}.json"

    def totals(self, batch_id: int) -> ObjectKey:
        """The figures' totals after a micro-batch: two objects in turn, so that the ones before it stay."""
        return self.own / "totals" / f"{batch_id % 2}.json"


@dataclass(frozen=True)
class Run:
    """One replay through a stream; its bundle is what a reader of the results opens."""

    stream: Stream
    id: str

    @property
    def bundle(self) -> ObjectKey:
        """The prefix of the run bundle. The run id is made safe for file names the way the stream id is."""
        return ObjectKey(RUNS, f"{self.stream.pipeline}/{self.stream.id}/{stream_id_of(self.id)}")

    @property
    def parameters(self) -> ObjectKey:
        """The run's parameters by their lower-case names; written by the run's first task."""
        return self.bundle / "parameters.json"

    @property
    def tasks(self) -> ObjectKey:
        """The prefix of the task records."""
        return self.bundle / "tasks"

    def task(self, name: str) -> ObjectKey:
        """What one task did: times, outcome, error, result."""
        return self.tasks / f"{name}.json"

    @property
    def training(self) -> ObjectKey:
        """The result of the training that the run needed, or that it is."""
        return self.bundle / "training.json"

    @property
    def model(self) -> ObjectKey:
        """Which model the run took, and why that one; a run that is cleared takes it again."""
        return self.bundle / "model.json"

    @property
    def selection(self) -> ObjectKey:
        """How the run's model was selected, when it was trained here."""
        return self.bundle / "model_selection_summary.json"

    @property
    def plan(self) -> ObjectKey:
        """What the replay was asked to send; written before the first message, kept by a resumed replay."""
        return self.bundle / "replay" / "plan.json"

    @property
    def manifest(self) -> ObjectKey:
        """What the replay did send: written after the flush."""
        return self.bundle / "replay" / "manifest.json"

    @property
    def replay_stop(self) -> ObjectKey:
        """An object that asks the replay of an endless recording to end."""
        return self.bundle / "replay" / "stop.json"

    @property
    def produced(self) -> ObjectKey:
        """The prefix of the producer's own counts, a row per batch in parts."""
        return self.bundle / "replay" / "produced"

    def produced_part(self, first: int) -> ObjectKey:
        """The part whose first batch has this sequence."""
        return self.produced / f"{first:012d}.parquet"

    @property
    def produced_whole(self) -> ObjectKey:
        """The counts in one file, as runs left them before there were parts."""
        return self.bundle / "replay" / "produced.parquet"

    @property
    def redriven(self) -> ObjectKey:
        """How far the stream reaches with the run's records that were put back; absent when none were."""
        return self.bundle / "replay" / "redriven.json"

    @property
    def reconciled(self) -> ObjectKey:
        """When the run was last accounted for, and where its rows begin on the output topics."""
        return self.bundle / "reconciled.json"

    @property
    def ledger(self) -> ObjectKey:
        """What happened to every row; `ledger_table` holds its batches as parquet."""
        return self.bundle / "ledger.json"

    @property
    def ledger_table(self) -> ObjectKey:
        """The ledger's batches as a table: a row per batch and input topic."""
        return self.bundle / "ledger.parquet"

    def table_file(self, name: str) -> ObjectKey:
        """The one file of a result table: this run's rows of committed micro-batches, sorted by key."""
        return self.bundle / name / "data.parquet"

    @property
    def latency(self) -> ObjectKey:
        """Seconds from the append in Kafka to the output's commit, a row per message with scored rows."""
        return self.bundle / "timing" / "latency.parquet"

    @property
    def micro_batches(self) -> ObjectKey:
        """Rows and commit time, a row per micro-batch that worked on the run."""
        return self.bundle / "timing" / "micro_batches.parquet"

    @property
    def quality(self) -> ObjectKey:
        """The prefix of the data docs and of their `results.json`."""
        return self.bundle / "quality"

    @property
    def recomputed(self) -> ObjectKey:
        """How far the stream was worked out again, and what the next run's validation begins with."""
        return self.bundle / "recomputed" / "next.json"

    def recomputed_table(self, name: str, next_sequence: int) -> ObjectKey:
        """A table of what the next run's validation begins with, of all messages before `next_sequence`."""
        return self.bundle / "recomputed" / str(next_sequence) / f"{name}.parquet"

    @property
    def plots(self) -> ObjectKey:
        """The prefix of the plots."""
        return self.bundle / "plots"

    def plot(self, name: str) -> ObjectKey:
        """One plot."""
        return self.plots / f"{name}.png"

    @property
    def report(self) -> ObjectKey:
        """The report, for people: one file that needs no other."""
        return self.bundle / "report.html"

    @property
    def summary(self) -> ObjectKey:
        """The run in numbers, for programs."""
        return self.bundle / "summary.json"

    @property
    def memory(self) -> ObjectKey:
        """The memory that was measured while the run ran, when somebody measured it."""
        return self.bundle / "memory.json"
