"""Following a topic as it grows, through outages of the broker."""

import logging
from collections.abc import Mapping

from kafka import KafkaConsumer, TopicPartition

from streamweir.broker.clients import consumer, kafka_errors
from streamweir.broker.records import Record
from streamweir.connections import KafkaConnection
from streamweir.errors import DependencyUnreachable

_LOG = logging.getLogger(__name__)


class Follower:
    """A reader of a topic's committed records from given offsets on, without an end."""

    def __init__(self, kafka: KafkaConnection, topic: str, start: Mapping[int, int]) -> None:
        self._kafka, self._topic = kafka, topic
        self._next = {TopicPartition(topic, partition): offset for partition, offset in start.items()}
        self._client: KafkaConsumer | None = None

    def poll(self, timeout_s: float) -> list[Record]:
        """What came within the time; nothing when nothing came or when Kafka is away for the moment.

        Raises BadConfiguration when Kafka refuses.
        """
        try:
            with kafka_errors(self._kafka, f"read topic {self._topic}"):
                found = self._opened().poll(timeout_ms=int(timeout_s * 1000))
        except DependencyUnreachable as error:
            _LOG.warning("%s; trying again", error)
            self.close()
            return []
        records = [item for items in found.values() for item in items]
        for item in records:
            self._next[TopicPartition(item.topic, item.partition)] = item.offset + 1
        return [
            Record(item.topic, item.partition, item.offset, item.timestamp, item.headers, item.value)
            for item in records
        ]

    def close(self) -> None:
        """Let go of the client; the next `poll` opens another one where this one was."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> KafkaConsumer:
        if self._client is None:
            self._client = consumer(self._kafka)
            self._client.assign(list(self._next))
            for at, offset in self._next.items():
                self._client.seek(at, offset)
        return self._client
