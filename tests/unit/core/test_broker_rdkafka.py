"""librdkafka's producer: what it is told of a connection, and what its errors mean."""

from types import SimpleNamespace
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException
from kafka import errors

from streamweir.broker import rdkafka, transactions
from streamweir.broker.clients import kafka_errors
from streamweir.broker.rdkafka import known, producer
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.errors import BadConfiguration, DependencyUnreachable


def test_the_producer_is_told_where_kafka_is_and_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    stub = SimpleNamespace(Producer=lambda settings, **_: made.update(settings))
    monkeypatch.setattr(rdkafka, "confluent_kafka", stub)
    producer(KafkaConnection("one:9092,two:9092", {"security_protocol": "SSL"}), "id")
    own = {name: value for name, value in made.items() if name not in rdkafka._SETTINGS}
    assert own == {
        "bootstrap.servers": "one:9092,two:9092",
        "transactional.id": "id",
        "security.protocol": "SSL",
        "ssl.endpoint.identification.algorithm": "https",
    }
    assert made["client.id"] == "streamweir"


def test_librdkafka_knows_every_setting() -> None:
    assert isinstance(producer(KafkaConnection("one:9092"), "id"), confluent_kafka.Producer)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (KafkaError._TIMED_OUT, errors.KafkaTimeoutError),
        (KafkaError._MSG_TIMED_OUT, errors.KafkaTimeoutError),
        (KafkaError._TRANSPORT, errors.KafkaConnectionError),
        (KafkaError._FENCED, errors.ProducerFencedError),
        (KafkaError._PURGE_QUEUE, errors.KafkaError),
        (KafkaError.INVALID_PRODUCER_EPOCH, errors.InvalidProducerEpochError),
        (KafkaError.CONCURRENT_TRANSACTIONS, errors.ConcurrentTransactionsError),
    ],
)
def test_what_may_pass_is_a_dependency_that_cannot_be_reached(
    code: int, meaning: type[errors.KafkaError]
) -> None:
    found = known(KafkaError(code, "in its words"))
    assert type(found) is meaning
    with pytest.raises(DependencyUnreachable, match="in its words"), kafka_errors(KafkaConnection("b"), "do"):
        raise found


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._AUTHENTICATION,
        KafkaError._INVALID_ARG,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
    ],
)
def test_what_is_refused_is_bad_configuration(code: int) -> None:
    with pytest.raises(BadConfiguration, match="in its words"), kafka_errors(KafkaConnection("b"), "do"):
        raise known(KafkaError(code, "in its words"))


def test_a_writer_that_was_shut_out_says_so_and_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fenced:
        def __init__(self, *_: Any, on_delivery: Any, **__: Any) -> None:
            self._report = on_delivery

        def init_transactions(self, timeout: float) -> None: ...

        def commit_transaction(self, timeout: float) -> None:
            self._report(KafkaError(KafkaError._PURGE_QUEUE, "dropped"), None)
            raise KafkaException(KafkaError(KafkaError._FENCED, "by a newer one", True))

        def purge(self) -> None: ...

        def flush(self, timeout: float) -> None:
            raise KafkaException(KafkaError(KafkaError._FENCED, "by a newer one", True))

    monkeypatch.setattr(transactions, "producer", Fenced)
    writer = TransactionalWriter(KafkaConnection("one:9092"), "id")
    with pytest.raises(errors.ProducerFencedError):
        writer.commit()
    writer.close()


def test_who_is_not_let_in_is_told_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    class Unwelcome:
        def __init__(self, *_: Any, error_cb: Any, **__: Any) -> None:
            self._tell = error_cb

        def init_transactions(self, timeout: float) -> None:
            tries.append(timeout)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer", False, True))

        def poll(self, timeout: float) -> None:
            self._tell(KafkaError(KafkaError._AUTHENTICATION, "wrong password"))

        def purge(self) -> None: ...

        def flush(self, timeout: float) -> None: ...

    monkeypatch.setattr(transactions, "producer", Unwelcome)
    with pytest.raises(errors.SaslAuthenticationFailedError, match="wrong password"):
        TransactionalWriter(KafkaConnection("one:9092"), "id")
    assert len(tries) == 1
