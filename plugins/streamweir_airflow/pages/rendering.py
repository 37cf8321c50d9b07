"""How a page is made: templates that escape what comes from data, and headers that let nothing else act."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jinja2
from fastapi import Response, status
from fastapi.responses import JSONResponse

HTML = "text/html; charset=utf-8"
AGAIN_S = 5
"""How often a page that is looked at asks anew; a scorer that works rewrites its status as often."""
NOTHING = "\N{EN DASH}"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


class Link(NamedTuple):
    """A way to another page."""

    text: str
    address: str


def page(name: str, values: Mapping[str, Any], *, code: int = status.HTTP_200_OK) -> Response:
    """A page of ours: only its own style and script are in force, and it talks to its own server only."""
    text = (
        _templates().get_template(name).render(**values, script=_asset("live.js"), style=_asset("pages.css"))
    )
    return Response(text, code, {**ALWAYS, "Content-Security-Policy": _policy()}, HTML)


def part(name: str, values: Mapping[str, Any], *, again: bool = True) -> Response:
    """The part of a page that changes, for its script; again: whether it may change once more."""
    said = {"html": _templates().get_template(name).render(**values), "again_s": AGAIN_S if again else None}
    return JSONResponse(said, headers=ALWAYS)


def number(value: float | None) -> str:
    """A count, with separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A part of a whole, in percent."""
    return NOTHING if value is None else f"{value:.2%}"


def seconds(value: float | None) -> str:
    """A span of time: `0.42 s`, `37 s`, `5 min`, `3 h`, `2 d`."""
    if value is None:
        return NOTHING
    if value < 100:
        return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
    for unit, length in (("min", 60), ("h", 3600)):
        if value < 100 * length:
            return f"{value / length:.0f} {unit}"
    return f"{value / 86400:.0f} d"


def size(value: float | None) -> str:
    """Bytes as KiB or MiB."""
    if value is None:
        return NOTHING
    return f"{value / 2**20:,.1f} MiB" if value >= 2**20 else f"{value / 2**10:,.0f} KiB"


def moment(value: datetime | str | None) -> str:
    """A time, to the second, in UTC."""
    if not value:
        return NOTHING
    when = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def clock(unix_seconds: int) -> str:
    """A moment of the virtual clock."""
    return moment(datetime.fromtimestamp(unix_seconds, UTC))


def cell(value: Any) -> str:
    """A value of a table, in UTC, to the microsecond; empty for null."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}".rstrip("0").rstrip(".")
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


@cache
def _asset(name: str) -> str:
    return files("streamweir_airflow").joinpath("templates", name).read_text()


@cache
def _policy() -> str:
    script, style = (_hash(_asset(name)) for name in ("live.js", "pages.css"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data:; "
        "frame-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("streamweir_airflow")
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    made.filters.update({each.__name__: each for each in (number, share, seconds, size, moment, clock, cell)})
    return made
