"""Reading topics back: committed records only, to the end as it is now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from kafka import KafkaConsumer, TopicPartition

from streamweir.broker.clients import consumer, kafka_errors
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Headers
from streamweir.errors import BadConfiguration, DependencyUnreachable

STALL_S = 30
"""Seconds without a step forward after which a read is given up."""
_TAIL = 64
_POLL_MS = 500


@dataclass(frozen=True)
class Record:
    """A record of a topic. appended_ms: Kafka's append time, Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    headers: list[tuple[str, bytes]]
    value: bytes

    @cached_property
    def said(self) -> Headers | None:
        """What the replay said about the message; None for a foreign message."""
        return Headers.decode(self.headers)


def read_topic(
    kafka: KafkaConnection,
    topic: str,
    *,
    start: Mapping[int, int] | None = None,
    end: Mapping[int, int] | None = None,
) -> Iterator[Record]:
    """The committed records of a topic (full name), in order within each partition.

    start: offset per partition to begin at; from the beginning by default. end: offset per partition to stop
    before; by default where the committed records end at the time of the call. The end is told by position,
    not by count: transaction markers take offsets of their own.
    Raises BadConfiguration when there is no such topic, DependencyUnreachable when Kafka does not answer.
    """
    raise NotImplementedError
