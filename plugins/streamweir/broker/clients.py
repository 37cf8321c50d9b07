"""kafka-python clients with the house's settings, and Kafka's errors in Streamweir's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import kafka
from kafka import errors

from streamweir.connections import KafkaConnection
from streamweir.errors import BadConfiguration, DependencyUnreachable

MESSAGE_BYTES = 8 * 1024 * 1024
"""The largest message that topics, producers and consumers take."""

RETRY_BACKOFF_MS = 10
"""kafka-python waits this long before it asks again; its default of 100 ms is most of a small transaction's time."""

REFUSED = (
    errors.AuthorizationError,
    errors.IncompatibleBrokerVersion,
    errors.InvalidConfigurationError,
    errors.InvalidPartitionsError,
    errors.InvalidReplicationFactorError,
    errors.InvalidTopicError,
    errors.KafkaConfigurationError,
    errors.MessageSizeTooLargeError,
    errors.PolicyViolationError,
    errors.RecordListTooLargeError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
)
"""Answers that asking again does not change."""


@contextmanager
def kafka_errors(connection: KafkaConnection, what: str) -> Iterator[None]:
    """Turn Kafka's errors into BadConfiguration (refused) or DependencyUnreachable (timed out, unreachable)."""
    try:
        yield
    except REFUSED as error:
        raise BadConfiguration(f"Kafka at {connection.bootstrap} refused to {what}: {_words(error)}") from error
    except (errors.KafkaError, OSError) as error:
        raise DependencyUnreachable(
            f"Kafka at {connection.bootstrap} could not {what}: {_words(error)}; is it up (`make status`)?"
        ) from error


def consumer(connection: KafkaConnection) -> kafka.KafkaConsumer:
    """A consumer of committed records that belongs to no group."""
    return kafka.KafkaConsumer(
        **connection.client_args(),
        client_id="streamweir",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=MESSAGE_BYTES,
        retry_backoff_ms=RETRY_BACKOFF_MS,
        metrics_enabled=False,
    )


def admin(connection: KafkaConnection) -> kafka.KafkaAdminClient:
    """An admin client."""
    return kafka.KafkaAdminClient(**connection.client_args(), client_id="streamweir")


def _words(error: BaseException) -> str:
    detail = str(error).strip()
    return f"{type(error).__name__}{f' ({detail})' if detail else ''}"
