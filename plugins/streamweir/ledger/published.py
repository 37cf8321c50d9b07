"""Counting what the scorer published: the output topics that repeat a table row for row."""

from collections.abc import Iterable
from datetime import datetime

import orjson
from kafka import TopicPartition

from streamweir.broker.clients import consumer, kafka_errors
from streamweir.broker.records import Record
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import WRITER
from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.streams import Run
from streamweir.contracts.tables import Topic
from streamweir.ledger.broker import Extent

CLOCKS_DIFFER_MS = 10 * 60 * 1000
"""How far the broker's clock may be behind the one that planned the run."""


def offsets_since(kafka: KafkaConnection, topic: str, partitions: int, planned_at: str) -> dict[int, int]:
    """Where to begin to read an output topic for a run planned at this time: what lies before is older."""
    since = int(datetime.fromisoformat(planned_at).timestamp() * 1000) - CLOCKS_DIFFER_MS
    places = [TopicPartition(topic, partition) for partition in range(partitions)]
    with kafka_errors(kafka, f"find offsets of {topic}"):
        client = consumer(kafka)
        try:
            found = client.offsets_for_times(dict.fromkeys(places, since))
            ends = client.end_offsets(places)
        finally:
            client.close()
    return {place.partition: found[place].offset if found.get(place) else ends[place] for place in places}


def count_published(run: Run, topic: Topic, records: Iterable[Record], extent: Extent) -> int:
    """How many rows of the run an output topic holds."""
    return sum(_is_of_run(run, topic, record, extent) for record in records)


def _is_of_run(run: Run, topic: Topic, record: Record, extent: Extent) -> bool:
    headers = dict(record.headers)
    if topic.name == REJECTED.name:
        row = orjson.loads(record.value)
        if row["reason"] == Reason.FOREIGN:
            own = headers.get(WRITER) == run.stream.writer.encode()
            return own and (row["topic"], row["partition"], row["offset"]) in extent
    return headers.get("run") == run.id.encode()
