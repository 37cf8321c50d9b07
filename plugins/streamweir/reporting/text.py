"""How numbers, times and bytes are written for a reader."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from markupsafe import Markup, escape

from streamweir.contracts.runs import Run

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_RAW = 400
NOTHING = "\N{EN DASH}"


def number(value: Any) -> str:
    """A count or a measure, with separators; four decimals below ten."""
    if value is None:
        return NOTHING
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4f}"
    return f"{int(value):,}"


def seconds(value: float | None) -> str:
    """A span of time: `0.42 s`, `37 s`, `2 min 05 s`."""
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.2f} s"
    if value < 100:
        return f"{value:.0f} s"
    whole = round(value)
    return f"{whole // 60} min {whole % 60:02d} s"


def size(value: float) -> str:
    """Bytes as MiB or GiB."""
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def clock(unix_seconds: int) -> str:
    """A moment of the virtual clock."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M:%S}"


def moment(text: str) -> str:
    """An ISO time, to the second, in UTC."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def cell(value: Any) -> str:
    """A value of a table."""
    if value is None:
        return NOTHING
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return visible(str(value))


def shown(columns: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as text, and which of their columns hold numbers or moments."""
    return {
        "numeric": {
            name for name in columns if all(isinstance(row[name], int | float | None) for row in rows)
        },
        "moments": {name for name in columns if any(isinstance(row[name], datetime) for row in rows)},
        "rows": [[(name, cell(row[name])) for name in columns] for row in rows],
    }


def value(given: Any) -> str:
    """A parameter, a version, or an observation: lists and objects as short JSON."""
    if isinstance(given, list | tuple | dict):
        return visible(json.dumps(given, ensure_ascii=False, default=str))
    return NOTHING if given in (None, "") else visible(str(given))


def raw(value: bytes | None) -> str:
    """The beginning of a record's bytes as text; what is no text is escaped, never shown as it is."""
    if value is None:
        return NOTHING
    shown = visible(value[:_LONGEST_RAW].decode(errors="backslashreplace"))
    return shown if len(value) <= _LONGEST_RAW else f"{shown}… ({number(len(value))} bytes)"


def visible(text: str) -> str:
    """Text with its control characters spelled out."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def linked(sentence: str, run: Run) -> Markup:
    """A sentence in which files of the run's bundle that it names, and the section on quality, are links."""
    bundle = rf"{re.escape(str(run.bundle))}/((?:[\w-]+/)*[\w-]+\.\w+)"
    places = re.compile(rf"{bundle}|\bledger\.json\b|(?<=: see )quality\b")
    anchors = {"quality": "#quality"}

    def link(found: re.Match[str]) -> str:
        return f'<a href="{found[1] or anchors.get(found[0], found[0])}">{found[0]}</a>'

    return Markup(places.sub(link, escape(visible(sentence))))  # noqa: S704 - escaped before
