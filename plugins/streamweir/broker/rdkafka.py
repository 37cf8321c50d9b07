"""librdkafka's transactional producer with the house's settings, and its errors as kafka-python's.

It also says why a cluster cannot be reached, which kafka-python does not.

One vocabulary of errors serves both clients: `broker.clients` says of each whether Kafka refused.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka import errors

from streamweir.broker import security
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import MESSAGE_BYTES
from streamweir.variables import CA_FILE

CLIENT_ID = "streamweir"
"""As what all clients present themselves to Kafka."""

TRANSACTION_TIMEOUT_MS = 90_000
"""Kafka aborts a transaction that its producer left open for so long; readers wait for it until then.

On a busy machine a micro-batch of 50,000 alerts takes longer than 20 s.
"""

_ASK_S = 3
_SETTINGS = {
    "client.id": CLIENT_ID,
    "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
    "message.timeout.ms": 60_000,
    "socket.timeout.ms": 10_000,
    "reconnect.backoff.max.ms": 1_000,
    # The default of 100 ms would be most of a small transaction's time.
    "retry.backoff.ms": 10,
    "compression.type": "lz4",
    "batch.size": 1024 * 1024,
    # A commit flushes what lingers; without a linger an unpaced replay would send many small requests.
    "linger.ms": 50,
    "message.max.bytes": MESSAGE_BYTES,
    "allow.auto.create.topics": False,
    "enable.metrics.push": False,
}
_NOT_SPOKEN = (
    "it takes connections, but does not answer: `security_protocol` says whether it wants TLS and SASL, and "
    "`ssl_certfile` which certificate it is shown"
)

_Code = confluent_kafka.KafkaError
_OWN = {
    _Code._ALL_BROKERS_DOWN: errors.KafkaConnectionError,
    _Code._AUTHENTICATION: errors.SaslAuthenticationFailedError,
    _Code._FENCED: errors.ProducerFencedError,
    _Code._INVALID_ARG: errors.KafkaConfigurationError,
    _Code._MSG_TIMED_OUT: errors.KafkaTimeoutError,
    _Code._RESOLVE: errors.KafkaConnectionError,
    _Code._SSL: errors.KafkaConnectionError,
    _Code._TIMED_OUT: errors.KafkaTimeoutError,
    _Code._TRANSPORT: errors.KafkaConnectionError,
    _Code._UNKNOWN_TOPIC: errors.UnknownTopicOrPartitionError,
    _Code._UNKNOWN_PARTITION: errors.UnknownTopicOrPartitionError,
    _Code._UNSUPPORTED_FEATURE: errors.IncompatibleBrokerVersion,
}
"""librdkafka's own codes, which are negative; all others are Kafka's."""


def producer(
    connection: KafkaConnection, transactional_id: str, **callbacks: Any
) -> confluent_kafka.Producer:
    """A transactional producer for large batches. It asks nothing of Kafka yet.

    Its log lines go where kafka-python's go (`broker.clients.keep_quiet`). Raises kafka-python's errors;
    BadConfiguration as `security.checked` does.
    """
    settings = {
        **_SETTINGS,
        "bootstrap.servers": connection.bootstrap,
        "transactional.id": transactional_id,
        **security.librdkafka(connection),
    }
    with translated():
        return confluent_kafka.Producer(settings, logger=logging.getLogger("kafka"), **callbacks)


@contextmanager
def translated() -> Iterator[None]:
    """Turn librdkafka's errors into kafka-python's."""
    try:
        yield
    except KafkaException as error:
        raise known(error.args[0]) from error


def known(error: confluent_kafka.KafkaError) -> errors.KafkaError:
    """librdkafka's error as kafka-python's of the same meaning."""
    code = error.code()
    if code > 0:
        return errors.for_code(code)(error.str())
    if code in _OWN:
        return _OWN[code](error.str())
    return errors.KafkaError(f"{error.name()}: {error.str()}")


def why_unreachable(connection: KafkaConnection) -> errors.KafkaError | None:
    """Why a cluster does not let this client in: credentials, mechanism, certificate, protocol.

    None when nobody answers at all.
    """
    heard: list[confluent_kafka.KafkaError] = []
    settings = {"bootstrap.servers": connection.bootstrap, **security.librdkafka(connection)}
    try:
        client = AdminClient(settings, logger=logging.getLogger("kafka"), error_cb=heard.append)
        with suppress(KafkaException):
            client.list_topics(timeout=_ASK_S)
        client.poll(0)
    except KafkaException as refused:
        heard = [refused.args[0]]
    for error in heard:
        if error.code() == _Code._SSL and "certificate" in error.str():
            return errors.KafkaConfigurationError(
                f"{error.str()}; {CA_FILE} or `ssl_cafile` names whom to trust"
            )
        if error.code() in (_Code._AUTHENTICATION, _Code._INVALID_ARG):
            return known(error)
    return errors.KafkaConnectionError(_NOT_SPOKEN) if _accepts(connection.bootstrap) else None


def _accepts(bootstrap: str) -> bool:
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_ASK_S):
            return True
    except (OSError, ValueError):
        return False
