"""Records for a terminal: whatever their bytes are, they can neither steer it nor fill it."""

from collections import Counter
from collections.abc import Collection, Iterable

from streamweir.contracts.streams import named
from streamweir.redrive.records import WHOLE, Place, Rejected

MOST_CHARACTERS = 4_000
"""Characters of a record that are shown."""


def escaped(data: bytes | str) -> str:
    r"""Text with everything that does not print written as an escape; a line break stays one."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def in_a_line(text: str) -> str:
    """Escaped text without line breaks: a record's id must not look like a line of ours."""
    return escaped(text).replace("\n", "\\n")


def shown(data: bytes) -> str:
    """A record's bytes, escaped; what is too long is cut, and says so."""
    text = escaped(data[: 4 * MOST_CHARACTERS])
    if len(text) <= MOST_CHARACTERS and len(data) <= 4 * MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]} … ({len(data):,} bytes; --save FILE writes all)"


def count_lines(records: Iterable[Rejected], put_back: Collection[Place]) -> list[str]:
    """A line per reason and topic of a stage: records, how many were put back, and one of their places."""
    rows, back = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    example: dict[tuple[str, str], Place] = {}
    for record in records:
        group = record.reason.value, named(record.stage, record.place.topic)
        rows[group] += record.rows
        back[group] += record.rows * (record.place in put_back)
        if record.place not in put_back:
            example.setdefault(group, record.place)
    lines = [f"{'reason':<12}{'topic':<16}{'records':>10}{'put back':>10}  for example"]
    for (reason, topic), count in sorted(rows.items()):
        place = example.get((reason, topic), "-")
        lines.append(f"{reason:<12}{topic:<16}{count:>10,}{back[reason, topic]:>10,}  {place}")
    return lines


def description(record: Rejected, ts: int | None, *, put_back: bool) -> list[str]:
    """All that is known of a record but its bytes."""
    whole = record.place.row == WHOLE
    facts = {
        "place": str(record.place) + (" (the whole message)" if whole else ""),
        **({"stage": record.stage} if record.stage else {}),
        "run": record.run,
        "batch": record.batch,
        "ts": ts,
        "records": record.rows,
        "id": record.id,
        "reason": record.reason.value,
        "detail": record.detail,
        "put back": "yes" if put_back else "no",
    }
    return [f"{name:<10}{'-' if value is None else in_a_line(str(value))}" for name, value in facts.items()]
