"""Reading topics back: committed records only, to the end as it is now."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

from kafka import KafkaConsumer, TopicPartition
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential

from streamweir.broker.clients import consumer, kafka_errors
from streamweir.broker.rdkafka import TRANSACTION_TIMEOUT_MS
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Headers, partition_of
from streamweir.errors import BadConfiguration, DependencyUnreachable

STALL_S = TRANSACTION_TIMEOUT_MS // 1000 + 30
"""Seconds without a step forward after which a read is given up: longer than an open transaction lasts.

Kafka looks for transactions that are too old every 10 s.
"""
_POLL_MS = 500
_TAIL = 64


@dataclass(frozen=True)
class Record:
    """A record of a topic. appended_ms: Kafka's append time, Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    raw_headers: list[tuple[str, bytes]]
    value: bytes

    @cached_property
    def headers(self) -> Headers | None:
        """What the replay says about the message; None for a foreign message."""
        return Headers.decode(self.raw_headers)


@dataclass(frozen=True)
class TopicEnd:
    """Where a topic ends: per partition the end of its committed records, and the replay's last message."""

    offsets: Mapping[int, int]
    last: Mapping[int, Record]


def read_topic(
    kafka: KafkaConnection,
    topic: str,
    *,
    start: Mapping[int, int] | None = None,
    end: Mapping[int, int] | None = None,
) -> Iterator[Record]:
    """The committed records of a topic (full name), in order within each partition.

    start: offset per partition to begin at, by default 0; what was deleted is skipped. end: offset per
    partition to stop before; by default where the committed records end at the time of the call. What lies
    behind an open transaction is waited for. The end is told by position, not by count: transaction markers
    take offsets of their own.
    Raises BadConfiguration when there is no such topic, DependencyUnreachable when Kafka does not answer.
    """
    with kafka_errors(kafka, f"read topic {topic}"), closing(consumer(kafka)) as client:
        partitions = _partitions(client, topic)
        stop = client.end_offsets(partitions) if end is None else _at(topic, end)
        wanted = _at(topic, start or {})
        first = client.beginning_offsets(partitions)
        begin = {at: max(offset, wanted.get(at, 0)) for at, offset in first.items()}
        yield from _stretch(client, begin, stop)


def log_start(kafka: KafkaConnection, topic: str) -> dict[int, int]:
    """The offset per partition before which a topic's records were deleted. Errors as in `read_topic`."""
    with kafka_errors(kafka, f"find the start of topic {topic}"), closing(consumer(kafka)) as client:
        starts = client.beginning_offsets(_partitions(client, topic))
        return {at.partition: offset for at, offset in starts.items()}


def log_end(kafka: KafkaConnection, topic: str) -> dict[int, int]:
    """The offset per partition after a topic's last record, also of a transaction that is still open.

    What another writer committed behind an open transaction lies before it, but cannot be read until that
    transaction ends. Errors as in `read_topic`.
    """
    with (
        kafka_errors(kafka, f"find the end of topic {topic}"),
        closing(consumer(kafka, "read_uncommitted")) as client,
    ):
        ends = client.end_offsets(_partitions(client, topic))
        return {at.partition: offset for at, offset in ends.items()}


def topic_end(kafka: KafkaConnection, topic: str) -> TopicEnd:
    """The end of a topic (full name), found by reading backwards from it; errors as in `read_topic`."""
    with kafka_errors(kafka, f"read the end of topic {topic}"), closing(consumer(kafka)) as client:
        partitions = _partitions(client, topic)
        first, ends = client.beginning_offsets(partitions), client.end_offsets(partitions)
        last: dict[int, Record] = {}
        reach = _TAIL
        unknown = [at for at in partitions if ends[at] > first[at]]
        while unknown:
            begin = {at: max(first[at], ends[at] - reach) for at in unknown}
            tails = {at.partition: _Tail(len(partitions)) for at in unknown}
            for record in _stretch(client, begin, {at: ends[at] for at in unknown}):
                tails[record.partition].add(record)
            for at in unknown:
                tail = tails[at.partition]
                if found := tail.last or (tail.newest if begin[at] == first[at] > 0 else None):
                    last[at.partition] = found
            unknown = [at for at in unknown if at.partition not in last and begin[at] > first[at]]
            reach *= 16
        return TopicEnd({at.partition: offset for at, offset in ends.items()}, last)


def await_readable(kafka: KafkaConnection, topic: str, offsets: Mapping[int, int]) -> None:
    """Return when the topic (full name) can be read up to these offsets per partition.

    Kafka answers a commit before its markers are written, and readers wait for those. Errors as in
    `read_topic`.
    """
    wanted = _at(topic, offsets)
    waiting = Retrying(
        retry=retry_if_result(lambda there: not there),
        stop=stop_after_delay(STALL_S),
        wait=wait_exponential(multiplier=0.005, max=0.2),
    )
    with kafka_errors(kafka, f"wait for topic {topic}"), closing(consumer(kafka)) as client:
        try:
            waiting(lambda: all(end >= wanted[at] for at, end in client.end_offsets(list(wanted)).items()))
        except RetryError as error:
            raise DependencyUnreachable(
                f"Kafka did not make {topic} readable within {STALL_S} s; is a transaction open on it?"
            ) from error


class _Tail:
    """The end of a partition, with strangers' messages in it.

    last: the largest sequence that goes on from one that lies before it. newest: of those that lie in the
    right partition, for a topic that has lost so much that nothing lies before.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._seen: set[int] = set()
        self.last: Record | None = None
        self.newest: Record | None = None
        self._largest = -1

    def add(self, record: Record) -> None:
        """Take the next record of the partition."""
        headers = record.headers
        if headers is None or record.partition != partition_of(headers.sequence, self._partitions):
            return
        before = headers.sequence - self._partitions
        if (before < 0 or before in self._seen) and headers.sequence > self._largest:
            self.last, self._largest = record, headers.sequence
        self._seen.add(headers.sequence)
        self.newest = record


def _partitions(client: KafkaConsumer, topic: str) -> list[TopicPartition]:
    found = client.partitions_for_topic(topic)
    if not found:
        raise BadConfiguration(f"Kafka has no topic {topic}: provision the stream's topics first")
    return [TopicPartition(topic, partition) for partition in sorted(found)]


def _at(topic: str, offsets: Mapping[int, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(topic, partition): offset for partition, offset in offsets.items()}


def _stretch(
    client: KafkaConsumer, begin: Mapping[TopicPartition, int], stop: Mapping[TopicPartition, int]
) -> Iterator[Record]:
    open_ = [at for at in stop if begin[at] < stop[at]]
    client.assign(open_)
    # An earlier stretch paused what it had finished with.
    client.resume(*open_)
    for at in open_:
        client.seek(at, begin[at])
    positions, moved = dict(begin), time.monotonic()
    while open_:
        for at, found in client.poll(timeout_ms=_POLL_MS).items():
            for item in found:
                if item.offset < stop[at]:
                    yield Record(
                        item.topic, item.partition, item.offset, item.timestamp, item.headers, item.value
                    )
        now = {at: client.position(at) for at in open_}
        if any(now[at] > positions[at] for at in open_):
            moved = time.monotonic()
        elif time.monotonic() - moved > STALL_S:
            raise DependencyUnreachable(f"Kafka sent nothing for {STALL_S} s while {open_[0]} was read")
        positions.update(now)
        finished = [at for at in open_ if now[at] >= stop[at]]
        client.pause(*finished)
        open_ = [at for at in open_ if at not in finished]
