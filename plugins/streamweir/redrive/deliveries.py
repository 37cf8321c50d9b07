"""The messages that put records back: one on every input topic for each sequence, so that none is missing."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import orjson

from streamweir.contracts.messages import ORIGINS, VALUE_BYTES, Headers, Kind
from streamweir.contracts.tables import Pipeline
from streamweir.redrive.contents import Content
from streamweir.replay.deliveries import Message
from streamweir.replay.pieces import Value

MOST_ROWS = 500
"""Rows in one message."""


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
