"""Records for a terminal: whatever their bytes are, they can neither steer it nor fill it."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from streamweir.cli import escaped
from streamweir.contracts.streams import named
from streamweir.redrive.records import WHOLE, Place, Rejected

MOST_CHARACTERS = 4_000
"""Characters of a record that are shown."""


def shown(data: bytes) -> str:
    """A record's bytes, escaped; what is too long is cut, and says so."""
    text = escaped(data[: 4 * MOST_CHARACTERS])
    if len(text) <= MOST_CHARACTERS and len(data) <= 4 * MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]} … ({len(data):,} bytes; --save FILE writes all)"


def counts(records: Iterable[Rejected], put_back: Collection[Place]) -> list[dict[str, Any]]:
    """By reason and topic of a stage: records, how many were put back, and one of their places."""
    rows, back = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    example: dict[tuple[str, str], str] = {}
    for record in records:
        group = record.reason.value, named(record.stage, record.place.topic)
        rows[group] += record.rows
        back[group] += record.rows * (record.place in put_back)
        if record.place not in put_back:
            example.setdefault(group, str(record.place))
    return [
        {
            "reason": reason,
            "topic": topic,
            "records": count,
            "put_back": back[reason, topic],
            "for_example": example.get((reason, topic)),
        }
        for (reason, topic), count in sorted(rows.items())
    ]


def facts(record: Rejected, ts: int | None, *, put_back: bool) -> dict[str, Any]:
    """All that is known of a record but its bytes; ts: of its message, None where that is lost."""
    return {
        "place": str(record.place),
        "whole_message": record.place.row == WHOLE,
        **({"stage": record.stage} if record.stage else {}),
        "run": record.run,
        "batch": record.batch,
        "ts": ts,
        "records": record.rows,
        "id": record.id,
        "reason": record.reason.value,
        "detail": record.detail,
        "put_back": put_back,
    }
