"""What an account needs in Kafka, as docs/examples/kafka_acls.py gives it."""

from collections.abc import Callable
from contextlib import closing

import pytest
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePatternFilter,
    ResourceType,
)

from streamweir.broker.clients import admin
from streamweir.broker.records import await_readable, log_end, read_topic
from streamweir.broker.topics import delete, delete_records, provision
from streamweir.broker.transactions import TransactionalWriter
from streamweir.contracts.card_fraud import PIPELINE, TRANSACTIONS_TOPIC
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from tests.servers_elsewhere.conftest import Elsewhere

STREAM = Stream(PIPELINE.name, "rights")


def test_an_account_with_these_rights_can_do_all_that_is_done(
    elsewhere: Elsewhere, give: Callable[[str], None]
) -> None:
    give(PIPELINE.name)
    provision(elsewhere.kafka, STREAM, PIPELINE)
    assert provision(elsewhere.kafka, STREAM, PIPELINE).created == ()
    topic = STREAM.topic(TRANSACTIONS_TOPIC.name)
    with closing(TransactionalWriter(elsewhere.kafka, f"{STREAM}.writer".replace("/", "."))) as writer:
        writer.begin()
        writer.send(topic, 0, b"{}", Headers("r", 0, 0, 1, Kind.BATCH, 1).encode())
        ends = writer.commit()
    await_readable(elsewhere.kafka, topic, {place[1]: end for place, end in ends.items()})
    assert [record.value for record in read_topic(elsewhere.kafka, topic)] == [b"{}"]
    assert delete_records(elsewhere.kafka, topic, log_end(elsewhere.kafka, topic))
    assert topic in delete(elsewhere.kafka, STREAM)


def test_the_right_to_read_a_topics_settings_is_named_when_it_is_missing(
    elsewhere: Elsewhere, give: Callable[[str], None]
) -> None:
    give(PIPELINE.name)
    topics = ResourcePatternFilter(ResourceType.TOPIC, None, ACLResourcePatternType.ANY)
    reading = ACLFilter(None, None, ACLOperation.DESCRIBE_CONFIGS, ACLPermissionType.ANY, topics)
    with closing(admin(elsewhere.inside)) as inside:
        inside.delete_acls([reading])
    with pytest.raises(BadConfiguration, match="the account needs DescribeConfigs on topic card_fraud"):
        provision(elsewhere.kafka, STREAM, PIPELINE)
    delete(elsewhere.kafka, STREAM)
