"""The well-formed rows of a message, read by the house's strict rules."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from streamweir.contracts.messages import Headers, Kind
from streamweir.times import moment
from streamweir_quality.messages import Message

Row = dict[str, Any]


def rows(message: Message, key: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """The well-formed rows of a message that is a list of objects, with their index; none when it is none.

    key: columns that a row must have. Every value is a string but `ts`, which a redriven row keeps.
    """
    try:
        found = _parsed(message.value)
    except (ValueError, RecursionError):
        return
    if not isinstance(found, list) or len(found) != message.headers.rows:
        return
    if all(isinstance(row, dict) for row in found):
        yield from (
            (place, row) for place, row in enumerate(found) if _is_well_formed(row, key, message.headers)
        )


def micros_of(text: str | None) -> int | None:
    """A time in microseconds; None for another text."""
    try:
        return moment(text or "")
    except ValueError:
        return None


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


def _is_well_formed(row: Row, key: Iterable[str], headers: Headers) -> bool:
    ts = row.get("ts")
    earliest = 0 if headers.kind is Kind.REDRIVE else headers.ts
    if type(ts) is not int or not earliest <= ts <= headers.ts:
        return False
    texts = all(type(value) is str for name, value in row.items() if name != "ts")
    return texts and all(row.get(name) for name in key)
