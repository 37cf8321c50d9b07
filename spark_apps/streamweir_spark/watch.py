"""Keeping the status object true while a query runs."""

import json
import threading
import time
from functools import cached_property
from typing import Any

from pyspark import SparkContext
from pyspark.sql.streaming.listener import JStreamingQueryListener, StreamingQueryListener

from streamweir.commits import Commit
from streamweir.contracts.streams import Stream
from streamweir.errors import DependencyUnreachable
from streamweir.objectstore import ObjectStore
from streamweir.scorer import status as statuses
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import State, Status, starting, timestamp
from streamweir_spark.log import say
from streamweir_spark.sink import Sink

WRITE_EVERY_S = 5.0


class Reporter:
    """Writes a scorer's status object; goes on from what the driver before it wrote."""

    def __init__(self, store: ObjectStore, spec: ScorerSpec, holder: str) -> None:
        self._store = store
        self._stream: Stream = spec.stream
        self._lateness_s = spec.lateness_s
        self._lock = threading.Lock()
        self._written = 0.0
        self._moved = False
        self._status = _first(statuses.read(store, spec.stream), spec, holder)

    @property
    def batch_id(self) -> int | None:
        """The last micro-batch of the stream that is known to be committed; None before the first."""
        return self._status.batch_id

    def show(self, **changes: Any) -> None:
        """Write the status with changes.

        A store that is away is no reason to stop here: the next write may succeed.
        """
        with self._lock:
            self._status = statuses.touched(self._status, **changes)
            self._written = time.monotonic()
            try:
                statuses.write(self._store, self._stream, self._status)
            except DependencyUnreachable as error:
                say(f"the status could not be written: {error}")

    def tick(self, *, moving: bool) -> None:
        """Write the status when the last time is some seconds ago; moving: idle, or at work that shows."""
        self._moved = self._moved or moving
        if time.monotonic() - self._written >= WRITE_EVERY_S:
            moved, self._moved = self._moved, False
            self.show(**({"progressed_at": timestamp()} if moved else {}))

    def nothing_to_read(self, newest: Commit | None) -> None:
        """Show that the scorer is at work, although Spark reports no micro-batch while there is nothing new.

        After a clean stop there may be nothing to do; the newest commit says where the stream stands.
        """
        if self._status.state == State.STARTING:
            place = {} if newest is None else self._place(newest)
            self.show(state=State.RUNNING, progressed_at=timestamp(), error=None, **place)

    def micro_batch(self, progress: dict[str, Any], commit: Commit) -> None:
        """Show what a micro-batch did, with Spark's own account of it."""
        # Spark counts messages; a reader thinks in the records that they hold.
        per_message = commit.rows / progress["numInputRows"] if progress["numInputRows"] else 0.0
        operators = progress["stateOperators"]
        # The last one of a scorer that is stopping: whoever comes now must not attach to it.
        stopping = self._status.state == State.STOPPING
        self.show(
            state=State.STOPPING if stopping else State.RUNNING,
            progressed_at=timestamp(),
            error=None,
            rows=commit.rows,
            input_rows_per_second=_rate(progress, "inputRowsPerSecond", per_message),
            processed_rows_per_second=_rate(progress, "processedRowsPerSecond", per_message),
            end_offsets=_offsets(progress["sources"], self._stream),
            state_rows=sum(operator["numRowsTotal"] for operator in operators),
            state_memory_bytes=sum(operator["memoryUsedBytes"] for operator in operators),
            dropped_by_watermark=self._status.dropped_by_watermark + dropped(progress),
            **self._place(commit),
        )

    def _place(self, commit: Commit) -> dict[str, Any]:
        watermark = None if commit.max_ts is None else commit.max_ts - self._lateness_s
        return {
            "batch_id": commit.batch_id,
            "next_sequence": commit.next_sequence,
            "max_ts": commit.max_ts,
            "watermark": watermark,
        }


class _JvmListener(JStreamingQueryListener):
    """Hands on Java's own event of a micro-batch, of which PySpark's copy is expensive: see ADR 0020."""

    def onQueryProgress(self, event: Any) -> None:
        """A micro-batch has ended."""
        self.pylistener.onQueryProgress(event)


class Listener(StreamingQueryListener):
    """Hears of every micro-batch from Spark."""

    def __init__(self, reporter: Reporter, sink: Sink) -> None:
        self._reporter = reporter
        self._sink = sink

    @cached_property
    def _jlistener(self) -> Any:
        return SparkContext._jvm.PythonStreamingQueryListenerWrapper(_JvmListener(self))  # type: ignore[union-attr]

    def onQueryStarted(self, event: Any) -> None:
        """Nothing to tell before the first micro-batch."""

    def onQueryProgress(self, event: Any) -> None:
        """A micro-batch has ended."""
        progress = json.loads(event.progress().json())
        self._sink.dropped += dropped(progress)
        if self._sink.last is not None:
            self._reporter.micro_batch(progress, self._sink.last)

    def onQueryIdle(self, event: Any) -> None:
        """There is nothing new to read; Spark says so at once and then every ten seconds."""
        try:
            self._reporter.nothing_to_read(self._sink.newest(self._reporter.batch_id))
        except DependencyUnreachable as error:
            say(str(error))

    def onQueryTerminated(self, event: Any) -> None:
        """The main loop sees that."""


def dropped(progress: dict[str, Any]) -> int:
    """Rows that Spark itself dropped in a micro-batch."""
    return sum(operator["numRowsDroppedByWatermark"] for operator in progress["stateOperators"])


def _first(found: Status | None, spec: ScorerSpec, holder: str) -> Status:
    if found is not None and found.holder == holder:
        return found
    return starting(spec, holder, found)


def _rate(progress: dict[str, Any], name: str, per_message: float) -> float:
    # Absent in the first progress, and Infinity or NaN for a micro-batch without a duration.
    value = progress.get(name)
    return round(value * per_message, 1) if isinstance(value, float | int) and value < float("inf") else 0.0


def _offsets(sources: list[dict[str, Any]], stream: Stream) -> dict[str, dict[str, int]]:
    ends = sources[0]["endOffset"]
    parsed = json.loads(ends) if isinstance(ends, str) else ends
    return {topic.removeprefix(stream.topic("")): partitions for topic, partitions in (parsed or {}).items()}
