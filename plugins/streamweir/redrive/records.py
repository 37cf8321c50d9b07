"""The rejected records of a stream or of one of its runs, as the scorer wrote them down, and where they lie.

Their messages are read as the topics still hold them: the table's bytes may be a part of them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from streamweir.arrow import from_parquet
from streamweir.broker.records import Record, read_topic
from streamweir.broker.topics import existing
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import stages_of
from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration
from streamweir.ledger.committed import once_again, read_entries, read_table
from streamweir.objectstore import ObjectStore

WHOLE = -1
"""The row of a record that is a whole message."""
_SPACE = " \t\r\n"
_decoder = json.JSONDecoder()


class Place(NamedTuple):
    """Short topic name, partition, offset, and the row in the message or WHOLE."""

    topic: str
    partition: int
    offset: int
    row: int

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place that `str` wrote; raises BadConfiguration for what is none."""
        topic, *numbers = text.split("/")
        if not topic or len(numbers) not in (2, 3) or not all(number.isdecimal() for number in numbers):
            raise BadConfiguration(
                f"{text!r} is not a place: take topic/partition/offset/row, like transactions/2/1403/17, "
                "or topic/partition/offset for a whole message"
            )
        partition, offset, *row = map(int, numbers)
        return cls(topic, partition, offset, *row or [WHOLE])

    def __str__(self) -> str:
        message = f"{self.topic}/{self.partition}/{self.offset}"
        return message if self.row == WHOLE else f"{message}/{self.row}"


@dataclass(frozen=True)
class Rejected:
    """A line of the table of rejected records. rows: how many records it accounts for.

    run, batch: of the message; None for a foreign one. raw: the message's bytes, or the row as JSON. stage:
    which one rejected it, where the stream has several.
    """

    place: Place
    run: str | None
    batch: int | None
    rows: int
    id: str | None
    reason: Reason
    detail: str
    raw: bytes
    stage: str = ""

    @classmethod
    def of(cls, line: dict[str, Any], stage: str = "") -> "Rejected":
        """From a line of a stage's table."""
        return cls(
            place=Place(line["topic"], line["partition"], line["offset"], line["row"]),
            run=line["run"],
            batch=line["batch_index"],
            rows=line["rows"],
            id=line["id"],
            reason=Reason(line["reason"]),
            detail=line["detail"] or "",
            raw=line["raw"] or b"",
            stage=stage,
        )


def rejected_records(store: ObjectStore, stream: Stream, run_id: str = "") -> list[Rejected]:
    """The records by place: of the whole stream, or of one run and whatever foreign messages there are.

    They come from the committed micro-batches of each of the stream's stages, and once the stream is retired
    from the run's bundle. Raises BadConfiguration when there is neither.
    """
    frames = {stage.stage: _of_stage(store, Run(stage, run_id)) for stage in stages_of(stream)}
    if all(frame is None for frame in frames.values()):
        whose = f"run {run_id} on stream {stream}" if run_id else f"stream {stream}"
        raise BadConfiguration(
            f"{whose} has no results: check the names, and name the run if its stream is retired"
        )
    lines = ((stage, frame.to_pylist()) for stage, frame in frames.items() if frame is not None)
    found = (Rejected.of(line, stage) for stage, rows in lines for line in rows)
    mine = (record for record in found if not run_id or record.run in (None, run_id))
    return sorted(mine, key=lambda record: record.place)


def refuse_worked_on(pipeline: Pipeline, records: Iterable[Rejected], chosen: Iterable[Rejected]) -> None:
    """Raise BadConfiguration for a record that a stage worked on: put back, it would be worked on twice; and
    for one of a topic that a stage writes, which no replay sent.

    records: all that were rejected, by any stage.
    """
    known = {(record.place, record.stage) for record in records}
    for record in chosen:
        topic = record.place.topic
        if topic not in [each.name for each in pipeline.inputs]:
            raise BadConfiguration(f"{record.place} was published by a stage: put back what it was made of")
        readers = [s.name for s in pipeline.stages if any(read.topic.name == topic for read in s.reads)]
        if others := [stage for stage in readers if (record.place, stage) not in known]:
            raise BadConfiguration(
                f"{record.place} was rejected by {record.stage} and not by {', '.join(others)}, which would "
                "work on it twice: replay it on another stream"
            )


def record_at(records: Iterable[Rejected], place: Place) -> Rejected:
    """The record at a place; raises BadConfiguration when none was rejected there."""
    found = next((record for record in records if record.place == place), None)
    if found is None:
        raise BadConfiguration(f"no record was rejected at {place}: see `streamweir rejected list`")
    return found


def choose(records: Iterable[Rejected], reason: str, places: Sequence[Place]) -> list[Rejected]:
    """The records at these places, or all with this reason.

    Raises BadConfiguration for a place where no record was rejected, and for foreign messages, which no run
    accounts for.
    """
    # Several stages may have rejected a record, each for a reason of its own.
    found = {record.place: record for record in records if record.reason == reason or record.place in places}
    for place in places:
        record_at(found.values(), place)
    chosen = list(found.values())
    foreign = [record for record in chosen if record.reason is Reason.FOREIGN]
    if foreign or reason == Reason.FOREIGN:
        which = foreign[0].place if foreign else "it"
        raise BadConfiguration(
            f"a foreign message ({which}) is no replay's, so no ledger could account for it: "
            "send what it says with a replay of its own"
        )
    return chosen


def _of_stage(store: ObjectStore, run: Run) -> pa.Table | None:
    frame = _of_stream(store, run.stream)
    return _of_bundle(store, run) if frame is None and run.id else frame


@once_again
def _of_stream(store: ObjectStore, stream: Stream) -> pa.Table | None:
    entries = read_entries(stream, store)
    if not entries.found:
        return None
    frame = read_table(stream, REJECTED.name, entries, store)
    return pa.table({}) if frame is None else frame


def _of_bundle(store: ObjectStore, run: Run) -> pa.Table | None:
    data = store.get(run.table_file(REJECTED.name))
    return None if data is None else from_parquet(data)


Messages = dict[Place, Record]
"""Messages by their place, with row WHOLE."""


def messages_at(kafka: KafkaConnection, stream: Stream, places: Iterable[Place]) -> Messages:
    """The messages that these places lie in; one that is lost, or whose topic is gone, is left out.

    Errors as in `broker.records.read_topic`.
    """
    there = existing(kafka, stream)
    wanted: defaultdict[str, defaultdict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for place in places:
        wanted[place.topic][place.partition].add(place.offset)
    found: Messages = {}
    for topic, offsets in wanted.items():
        if stream.topic(topic) not in there:
            continue
        start = {partition: min(some) for partition, some in offsets.items()}
        end = {partition: max(some) + 1 for partition, some in offsets.items()}
        for record in read_topic(kafka, stream.topic(topic), start=start, end=end):
            if record.offset in offsets[record.partition]:
                found[Place(topic, record.partition, record.offset, WHOLE)] = record
    return found


def rows_as_written(value: bytes) -> list[str] | None:
    """The elements of a JSON list, each with the very characters it was written in; None for anything else.

    A parsed row would have lost what JSON parsers drop: repeated keys, the order, the spelling of numbers.
    """
    try:
        text = value.decode().strip(_SPACE)
        return list(_elements(text)) if text[:1] == "[" else None
    except (ValueError, RecursionError, IndexError):
        return None


def _elements(text: str) -> Iterable[str]:
    at = _next(text, 1)
    while text[at] != "]":
        _, end = _decoder.raw_decode(text, at)
        yield text[at:end]
        at = _next(text, end)
        if text[at] == ",":
            at = _next(text, at + 1)


def _next(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
