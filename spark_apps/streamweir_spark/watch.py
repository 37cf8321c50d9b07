"""Keeping the status object true while a query runs."""

import json
from functools import cached_property
from typing import Any

from pyspark import SparkContext
from pyspark.sql.streaming.listener import JStreamingQueryListener, StreamingQueryListener

from streamweir.commits import Commit
from streamweir.contracts.streams import Stream
from streamweir.errors import DependencyUnreachable
from streamweir.scorer.reporter import Reporter
from streamweir.scorer.status import State, timestamp
from streamweir_spark.log import say
from streamweir_spark.sink import Sink


class QueryReporter(Reporter):
    """Writes the status object of a scorer that is a streaming query."""

    def nothing_to_read(self, sink: Sink) -> None:
        """Show that the scorer is at work, although Spark reports no micro-batch while there is nothing new.

        After a clean stop there may be nothing to do; the newest commit says where the stream stands.
        """
        if self.state != State.STARTING:
            return
        newest = sink.newest(self.batch_id)
        place = {} if newest is None else self.place(newest)
        self.show(state=State.RUNNING, progressed_at=timestamp(), error=None, doing="", **place)

    def micro_batch(self, progress: dict[str, Any], commit: Commit) -> None:
        """Show what a micro-batch did, with Spark's own account of it."""
        # Spark counts messages; a reader thinks in the records that they hold.
        per_message = commit.rows / progress["numInputRows"] if progress["numInputRows"] else 0.0
        # The last one of a scorer that is stopping: whoever comes now must not attach to it.
        stopping = self.state == State.STOPPING
        self.show(
            state=State.STOPPING if stopping else State.RUNNING,
            progressed_at=timestamp(),
            error=None,
            doing="",
            rows=commit.rows,
            input_rows_per_second=_rate(progress, "inputRowsPerSecond", per_message),
            processed_rows_per_second=_rate(progress, "processedRowsPerSecond", per_message),
            end_offsets=_offsets(progress["sources"], self.stream),
            state_memory_bytes=commit.state_bytes,
            dropped_by_watermark=self.dropped_by_watermark + dropped(progress),
            **self.place(commit),
        )


class _JvmListener(JStreamingQueryListener):
    """Hands on Java's own event of a micro-batch, of which PySpark's copy is expensive: see ADR 0020."""

    def onQueryProgress(self, event: Any) -> None:
        """A micro-batch has ended."""
        self.pylistener.onQueryProgress(event)


class Listener(StreamingQueryListener):
    """Hears of every micro-batch from Spark."""

    def __init__(self, reporter: QueryReporter, sink: Sink) -> None:
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
        """There is nothing new to read; Spark says so every second."""
        try:
            self._reporter.nothing_to_read(self._sink)
        except DependencyUnreachable as error:
            say(str(error))

    def onQueryTerminated(self, event: Any) -> None:
        """The main loop sees that."""


def dropped(progress: dict[str, Any]) -> int:
    """Rows that Spark itself dropped in a micro-batch."""
    return sum(operator["numRowsDroppedByWatermark"] for operator in progress["stateOperators"])


def _rate(progress: dict[str, Any], name: str, per_message: float) -> float:
    # Absent in the first progress, and Infinity or NaN for a micro-batch without a duration.
    value = progress.get(name)
    return round(value * per_message, 1) if isinstance(value, float | int) and value < float("inf") else 0.0


def _offsets(sources: list[dict[str, Any]], stream: Stream) -> dict[str, dict[str, int]]:
    ends = sources[0]["endOffset"]
    parsed = json.loads(ends) if isinstance(ends, str) else ends
    return {topic.removeprefix(stream.topic("")): partitions for topic, partitions in (parsed or {}).items()}
