"""Writing in Kafka transactions: all messages of one, or none."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from kafka import errors
from kafka.producer.future import FutureRecordMetadata

from streamweir.broker.clients import producer
from streamweir.connections import KafkaConnection

COMMIT_S = 60
"""Seconds after which a commit counts as failed, its outcome as unknown."""


class TransactionalWriter:
    """A producer from its initialisation to its first error.

    To open one ends every earlier writer of the same transactional id: what that one left open is aborted,
    what it was committing is committed. All methods raise kafka-python's errors. After one of them the writer
    is of no use and the transaction's outcome is unknown (kafka-python speaks a protocol version without
    protection against a late commit): close it, open a new one, and read back what the topics hold.
    """

    def __init__(
        self, connection: KafkaConnection, transactional_id: str, topics: Iterable[str] = ()
    ) -> None:
        """topics: asked for now, so that their first message need not wait until Kafka has described them."""
        self._producer = producer(connection, transactional_id)
        self._sent: list[FutureRecordMetadata] = []
        try:
            self._producer.init_transactions()
            for topic in topics:
                self._producer.partitions_for(topic)
        except errors.KafkaError:
            self.close()
            raise

    def begin(self) -> None:
        """Begin a transaction."""
        self._producer.begin_transaction()
        self._sent = []

    def send(self, topic: str, partition: int, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Add a message to the transaction."""
        self._sent.append(self._producer.send(topic, value=value, headers=headers, partition=partition))

    def commit(self) -> dict[tuple[str, int], int]:
        """Commit; returns the offset after the last message per topic and partition."""
        self._producer.flush(timeout=COMMIT_S)
        # A producer that bumped its epoch commits without the messages that failed: ask each of them.
        arrived = [message.get(timeout=0) for message in self._sent]
        _within(COMMIT_S, self._producer.commit_transaction)
        ends: dict[tuple[str, int], int] = {}
        for message in arrived:
            place = (message.topic, message.partition)
            ends[place] = max(ends.get(place, 0), message.offset + 1)
        return ends

    def abort(self) -> None:
        """Abort the open transaction, so that readers need not wait for its time-out."""
        _within(COMMIT_S, self._producer.abort_transaction)

    def close(self) -> None:
        """Let go of the producer; what is still unsent is dropped."""
        # KafkaProducer.close flushes first, and fails when Kafka is away, without stopping its thread.
        sender = self._producer._sender
        sender.force_close()
        sender.join(COMMIT_S)
        with suppress(errors.KafkaError):
            self._producer.close(timeout=0)


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Run an action of kafka-python that has no time-out of its own."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            action()
        # Also what is not Kafka's: a thread that died of it has not committed.
        except BaseException as error:  # noqa: BLE001
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if thread.is_alive():
        raise errors.KafkaTimeoutError(f"no answer within {seconds} s")
