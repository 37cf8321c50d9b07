"""kafka-python clients with the house's settings, and Kafka's errors in Streamweir's words."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import kafka
from kafka import errors
from kafka.net.compat import KafkaNetClient

from streamweir.broker import rdkafka, security
from streamweir.connections import KafkaConnection
from streamweir.errors import BadConfiguration, DependencyUnreachable

T = TypeVar("T")

_REFUSED = (
    errors.AuthorizationError,
    errors.IncompatibleBrokerVersion,
    errors.InvalidConfigurationError,
    errors.InvalidPartitionsError,
    errors.InvalidReplicationFactorError,
    errors.InvalidTopicError,
    errors.InvalidTransactionTimeoutError,
    errors.KafkaConfigurationError,
    errors.MessageSizeTooLargeError,
    errors.PolicyViolationError,
    errors.RecordListTooLargeError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
)

_CLIENT = {
    "client_id": rdkafka.CLIENT_ID,
    # kafka-python's default of 100 ms would be most of a small transaction's time.
    "retry_backoff_ms": 10,
    "reconnect_backoff_max_ms": 1_000,
    "bootstrap_timeout_ms": 10_000,
}


def refused(error: BaseException) -> bool:
    """Whether asking again, without a change, would get the same answer."""
    return isinstance(error, _REFUSED)


def keep_quiet() -> None:
    """Keep the client's own lines out of the log: what it cannot do is raised, and would be told twice.

    When it is closed it calls a question that is under way an error.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@contextmanager
def kafka_errors(connection: KafkaConnection, what: str) -> Iterator[None]:
    """Turn Kafka's errors into BadConfiguration (refused) or DependencyUnreachable (anything else)."""
    try:
        yield
    except (errors.KafkaError, OSError) as error:
        if refused(error):
            raise BadConfiguration(
                f"Kafka at {connection.bootstrap} refused to {what}: {_words(error)}"
            ) from error
        raise DependencyUnreachable(
            f"Kafka at {connection.bootstrap} could not {what}: {_words(error)}; is it up (`make status`)?"
        ) from error


def consumer(connection: KafkaConnection, isolation: str = "read_committed") -> kafka.KafkaConsumer:
    """A consumer that belongs to no group; of committed records, unless told otherwise."""
    return _opened(
        kafka.KafkaConsumer,
        connection,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def admin(connection: KafkaConnection) -> kafka.KafkaAdminClient:
    """An admin client."""
    return _opened(kafka.KafkaAdminClient, connection)


def _opened(kind: Callable[..., T], connection: KafkaConnection, **settings: Any) -> T:
    """A client. One that cannot reach Kafka says why, and leaves no thread and no connection behind.

    kafka-python starts both before it asks for the cluster, and does not end them when that fails; of every
    reason it says only that it was not able to ask.
    """
    security.checked(connection)
    made: list[KafkaNetClient] = []

    def net_client(**config: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**config))
        return made[-1]

    try:
        return kind(kafka_client=net_client, **(_CLIENT | connection.client_args()), **settings)
    except Exception as error:
        for client in made:
            client.close()
        if isinstance(error, errors.KafkaTimeoutError):
            raise rdkafka.why_unreachable(connection) or error from error
        raise


def _words(error: BaseException) -> str:
    name, detail = type(error).__name__, str(error).strip()
    return detail if name in detail else f"{name}: {detail}" if detail else name
