"""What was replayed, as Kafka holds it: the messages that a batch computation of a run begins with."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from streamweir.broker.records import Record, read_topic
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.streams import Run
from streamweir.contracts.tables import Pipeline, Topic
from streamweir.values import parse_time

Row = dict[str, Any]

_EARLIEST, _LATEST = parse_time("0001-01-02 00:00:00"), parse_time("9999-12-31 00:00:00")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that had to be worked on. topic: the short name."""

    topic: str
    partition: int
    offset: int
    said: Headers
    value: bytes


@dataclass(frozen=True)
class Replayed:
    """What a stream holds, from its start to the last message that the run's tables account for.

    run: the run's id. messages: in the order of their sequence, without the late ones. published: by output
    topic what the scorer made of the stream's other runs, which were checked in their time; a lookback, a
    duplicate and a sum so far reach into them.
    """

    run: str
    messages: Sequence[Message]
    published: Mapping[str, Sequence[Row]]

    def of(self, topic: Topic) -> Iterator[Message]:
        """The messages of an input topic, in order."""
        return (message for message in self.messages if message.topic == topic.name)

    def ends(self, topic: Topic) -> list[int]:
        """The ts of each message of an input topic that is an end (`Headers.is_end`), ascending."""
        return sorted({message.said.ts for message in self.of(topic) if message.said.is_end})


def read_replayed(
    kafka: KafkaConnection, run: Run, pipeline: Pipeline, until: int, lateness: Callable[[str], int]
) -> Replayed:
    """Read the stream from its start up to the sequence `until`; lateness: allowed in a run, seconds."""
    records = {
        topic: read_topic(kafka, topic.of(run.stream)) for topic in (*pipeline.inputs, *pipeline.outputs)
    }
    messages = in_time(
        (record for topic in pipeline.inputs for record in in_turn(topic, records[topic])), until, lateness
    )
    others = {message.said.run for message in messages} - {run.id}
    published = {
        topic.name: [orjson.loads(record.value) for record in records[topic] if _run_of(record) in others]
        for topic in pipeline.outputs
        if others and topic.name != REJECTED.name
    }
    return Replayed(run.id, messages, published)


def in_turn(topic: Topic, records: Iterable[Record]) -> Iterator[tuple[str, Record, Headers]]:
    """The records of a topic that a replay sent: all others break the dense row of sequences."""
    due = {partition: partition for partition in range(topic.partitions)}
    for record in records:
        said = record.said
        if said is not None and said.sequence == due.get(record.partition):
            due[record.partition] += topic.partitions
            yield topic.name, record, said


def in_time(
    records: Iterable[tuple[str, Record, Headers]], until: int, lateness: Callable[[str], int]
) -> list[Message]:
    """The messages before the sequence `until`, in order, without those that come late by it."""
    messages = [
        Message(topic, record.partition, record.offset, said, record.value)
        for topic, record, said in records
        if said.sequence < until
    ]
    messages.sort(key=_sequence_of)
    found: list[Message] = []
    largest = 0
    for _, group in groupby(messages, _sequence_of):
        together = list(group)
        found += [one for one in together if not _is_late(one.said, largest, lateness)]
        largest = max(largest, *(one.said.ts for one in together))
    return found


def _sequence_of(message: Message) -> int:
    return message.said.sequence


def rows(message: Message, key: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """The well-formed rows of a message that is a list of objects, with their index; none when it is none.

    key: columns that a row must have. Every value is a string but `ts`, which a redriven row keeps.
    """
    try:
        found = _parsed(message.value)
    except (ValueError, RecursionError):
        return
    if not isinstance(found, list) or len(found) != message.said.rows:
        return
    if all(isinstance(row, dict) for row in found):
        yield from (
            (place, row) for place, row in enumerate(found) if _is_well_formed(row, key, message.said)
        )


def micros_of(text: str | None) -> int | None:
    """A time in microseconds that the calendar of every time zone can show; None for another text."""
    try:
        t = parse_time(text or "")
    except ValueError:
        return None
    return t if _EARLIEST <= t < _LATEST else None


def _parsed(value: bytes) -> Any:
    text = value.decode()
    found = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_refuse)
    if "\\u" in text:
        # Half of a surrogate pair is no character.
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _unrepeated(pairs: list[tuple[str, Any]]) -> Row:
    """An object; one that has a name twice has none, and so no key."""
    row = dict(pairs)
    return row if len(row) == len(pairs) else {}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _is_well_formed(row: Row, key: Iterable[str], said: Headers) -> bool:
    ts = row.get("ts")
    earliest = 0 if said.kind is Kind.REDRIVE else said.ts
    if type(ts) is not int or not earliest <= ts <= said.ts:
        return False
    texts = all(type(value) is str for name, value in row.items() if name != "ts")
    return texts and all(row.get(name) for name in key)


def _is_late(said: Headers, largest: int, lateness: Callable[[str], int]) -> bool:
    return said.kind is not Kind.REDRIVE and largest - said.ts > lateness(said.run)


def _run_of(record: Record) -> str:
    return dict(record.headers).get("run", b"").decode()
