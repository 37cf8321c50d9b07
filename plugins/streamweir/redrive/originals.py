"""The rejected records' messages, as the topics still hold them: the table's bytes may be a part of them."""

import json
from collections import defaultdict
from collections.abc import Iterable

from streamweir.broker.records import Record, read_topic
from streamweir.broker.topics import existing
from streamweir.connections import KafkaConnection
from streamweir.contracts.streams import Stream
from streamweir.redrive.places import WHOLE, Place

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


_SPACE = " \t\r\n"
_decoder = json.JSONDecoder()


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
