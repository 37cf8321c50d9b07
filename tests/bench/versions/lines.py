"""The lines of the table: each measures one version whose stack is up, on streams of its own."""

import json
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from infra.processes import MemoryWatch
from streamweir.contracts.card_fraud import PIPELINE as CARD
from streamweir.contracts.ecommerce_fraud import PIPELINE as ECOMMERCE
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.streams import Stream
from streamweir.errors import RunFailed
from tests.bench.versions import by_hand
from tests.bench.versions.cpu import CpuWatch
from tests.bench.versions.left import Committed, Message, alerts, await_commits, await_messages, messages
from tests.bench.versions.ratios import Figure
from tests.bench.versions.version import Version

_MICRO_BATCHES = 5
"""A backlog has at least so many, however small it is: the first one's time is the start's."""
_SCORED = "transactions"
"""The topic, of every pipeline with a latency, whose rows are scored."""
_COLD = 1 / 2
"""Of what is sent paced, this part goes by while the scorer starts and warms up, and is not counted."""
_MESSAGES_PER_BATCH = 4
"""At most, with a transaction's markers, which Kafka counts as well."""


@dataclass(frozen=True)
class Subject:
    """A pipeline as it is measured. rows: what its first topic's rows are called. backlog, start,
    dag_batches: batches to catch up with, to start with, and of the DAG's run; params: more of its params.
    pace: the option that paces a replay, empty where no latency is measured; rate: its value, which is
    batches a second. paced_s: for how long.
    """

    pipeline: str
    rows: str
    backlog: int
    params: Mapping[str, Any] = field(default_factory=dict)
    dag_batches: int = 2000
    start: int = 0
    pace: str = ""
    rate: int = 0
    paced_s: int = 0

    @property
    def paced(self) -> int:
        """Batches that are sent paced."""
        return self.rate * self.paced_s


def measured(version: Version, subject: Subject, folder: Path) -> Iterator[Figure]:
    """All lines of a subject, as they are measured.

    First a run of the pipeline's DAG: it uploads the dataset, trains a model and asks a scorer for its work.
    """
    asked = {"dataset": str(folder), "batches": subject.dag_batches, **subject.params}
    with MemoryWatch(version.var) as memory:
        version.run_dag(subject.pipeline, asked)
    yield Figure(
        "a run of the DAG: memory of the whole stack at its peak, MiB", memory.peak.peak_bytes / 2**20
    )
    lines = _Lines(version, subject, version.scorer_spec(subject.pipeline))
    yield from lines.catching_up()
    if subject.start:
        yield from lines.start()
    if subject.pace:
        yield from lines.latency(subject.pace)


class _Lines:
    """What is measured with a scorer that works as `spec` says."""

    def __init__(self, version: Version, subject: Subject, spec: Mapping[str, Any]) -> None:
        self._version, self._subject, self._spec = version, subject, dict(spec)

    def catching_up(self) -> Iterator[Figure]:
        """Everything is sent first; counted is what comes behind the first micro-batch."""
        stream, rows = self._stream("backlog"), self._subject.rows
        sent = self._version.replay(stream, self._spec["dataset"], "--speed", "0", *self._batches("backlog"))
        manifest = sent.manifest
        topic = pipeline_of(stream.pipeline).inputs[0].name
        yield Figure(f"replay unpaced, {rows}/s", manifest["rows_per_second"])
        yield Figure(f"replay unpaced, {rows} per CPU second", manifest["rows"][topic] / sent.cpu_s)
        at_once = self._spec["max_messages"]
        smaller = len(pipeline_of(stream.pipeline).inputs) * self._subject.backlog // _MICRO_BATCHES
        spec = {**self._spec, "max_messages": min(at_once, smaller)}
        with self._version.scorer(stream, spec) as keeper, CpuWatch(keeper.pid) as watch:
            commits = await_commits(self._version, stream, keeper, manifest["flush_sequence"])
        first, last = commits[0], commits[-1]
        worked = range(first.next_sequence, last.next_sequence)
        done = sum(one.rows for at, one in messages(self._version, stream, topic).items() if at in worked)
        wall, cpu = last.at - first.at, watch.between(first.at, last.at)
        if not done:
            raise RunFailed(f"{stream} was caught up with in one micro-batch: take a larger SIZE")
        yield Figure(f"catching up, {rows} per CPU second", done / cpu)
        yield Figure(f"catching up, {rows}/s", done / wall)
        if stream.pipeline == ECOMMERCE.name:
            yield Figure(
                "catching up, share of the hand-written process's rows/s", done / wall / self._by_hand(stream)
            )

    def start(self) -> Iterator[Figure]:
        """From the keeper's start to the first commit, which works on all that was sent before."""
        stream = self._stream("start")
        sent = self._version.replay(stream, self._spec["dataset"], "--speed", "0", *self._batches("start"))
        began = time.time()
        at_once = {"max_messages": _MESSAGES_PER_BATCH * self._subject.start}
        with self._version.scorer(stream, self._spec | at_once) as keeper, CpuWatch(keeper.pid) as watch:
            first = await_commits(self._version, stream, keeper, sent.manifest["flush_sequence"])[0]
        yield Figure("start to first commit, CPU s", watch.at(first.at))
        yield Figure("start to first commit, s", first.at - began)

    def latency(self, pace: str) -> Iterator[Figure]:
        """Sent paced, beside the scorer: seconds from the append to readable, once the scorer is warm."""
        version, stream, rate = self._version, self._stream("paced"), str(self._subject.rate)
        asked = (self._spec["dataset"], pace, rate, *self._batches("paced"))
        with version.replaying(stream, *asked) as manifest:
            # A scorer does not start before its topics are there.
            await_messages(version, stream, _SCORED)
            heard = alerts(version, stream) if stream.pipeline == CARD.name else nullcontext()
            with version.scorer(stream, self._spec) as keeper, heard as received:
                commits = await_commits(version, stream, keeper, manifest()["flush_sequence"])
        sent = messages(version, stream, _SCORED)
        readable = _committed_at(sent, commits) if received is None else received
        warm = self._subject.paced * _COLD
        seconds = [moment - sent[at].appended_at for at, moment in readable.items() if at >= warm]
        if not seconds:
            raise RunFailed(f"nothing of {stream} can be timed: take a larger SIZE")
        what = "commit" if received is None else "alert received"
        for name, value in zip(("p50", "p95"), np.percentile(seconds, (50, 95)), strict=True):
            yield Figure(f"append to {what}, {self._subject.rate:,} batches/s: {name}, s", float(value))

    def _by_hand(self, stream: Stream) -> float:
        """Rows a second of the hand-written process, on the stream's topics."""
        topics = [stream.topic(topic.name) for topic in pipeline_of(stream.pipeline).inputs]
        argv = [sys.executable, "-m", by_hand.__name__, self._version.kafka.bootstrap, *topics]
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
        return float(json.loads(done.stdout)["rows_per_second"])

    def _stream(self, name: str) -> Stream:
        return Stream(self._subject.pipeline, f"bench-{name}")

    def _batches(self, name: str) -> tuple[str, str]:
        return "--batches", str(getattr(self._subject, name))


def _committed_at(sent: Mapping[int, Message], commits: Sequence[Committed]) -> dict[int, float]:
    """When the scored rows of each message were readable."""
    ends = [commit.next_sequence for commit in commits]
    return {at: commits[bisect_right(ends, at)].at for at, one in sent.items() if one.rows}
