"""Counting what the scorer published: the output topics that repeat a table row for row."""

from collections.abc import Iterable

import orjson

from streamweir.broker.records import Record
from streamweir.contracts.messages import WRITER
from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Topic
from streamweir.ledger.broker import Extent
from streamweir.replay.plan import Offsets


def earliest(several: Iterable[Offsets]) -> Offsets:
    """The first of these places on each topic and partition: stages may write to the same topic."""
    found: dict[str, dict[int, int]] = {}
    for topic, ends in (item for each in several for item in each.items()):
        known = found.setdefault(topic, {})
        known.update({at: min(offset, known.get(at, offset)) for at, offset in ends.items()})
    return found


def count_published(run: Run, topic: Topic, records: Iterable[Record], extent: Extent) -> int:
    """How many rows of the run an output topic holds, of the stage whose run it is."""
    return sum(_is_of_run(run, topic, record, extent) for record in records)


def _is_of_run(run: Run, topic: Topic, record: Record, extent: Extent) -> bool:
    headers = dict(record.raw_headers)
    own = headers.get(WRITER) == run.stream.writer.encode()
    # What others write to a shared topic may be anything.
    if own and topic.name == REJECTED.name:
        row = orjson.loads(record.value)
        if row["reason"] == Reason.FOREIGN:
            return (row["topic"], row["partition"], row["offset"]) in extent
    # Streams do not share a run, but its stages may share a topic.
    return headers.get("run") == run.id.encode() and (own or not run.stream.stage)
