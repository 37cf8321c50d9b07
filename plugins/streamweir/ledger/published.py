"""Counting what the scorer published: the output topics that repeat a table row for row."""

from collections.abc import Iterable, Mapping

import orjson

from streamweir.broker.records import Record
from streamweir.commits import Published
from streamweir.contracts.messages import WRITER
from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Topic
from streamweir.ledger.broker import Extent

Places = Mapping[str, Mapping[int, int]]


def places(published: Published) -> Places:
    """Where a stream had published up to: topic (full name) -> partition -> offset."""
    return {
        topic: {int(partition): offset for partition, offset in ends.items()}
        for topic, ends in published.items()
    }


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
