"""What is compared of a topic that is there, without a broker."""

from typing import Any, cast

import pytest
from kafka import KafkaAdminClient, errors

from streamweir.broker.topics import HOUSE_CONFIG, _differences
from streamweir.contracts.tables import Topic

TOPIC = Topic("things", partitions=2)


class Broker:
    """Shows one topic, and these settings of it."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        return [{"name": name, "partitions": [{}, {}]} for name in names]

    def describe_configs(self, resources: list[Any], **_: str) -> dict[str, Any]:
        settings = {key: {"value": value} for key, value in self.settings.items()}
        return {"topic": {resource.name: settings for resource in resources}}


def differences(settings: dict[str, str]) -> list[str]:
    return list(_differences(cast(KafkaAdminClient, Broker(settings)), {"s.things": TOPIC}))


def test_a_topic_that_differs_is_told_with_both_values() -> None:
    assert differences(HOUSE_CONFIG) == []
    assert differences(HOUSE_CONFIG | {"cleanup.policy": "compact"}) == [
        "s.things has cleanup.policy=compact instead of delete"
    ]


def test_a_topic_without_any_setting_is_one_that_the_account_may_not_look_at() -> None:
    with pytest.raises(
        errors.TopicAuthorizationFailedError, match=r"needs DescribeConfigs on topic s\.things"
    ):
        differences({})
