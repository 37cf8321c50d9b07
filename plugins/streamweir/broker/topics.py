"""Creating and deleting a stream's topics and their records.

"There already", "refused" and "timed out" are told apart.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamweir.broker.clients import admin, kafka_errors
from streamweir.broker.records import log_start
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import MESSAGE_BYTES
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline, Topic
from streamweir.errors import BadConfiguration

HOUSE_CONFIG = {
    "cleanup.policy": "delete",
    # Latency counts from the broker's clock, and a replayed row's own time must not expire it.
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(MESSAGE_BYTES),
}
"""What every topic gets unless its declaration says otherwise."""

_ADMIN_TIMEOUT_MS = 30_000


@dataclass(frozen=True)
class ProvisionReport:
    """Which topics (full names) were created and which were there already, as declared."""

    created: tuple[str, ...]
    existing: tuple[str, ...]


def provision(kafka: KafkaConnection, stream: Stream, pipeline: Pipeline) -> ProvisionReport:
    """Make sure that all topics of the stream exist as declared.

    Raises BadConfiguration when Kafka refuses or when a topic that exists differs, naming every difference;
    DependencyUnreachable when Kafka does not answer in time. Calling it again is harmless.
    """
    declared = {topic.of(stream): topic for topic in pipeline.topics}
    with kafka_errors(kafka, f"create the topics of {stream}"), closing(admin(kafka)) as client:
        there = _existing(client, declared)
        created = _create(client, {name: topic for name, topic in declared.items() if name not in there})
        client.wait_for_topics(list(declared), timeout_ms=_ADMIN_TIMEOUT_MS)
        differences = list(_differences(client, declared))
    if differences:
        raise BadConfiguration(
            f"topics of {stream} differ from their declaration: {'; '.join(differences)}. "
            "Change them back, or use another stream id"
        )
    return ProvisionReport(created, tuple(name for name in declared if name not in created))


def existing(kafka: KafkaConnection, stream: Stream) -> list[str]:
    """The full names of those of the stream's topics that are there. Errors as in `provision`."""
    names = [stream.topic(topic.name) for topic in pipeline_of(stream.pipeline).topics]
    with kafka_errors(kafka, f"look for the topics of {stream}"), closing(admin(kafka)) as client:
        return _existing(client, names)


def delete(kafka: KafkaConnection, stream: Stream) -> tuple[str, ...]:
    """Delete the stream's own topics; returns those that were there. Errors as in `provision`."""
    names = [stream.topic(topic.name) for topic in pipeline_of(stream.pipeline).topics]
    with kafka_errors(kafka, f"delete the topics of {stream}"), closing(admin(kafka)) as client:
        there = _existing(client, names)
        if there:
            answer = client.delete_topics(there, timeout_ms=_ADMIN_TIMEOUT_MS, raise_errors=False)
            _raise_unless(answer["topics"], errors.UnknownTopicOrPartitionError)
            _await_gone(client, there)
        return tuple(there)


def delete_records(kafka: KafkaConnection, topic: str, ends: Mapping[int, int]) -> int:
    """Delete the records of a topic (full name) that lie before these offsets per partition.

    Returns how many offsets are gone that were there. Errors as in `provision`.
    """
    first = log_start(kafka, topic)
    wanted = {
        TopicPartition(topic, partition): end for partition, end in ends.items() if end > first[partition]
    }
    with kafka_errors(kafka, f"delete records of {topic}"), closing(admin(kafka)) as client:
        if wanted:
            client.delete_records(wanted, timeout_ms=_ADMIN_TIMEOUT_MS)
    return sum(end - first[at.partition] for at, end in wanted.items())


def _existing(client: KafkaAdminClient, names: Iterable[str]) -> list[str]:
    found = set(client.list_topics())
    return [name for name in names if name in found]


def _create(client: KafkaAdminClient, missing: dict[str, Topic]) -> tuple[str, ...]:
    if not missing:
        return ()
    wanted = {
        name: {"num_partitions": topic.partitions, "configs": HOUSE_CONFIG | topic.config}
        for name, topic in missing.items()
    }
    answer = client.create_topics(wanted, timeout_ms=_ADMIN_TIMEOUT_MS, raise_errors=False)
    # Somebody else may have created a topic in the meantime: what it is like is compared afterwards.
    _raise_unless(answer["topics"], errors.TopicAlreadyExistsError)
    return tuple(topic["name"] for topic in answer["topics"] if not topic["error_code"])


def _await_gone(client: KafkaAdminClient, names: list[str]) -> None:
    """The controller has deleted them; what a broker tells its clients lags behind a little."""
    waiting = Retrying(
        retry=retry_if_result(bool), stop=stop_after_delay(_ADMIN_TIMEOUT_MS / 1000), wait=wait_fixed(0.05)
    )
    try:
        waiting(lambda: _existing(client, names))
    except RetryError as error:
        raise errors.KafkaTimeoutError(f"{', '.join(names)} are still there") from error


def _raise_unless(answers: list[dict[str, Any]], harmless: type[errors.BrokerResponseError]) -> None:
    for answer in answers:
        kind = errors.for_code(answer["error_code"])
        if kind not in (errors.NoError, harmless):
            raise kind(f"topic {answer['name']}: {answer.get('error_message') or kind.description}")


def _differences(client: KafkaAdminClient, declared: dict[str, Topic]) -> Iterable[str]:
    for found in client.describe_topics(list(declared)):
        wanted = declared[found["name"]].partitions
        if len(found["partitions"]) != wanted:
            yield f"{found['name']} has {len(found['partitions'])} partitions instead of {wanted}"
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in declared]
    configs = client.describe_configs(resources, config_filter="all")["topic"]
    for name, topic in declared.items():
        if not configs[name]:
            # The client drops the broker's reason; every topic has settings.
            raise errors.TopicAuthorizationFailedError(f"the account needs DescribeConfigs on topic {name}")
        for key, value in sorted((HOUSE_CONFIG | topic.config).items()):
            actual = configs[name].get(key, {}).get("value")
            if actual != value:
                yield f"{name} has {key}={actual} instead of {value}"
