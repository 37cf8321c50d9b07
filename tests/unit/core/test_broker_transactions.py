"""Transactions: only an answer is a commit, there is time for a large one, and nothing is left of a writer.

The broker is librdkafka's own mock, in this process, behind a socket like a real one.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import confluent_kafka
import psutil
import pytest
from kafka import errors

from streamweir.broker import rdkafka, transactions
from streamweir.broker.records import STALL_S
from streamweir.broker.transactions import COMMIT_S, TransactionalWriter
from streamweir.connections import KafkaConnection

HEADERS = [("run", b"r")]


class Mock:
    """A broker that is there until it is closed."""

    def __init__(self) -> None:
        log, self._lines = logging.getLogger("mock"), list[str]()
        log.setLevel(logging.INFO)
        handler = logging.Handler()
        handler.emit = lambda record: self._lines.append(record.getMessage())  # type: ignore[method-assign]
        log.addHandler(handler)
        settings = {"bootstrap.servers": "replaced", "test.mock.num.brokers": 1}
        self._host: confluent_kafka.Producer | None = confluent_kafka.Producer(settings, logger=log)
        self._host.poll(0)
        log.removeHandler(handler)
        self.connection = KafkaConnection(self._lines[0].rpartition(" ")[2])

    def close(self) -> None:
        self._host = None


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mock]:
    monkeypatch.setitem(rdkafka._SETTINGS, "allow.auto.create.topics", True)
    with closing(Mock()) as made:
        yield made


def left() -> tuple[list[str], list[object]]:
    """The names of this process's threads of librdkafka, and its sockets."""
    tasks = Path("/proc/self/task")
    names = [(tasks / name / "comm").read_text().strip() for name in os.listdir(tasks)]
    return sorted(name for name in names if name.startswith("rdk:")), psutil.Process().net_connections()


def begun(mock: Mock) -> TransactionalWriter:
    """A writer in a transaction."""
    writer = TransactionalWriter(mock.connection, "id")
    writer.begin()
    return writer


def test_a_commit_says_where_each_partition_ends(mock: Mock) -> None:
    writer = begun(mock)
    for number in range(5):
        writer.send("topic", number % 2, b"%d" % number, HEADERS)
    assert writer.commit() == {("topic", 0): 3, ("topic", 1): 2}
    writer.begin()
    writer.send("topic", 1, b"x", HEADERS)
    # The marker of the first transaction has an offset, too.
    assert writer.commit() == {("topic", 1): 4}
    writer.close()


def test_more_messages_than_the_producer_holds_wait_for_room(
    mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rdkafka._SETTINGS, "queue.buffering.max.messages", 10)
    writer = begun(mock)
    for _ in range(100):
        writer.send("topic", 0, b"x", HEADERS)
    assert writer.commit() == {("topic", 0): 100}
    writer.close()


def test_a_message_that_failed_makes_the_commit_fail_and_says_why(
    mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rdkafka._SETTINGS, "allow.auto.create.topics", False)
    # So long a topic may be new; a message for one that is not there waits for it.
    monkeypatch.setitem(rdkafka._SETTINGS, "topic.metadata.propagation.max.ms", 1_000)
    writer = begun(mock)
    writer.send("missing", 0, b"x", HEADERS)
    with pytest.raises(errors.UnknownTopicOrPartitionError):
        writer.commit()
    writer.close()


def test_a_message_that_no_topic_takes_is_refused(mock: Mock) -> None:
    writer = begun(mock)
    with pytest.raises(errors.MessageSizeTooLargeError):
        writer.send("topic", 0, bytes(9 * 1024 * 1024), HEADERS)
    writer.close()


def test_a_commit_without_an_answer_is_given_up_and_nothing_is_left(
    mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_S", 0.5)
    writer = begun(mock)
    writer.send("topic", 0, b"x", HEADERS)
    mock.close()
    with pytest.raises(errors.KafkaTimeoutError):
        writer.commit()
    assert left()[0]
    writer.close()
    assert left() == ([], [])


@pytest.mark.parametrize(("listens", "error"), [(True, errors.KafkaTimeoutError), (False, errors.KafkaError)])
def test_a_broker_that_does_not_answer_is_given_up_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, listens: bool, error: type[errors.KafkaError]
) -> None:
    monkeypatch.setattr(transactions, "OPEN_S", 1)
    # Bound and not listening: whoever calls is refused, and nobody else can have the port meanwhile.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen()
        with pytest.raises(error):
            TransactionalWriter(KafkaConnection(f"127.0.0.1:{taken.getsockname()[1]}"), "id")
    assert left() == ([], [])


def test_a_large_transaction_has_a_minute_and_readers_wait_longer_than_it_may_last() -> None:
    settings = rdkafka._SETTINGS
    assert min(COMMIT_S * 1000, settings["message.timeout.ms"], settings["transaction.timeout.ms"]) >= 60_000
    # Kafka's own check comes every 10 s.
    assert settings["transaction.timeout.ms"] + 10_000 < STALL_S * 1000
