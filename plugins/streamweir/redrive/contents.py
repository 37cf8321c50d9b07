"""What is put back in a record's place: what its topic holds of it, or what somebody made of that.

The messages that do it are one on every input topic for each sequence, so that none is missing.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import orjson

from streamweir.claims import Claim
from streamweir.contracts.messages import ORIGINS, VALUE_BYTES, Headers, Kind
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration, RejectRecord
from streamweir.redrive.records import WHOLE, Messages, Rejected, rows_as_written
from streamweir.replay.deliveries import Message, Value

MOST_ROWS = 500
"""Rows in one message."""


@dataclass(frozen=True)
class Content:
    """A record as it is written in a message.

    rows: how many records it is. whole: it makes a message by itself; else it is one element of a list.
    ts: the virtual clock of the message that it came in; None when the topic has lost that message.
    """

    record: Rejected
    value: bytes
    rows: int
    whole: bool
    ts: int | None = None


def as_it_is(record: Rejected, messages: Messages) -> Content | None:
    """The record with the very bytes that it was sent with; None when its topic has lost the message.

    A row of an object that its message names is as the scorer wrote it down.
    """
    message = messages.get(record.place._replace(row=WHOLE))
    if message is None:
        return None
    ts = message.headers.ts if message.headers else None
    rows = None if record.place.row == WHOLE else rows_as_written(message.value or b"")
    if rows is None and record.place.row != WHOLE and _names_object(message.value or b""):
        return Content(record, record.raw, 1, whole=False, ts=ts)
    if rows is None:
        return Content(record, message.value or b"", record.rows, whole=True, ts=ts)
    return Content(record, rows[record.place.row].encode(), 1, whole=False, ts=ts)


def edited(content: Content, text: bytes, name: str, *, clocked: bool) -> Content:
    """The content with another text: an object for a row, a list of objects (or one) for a whole message.

    clocked: whether the pipeline's messages are lists of rows that say their ts, which a replay adds to what
    the data say; then each object must. name: of the file, for the error.
    Raises BadConfiguration for anything else.
    """
    text = text.removeprefix(BOM_UTF8).strip()
    try:
        value = orjson.loads(text)
    except ValueError as error:
        raise BadConfiguration(f"{name} is not JSON: {error}") from error
    rows = value if isinstance(value, list) and content.whole else [value]
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise BadConfiguration(f"{name}: element {number} is not an object: {_wanted(content)}")
        if clocked and type(row.get("ts")) is not int:
            raise BadConfiguration(
                f'{name}: object {number} has no integer "ts": give it the time of the record, {content.ts}'
            )
    if clocked and content.whole and rows == [value]:
        text = b"[" + text + b"]"
    return Content(content.record, text, len(rows), content.whole, content.ts)


def _names_object(value: bytes) -> bool:
    try:
        Claim.read(value)
    except RejectRecord:
        return False
    return True


def _wanted(content: Content) -> str:
    return "a message is a list of objects" if content.whole else "a row is one object"


def deliveries(
    contents: Iterable[Content],
    pipeline: Pipeline,
    sequence: int,
    ts: int,
    *,
    lateness_s: int,
    value: Value,
) -> dict[int, list[Message]]:
    """What is sent under each sequence, from this one on, at this moment of the virtual clock.

    lateness_s: what the stream's scorer allows at most. value: makes the pipeline's message of no rows.
    Used topics go first, so that a record that is scored meets the context that was put back with it. The
    last sequence holds no rows: like a flush it moves the clock on, so that every window closes.
    """
    shares = list(_shares(contents, pipeline))
    sent: dict[int, list[Message]] = {}
    for number, share in enumerate(shares):
        headers = _headers(share, sequence + number, ts)
        sent[headers.sequence] = _messages(headers, share, pipeline, value)
    if shares:
        end = _headers(shares[-1], sequence + len(shares), ts + pipeline.flush_after(lateness_s))
        sent[end.sequence] = _messages(end, (), pipeline, value)
    return sent


def _shares(contents: Iterable[Content], pipeline: Pipeline) -> Iterator[list[Content]]:
    """What fits into one message: a whole message alone, rows of one topic and batch together."""
    order = {topic.name: number for number, topic in enumerate(pipeline.inputs)}

    def cell(content: Content) -> tuple[int, str, int]:
        record = content.record
        return order[record.place.topic], record.run or "", record.batch or 0

    ordered = sorted(contents, key=lambda content: (cell(content), content.record.place))
    for _, group in groupby(ordered, key=cell):
        share: list[Content] = []
        for content in group:
            if share and not _has_room(share, content):
                yield share
                share = []
            share.append(content)
        yield share


def _has_room(share: Sequence[Content], content: Content) -> bool:
    return (
        not share[0].whole
        and not content.whole
        and len(share) < MOST_ROWS
        and sum(len(each.value) for each in share) + len(content.value) <= VALUE_BYTES
    )


def _headers(share: Sequence[Content], sequence: int, ts: int) -> Headers:
    first = share[0].record
    return Headers(first.run or "", first.batch or 0, sequence, ts, Kind.REDRIVE, rows=0)


def _messages(headers: Headers, share: Sequence[Content], pipeline: Pipeline, value: Value) -> list[Message]:
    nothing = value((), headers.ts)
    sent = {topic.name: Message(topic.name, nothing, headers.encode()) for topic in pipeline.inputs}
    if share:
        topic = share[0].record.place.topic
        said = headers._replace(rows=sum(content.rows for content in share)).encode()
        origins = orjson.dumps([content.record.place[1:] for content in share])
        sent[topic] = Message(topic, _value(share), [*said, (ORIGINS, origins)])
    return list(sent.values())


def _value(share: Sequence[Content]) -> bytes:
    if share[0].whole:
        return share[0].value
    return b"[" + b",".join(content.value for content in share) + b"]"
