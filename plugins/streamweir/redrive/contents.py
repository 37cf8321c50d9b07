"""What is put back in a record's place: what its topic holds of it, or what somebody made of that."""

from codecs import BOM_UTF8
from dataclasses import dataclass

import orjson

from streamweir.errors import BadConfiguration
from streamweir.redrive.originals import Messages, rows_as_written
from streamweir.redrive.places import WHOLE
from streamweir.redrive.records import Rejected


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
    """The record with the very bytes that it was sent with; None when its topic has lost the message."""
    message = messages.get(record.place._replace(row=WHOLE))
    if message is None:
        return None
    ts = message.headers.ts if message.headers else None
    rows = None if record.place.row == WHOLE else rows_as_written(message.value or b"")
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


def _wanted(content: Content) -> str:
    return "a message is a list of objects" if content.whole else "a row is one object"
