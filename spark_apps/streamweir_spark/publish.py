"""Publishing a micro-batch's rows to the output topics, once, in a Kafka transaction that carries its id."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
from kafka import errors
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from streamweir.broker.clients import kafka_errors, refused
from streamweir.broker.records import log_end, read_topic
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import WRITER, partition_of
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import OutputTopic, Pipeline
from streamweir_spark.scoring import messages_of

BATCH_ID = "batch_id"
"""The header that says which micro-batch published a message."""

Offsets = dict[str, dict[str, int]]

_Rows = Iterator[tuple[int | None, str | None, bytes]]

_TRIES = 4


class Outgoing(NamedTuple):
    """A message to publish; `topic` is the full name."""

    topic: str
    partition: int
    value: bytes
    headers: list[tuple[str, bytes]]


def outgoing(stream: Stream, pipeline: Pipeline, tables: Mapping[str, pa.Table]) -> Iterator[Outgoing]:
    """The messages that the stream's output topics get of a micro-batch's tables, by table name."""
    for topic in pipeline.outputs:
        if topic.table.name in tables:
            is_scored = topic.table.name == pipeline.scored_table
            for sequence, run, value in _rows(topic, tables[topic.table.name], is_scored):
                place = partition_of(sequence or 0, topic.partitions)
                yield Outgoing(topic.of(stream), place, value, [("run", (run or "").encode())])


def _rows(
    topic: OutputTopic, rows: pa.Table, is_scored: bool
) -> Iterator[tuple[int | None, str | None, bytes]]:
    """Sequence, run and value of each message that a topic gets of a table's rows."""
    if is_scored:
        values = messages_of(topic, rows)
    else:
        values = pa.chunked_array([list(map(_json, rows.select(topic.fields).to_pylist()))], pa.binary())
    wanted = rows.select(["sequence", "run"]).append_column("value", values)
    if topic.where is not None:
        wanted = wanted.filter(rows[topic.where])
    return zip(*(column.to_pylist() for column in wanted.columns), strict=True)


def _json(row: dict[str, Any]) -> bytes:
    """A row as JSON. Bytes, which JSON does not know, become text; what is not UTF-8 in them is replaced."""
    return orjson.dumps(
        row, default=lambda value: bytes(value).decode(errors="replace"), option=orjson.OPT_UTC_Z
    )


class Publisher:
    """Publishes one micro-batch after another.

    librdkafka cannot tell whether a transaction whose commit went unanswered was committed. So after every
    error, and after every start of the driver, a new producer is initialised, which settles what the old one
    left open, and the topics are read back from where the micro-batch before had ended. A new producer shuts
    out the one before it: `before_opening` raises when this driver was replaced and may not do that.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        transactional_id: str,
        topics: Iterable[str],
        before_opening: Callable[[], None],
    ) -> None:
        self._kafka = kafka
        self._transactional_id = transactional_id
        self._topics = tuple(topics)
        self._before_opening = before_opening
        self._writer: TransactionalWriter | None = None

    def publish(self, batch_id: int, messages: list[Outgoing], since: Offsets) -> Offsets:
        """Publish all of the messages, or find that they were; returns the offsets after them.

        since: the offsets after the micro-batch before. Raises DependencyUnreachable after some tries.
        """
        if not messages:
            return since
        tries = Retrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, errors.KafkaError) and not refused(error)
            ),
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential(multiplier=0.5, max=4),
            sleep=_pause,
            reraise=True,
        )
        with kafka_errors(self._kafka, f"publish micro-batch {batch_id}"):
            ends: Offsets = tries(self._attempt, batch_id, messages, since)
            return ends

    def close(self) -> None:
        """Let go of the producer."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _attempt(self, batch_id: int, messages: list[Outgoing], since: Offsets) -> Offsets:
        try:
            if self._writer is None:
                self._before_opening()
                self._writer = TransactionalWriter(self._kafka, self._transactional_id)
                there = self._read_back(batch_id, since)
                if there is not None:
                    return there
            return self._send(self._writer, batch_id, messages, since)
        except Exception:
            # Also when reading back failed: the next try must not go on without it.
            self.close()
            raise

    def _send(
        self, writer: TransactionalWriter, batch_id: int, messages: list[Outgoing], since: Offsets
    ) -> Offsets:
        own = self._headers(batch_id).items()
        writer.begin()
        for message in messages:
            writer.send(message.topic, message.partition, message.value, [*message.headers, *own])
        return _advanced(since, writer.commit())

    def _read_back(self, batch_id: int, since: Offsets) -> Offsets | None:
        wanted, ends = self._headers(batch_id).items(), {}
        for topic in self._topics:
            start = {int(partition): offset for partition, offset in since.get(topic, {}).items()}
            # Another stream's open transaction on a shared topic hides what this one committed behind it.
            end = log_end(self._kafka, topic)
            for record in read_topic(self._kafka, topic, start=start, end=end):
                if wanted <= dict(record.raw_headers).items():
                    ends[topic, record.partition] = record.offset + 1
        return _advanced(since, ends) if ends else None

    def _headers(self, batch_id: int) -> dict[str, bytes]:
        return {BATCH_ID: str(batch_id).encode(), WRITER: self._transactional_id.encode()}


def _advanced(since: Offsets, ends: dict[tuple[str, int], int]) -> Offsets:
    offsets = {topic: dict(partitions) for topic, partitions in since.items()}
    for (topic, partition), offset in ends.items():
        offsets.setdefault(topic, {})[str(partition)] = offset
    return offsets


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)
