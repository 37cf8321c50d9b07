"""Writing in Kafka transactions: all messages of one, or none."""

from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from kafka import errors

from streamweir.broker.clients import refused
from streamweir.broker.rdkafka import known, producer, translated
from streamweir.connections import KafkaConnection

COMMIT_S = 60
"""Seconds after which a commit counts as failed, its outcome as unknown."""
OPEN_S = 15
"""Seconds within which Kafka must have answered a new writer."""


class TransactionalWriter:
    """A producer from its initialisation to its first error.

    To open one ends every earlier writer of the same transactional id: what that one left open is aborted,
    what it was committing is committed. All methods raise kafka-python's errors. After one of them the writer
    is of no use and the transaction's outcome is unknown (librdkafka speaks a protocol version without
    protection against a late commit): close it, open a new one, and read back what the topics hold.
    """

    def __init__(self, connection: KafkaConnection, transactional_id: str) -> None:
        self._ends: dict[tuple[str, int], int] = {}
        self._undelivered: errors.KafkaError | None = None
        self._trouble: errors.KafkaError | None = None
        self._producer = producer(
            connection, transactional_id, on_delivery=self._delivered, error_cb=self._troubled
        )
        try:
            self._open()
        except errors.KafkaError:
            self.close()
            raise

    def begin(self) -> None:
        """Begin a transaction."""
        self._ends = {}
        with translated():
            self._producer.begin_transaction()

    def send(self, topic: str, partition: int, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Add a message to the transaction."""
        while True:
            try:
                # Its type asks for a list that may hold texts as well.
                return self._producer.produce(topic, value, partition=partition, headers=headers)  # type: ignore[arg-type]
            except BufferError:
                # There is room again once a message has arrived, or has failed for good.
                with translated():
                    self._producer.poll(1)
            except KafkaException as error:
                raise known(error.args[0]) from error

    def commit(self) -> dict[tuple[str, int], int]:
        """Commit; returns the offset after the last message per topic and partition."""
        try:
            self._producer.commit_transaction(COMMIT_S)
        except KafkaException as error:
            if self._undelivered and error.args[0].code() == KafkaError._INCONSISTENT:
                # The commit says how many messages failed, each of them why.
                raise self._undelivered from error
            raise known(error.args[0]) from error
        return self._ends

    def abort(self) -> None:
        """Abort the open transaction, so that readers need not wait for its time-out."""
        with translated():
            self._producer.abort_transaction(COMMIT_S)

    def close(self) -> None:
        """Let go of the producer; what is still unsent is dropped."""
        # Producer.close would wait until Kafka has answered that the transaction is aborted. A producer that
        # nobody holds any more ends by itself, and at once.
        self._producer.purge()
        # A writer that was shut out says so whenever it is asked anything.
        with suppress(KafkaException):
            self._producer.flush(1)
        del self._producer

    def _open(self) -> None:
        """Initialise the producer. librdkafka tries again after everything, also what was refused."""
        for _ in range(OPEN_S):
            try:
                return self._producer.init_transactions(1)
            except KafkaException as error:
                with translated():
                    self._producer.poll(0)
                failure = self._trouble or known(error.args[0])
                if refused(failure) or not error.args[0].retriable():
                    raise failure from error
        raise failure

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._undelivered = self._undelivered or known(error)
        else:
            self._ends[message.topic(), message.partition()] = message.offset() + 1

    def _troubled(self, error: KafkaError) -> None:
        self._trouble = known(error)
