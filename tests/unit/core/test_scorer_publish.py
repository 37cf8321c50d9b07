"""Publishing once: what happens after an error whose outcome nobody knows."""

from collections.abc import Iterator
from typing import Any

import pytest
from kafka import errors

from streamweir.broker.records import Record
from streamweir.connections import KafkaConnection
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamHeld
from streamweir_spark import publish as module
from streamweir_spark.publish import Outgoing, Publisher

TOPIC = "ecommerce_fraud.s.predictions"


class Broker:
    """A topic with one partition; fails as told: before or after a commit takes effect.

    stable: where an open transaction of another stream begins, behind which nothing can be read; it ends when
    somebody waits for more.
    """

    def __init__(self) -> None:
        self.log: list[tuple[bytes, list[tuple[str, bytes]]]] = []
        self.faults: list[str] = []
        self.opened = 0
        self.stable: int | None = None

    def log_end(self, kafka: KafkaConnection, topic: str) -> dict[int, int]:
        return {0: len(self.log)}

    def read(
        self,
        kafka: KafkaConnection,
        topic: str,
        *,
        start: dict[int, int],
        end: dict[int, int] | None = None,
    ) -> Iterator[Record]:
        readable = len(self.log) if self.stable is None else self.stable
        for offset in range(start.get(0, 0), end[0] if end else readable):
            value, headers = self.log[offset]
            yield Record(topic, 0, offset, 0, headers, value)


class Writer:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        broker.opened += 1

    def begin(self) -> None:
        self.sent: list[tuple[bytes, list[tuple[str, bytes]]]] = []

    def send(self, topic: str, partition: int, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        self.sent.append((value, headers))

    def commit(self) -> dict[tuple[str, int], int]:
        fault = self.broker.faults.pop(0) if self.broker.faults else ""
        if fault == "refused":
            raise errors.MessageSizeTooLargeError("too large")
        if fault != "before":
            self.broker.log += self.sent
        if fault:
            raise errors.KafkaTimeoutError("no answer")
        return {(TOPIC, 0): len(self.broker.log)}

    def close(self) -> None:
        self.sent = []


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(module, "TransactionalWriter", lambda *_: Writer(made))
    monkeypatch.setattr(module, "log_end", made.log_end)
    monkeypatch.setattr(module, "read_topic", made.read)
    monkeypatch.setattr(module, "_pause", lambda seconds: None)
    return made


def publisher() -> Publisher:
    return of_stream("id")


def of_stream(transactional_id: str) -> Publisher:
    return Publisher(KafkaConnection("broker:9092"), transactional_id, [TOPIC], lambda: None)


def messages(*values: bytes) -> list[Outgoing]:
    return [Outgoing(TOPIC, 0, value, [("run", b"r")]) for value in values]


def values(broker: Broker) -> list[bytes]:
    return [value for value, _ in broker.log]


def test_every_message_carries_the_id_of_its_micro_batch(broker: Broker) -> None:
    ends = publisher().publish(7, messages(b"a", b"b"), {})
    assert broker.log == [
        (value, [("run", b"r"), ("batch_id", b"7"), ("writer", b"id")]) for value in (b"a", b"b")
    ]
    assert ends == {TOPIC: {"0": 2}}


@pytest.mark.parametrize("fault", ["before", "after"])
def test_after_an_unanswered_commit_the_topic_decides(broker: Broker, fault: str) -> None:
    broker.faults = [fault]
    ends = publisher().publish(0, messages(b"a", b"b"), {})
    assert values(broker) == [b"a", b"b"]
    assert (ends, broker.opened) == ({TOPIC: {"0": 2}}, 2)


def test_a_restarted_driver_does_not_publish_a_micro_batch_again(broker: Broker) -> None:
    before = publisher().publish(0, messages(b"a"), {})
    ends = publisher().publish(1, messages(b"b"), before)
    assert publisher().publish(1, messages(b"b"), before) == ends
    assert values(broker) == [b"a", b"b"]


def test_another_streams_open_transaction_does_not_hide_what_was_published_behind_it(broker: Broker) -> None:
    publisher().publish(0, messages(b"a"), {})
    broker.stable = 0
    assert publisher().publish(0, messages(b"a"), {}) == {TOPIC: {"0": 1}}
    assert values(broker) == [b"a"]


def test_a_micro_batch_is_not_published_until_the_topic_was_read_back(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher().publish(0, messages(b"a"), {})
    again = publisher()
    monkeypatch.setattr(module, "log_end", _away)
    with pytest.raises(DependencyUnreachable):
        again.publish(0, messages(b"a"), {})
    monkeypatch.setattr(module, "log_end", broker.log_end)
    again.publish(0, messages(b"a"), {})
    assert values(broker) == [b"a"]


def _away(*_: object) -> dict[int, int]:
    raise DependencyUnreachable("Kafka is away")


def test_a_running_driver_publishes_without_reading_back(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = publisher()
    ends = one.publish(0, messages(b"a"), {})

    def unread(*_: Any, **__: Any) -> Iterator[Record]:
        raise AssertionError("read back")

    monkeypatch.setattr(module, "read_topic", unread)
    one.publish(1, messages(b"b"), ends)
    assert (values(broker), broker.opened) == ([b"a", b"b"], 1)


def test_nothing_to_publish_opens_no_transaction(broker: Broker) -> None:
    assert publisher().publish(3, [], {TOPIC: {"0": 4}}) == {TOPIC: {"0": 4}}
    assert broker.opened == 0


def test_a_broker_that_stays_away_is_a_dependency_that_cannot_be_reached(broker: Broker) -> None:
    broker.faults = ["before"] * 10
    with pytest.raises(DependencyUnreachable, match="publish micro-batch 3"):
        publisher().publish(3, messages(b"a"), {})
    assert values(broker) == []


def test_what_the_broker_refuses_is_not_tried_again(broker: Broker) -> None:
    broker.faults = ["refused"]
    with pytest.raises(BadConfiguration, match="refused to publish"):
        publisher().publish(3, messages(b"a"), {})
    assert broker.opened == 1


def test_a_driver_that_was_replaced_does_not_shut_out_its_successor(broker: Broker) -> None:
    def replaced() -> None:
        if broker.opened:
            raise StreamHeld("another scorer has taken over")

    late = Publisher(KafkaConnection("broker:9092"), "id", [TOPIC], replaced)
    broker.faults = ["before"]
    with pytest.raises(StreamHeld):
        late.publish(3, messages(b"a"), {})
    assert (values(broker), broker.opened) == ([], 1)


def test_streams_that_share_a_topic_do_not_take_each_others_micro_batches_for_their_own(
    broker: Broker,
) -> None:
    of_stream("one").publish(0, messages(b"a"), {})
    of_stream("other").publish(0, messages(b"b"), {})
    of_stream("one").publish(0, messages(b"a"), {})
    assert values(broker) == [b"a", b"b"]
