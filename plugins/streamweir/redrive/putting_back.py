"""Putting rejected records back on their topics: each once, in one transaction, between two runs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from streamweir.broker.records import Record, await_readable, read_topic
from streamweir.broker.topics import existing
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import ORIGINS, Kind, partition_of
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Topic
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.redrive.contents import Content, deliveries
from streamweir.redrive.records import Place
from streamweir.replay.batches import source_of
from streamweir.replay.deliveries import Message
from streamweir.replay.plan import Plan
from streamweir.replay.position import Position
from streamweir.replay.transmission import Link

MOST_MESSAGES = 50_000
"""In one transaction, which Kafka ends when it takes longer than `broker.rdkafka.TRANSACTION_TIMEOUT_MS`."""


@dataclass
class PutBack:
    """What became of a redrive. sequences: of its messages; empty when there was nothing to send.

    already: records that an earlier redrive had put back.
    """

    sent: list[Content] = field(default_factory=list)
    already: list[Content] = field(default_factory=list)
    sequences: range = range(0)


def put_back(kafka: KafkaConnection, store: ObjectStore, stream: Stream, contents: list[Content]) -> PutBack:
    """Put these records back, except those that were, however often this is called.

    Raises BadConfiguration while a run is under way on the stream, or when they are too many;
    DependencyUnreachable when Kafka stays away, and then calling it again settles what arrived.
    """
    if not contents:
        return PutBack()
    runs = [Run(stream, run) for run in {content.record.run or "" for content in contents}]
    redrive = _Redrive(kafka, stream, contents, _lateness_s(store, runs))
    # Looking shuts nobody out; opening the link would end the transaction of a run that is under way.
    refuse_run_under_way(stream, redrive.link.look())
    try:
        redrive.link.persist(redrive.attempt)
    finally:
        redrive.link.drop()
    for topic, offsets in redrive.ends.items():
        await_readable(kafka, topic, offsets)
    # Whoever waits for a run's results waits for these records, too.
    for run in runs:
        store.put_json(run.redriven, {"last_sequence": redrive.last_sequence})
    return redrive.outcome


def refuse_run_under_way(stream: Stream, at: Position) -> None:
    """Raise BadConfiguration when the stream's last run has not sent its flush."""
    if not at.flushed and at.last is not None:
        raise BadConfiguration(
            f"run {at.last.run} is under way on stream {stream}: put records back once it has sent its flush"
        )


def places_put_back(kafka: KafkaConnection, stream: Stream) -> set[Place]:
    """The places whose records were put back, as the input topics remember it while they are there.

    Errors as in `broker.records.read_topic`.
    """
    found: set[Place] = set()
    there = existing(kafka, stream)
    for topic in pipeline_of(stream.pipeline).inputs:
        if (name := stream.topic(topic.name)) in there:
            in_turn = _in_turn(topic, read_topic(kafka, name))
            found.update(*(_origins(topic.name, record) for record in in_turn))
    return found


class _Redrive:
    """One redrive from its first attempt to the one that is known to have arrived.

    ends: per full topic name and partition the offset after its last message.
    """

    def __init__(
        self, kafka: KafkaConnection, stream: Stream, contents: Sequence[Content], lateness_s: int
    ) -> None:
        self._kafka, self._stream, self._contents = kafka, stream, contents
        self._lateness_s = lateness_s
        self._pipeline = pipeline_of(stream.pipeline)
        self.link = Link(kafka, stream, self._pipeline)
        self._mine: set[Place] = set()
        self.outcome, self.ends, self.last_sequence = PutBack(), dict[str, dict[int, int]](), -1

    def attempt(self) -> None:
        """Send what the topics do not hold yet. Opening the link has settled every earlier transaction."""
        at = self.link.open()
        refuse_run_under_way(self._stream, at)
        there = places_put_back(self._kafka, self._stream)
        left = [content for content in self._contents if content.record.place not in there]
        self.last_sequence = at.next_sequence - 1
        writer = self.link.writer
        if left and writer is not None:
            self._send(writer, at, left)
        self.outcome.already = [c for c in self._contents if c.record.place in there - self._mine]

    def _send(self, writer: TransactionalWriter, at: Position, left: list[Content]) -> None:
        ts = (at.largest_ts or 0) + 1
        value = source_of(self._stream.pipeline).value
        start, lateness_s = at.next_sequence, self._lateness_s
        messages = deliveries(left, self._pipeline, start, ts, lateness_s=lateness_s, value=value)
        if len(messages) > MOST_MESSAGES:
            raise BadConfiguration(
                f"{len(left)} records make {len(messages)} messages; one transaction takes {MOST_MESSAGES}: "
                "put them back in parts, e.g. run by run or reason by reason"
            )
        # Remembered before the commit: its answer may be lost while its messages arrive.
        self._mine = {content.record.place for content in left}
        self.outcome.sent, self.outcome.sequences = left, range(min(messages), max(messages) + 1)
        writer.begin()
        for sequence, delivery in messages.items():
            self._write(writer, sequence, delivery)
        for (topic, partition), offset in writer.commit().items():
            self.ends.setdefault(topic, {})[partition] = offset
        self.last_sequence = max(messages)

    def _write(self, writer: TransactionalWriter, sequence: int, delivery: list[Message]) -> None:
        partitions = {topic.name: topic.partitions for topic in self._pipeline.inputs}
        for message in delivery:
            place = partition_of(sequence, partitions[message.topic])
            writer.send(self._stream.topic(message.topic), place, message.value, message.headers)


def _in_turn(topic: Topic, records: Iterable[Record]) -> Iterator[Record]:
    """What a scorer takes: a stranger's message cannot claim that a record was put back."""
    due: dict[int, int | None] = {}
    for record in records:
        # A partition that has lost its beginning goes on with whichever sequence of its own is there first.
        expected = due.setdefault(record.partition, None if record.offset else record.partition)
        if record.headers is None:
            continue
        sequence = record.headers.sequence
        if sequence == expected or (expected is None and sequence % topic.partitions == record.partition):
            due[record.partition] = sequence + topic.partitions
            yield record


def _origins(topic: str, record: Record) -> set[Place]:
    if record.headers is None or record.headers.kind is not Kind.REDRIVE:
        return set()
    try:
        places = orjson.loads(dict(record.raw_headers).get(ORIGINS, b"[]"))
        return {Place(topic, int(partition), int(offset), int(row)) for partition, offset, row in places}
    except (TypeError, ValueError):
        # Somebody else's message: what it says of itself need not make sense.
        return set()


def _lateness_s(store: ObjectStore, runs: Iterable[Run]) -> int:
    """The most that the runs were planned with."""
    plans = [store.get_json(run.plan) for run in runs]
    return max((Plan.from_json(plan).lateness_s for plan in plans if plan), default=0)
