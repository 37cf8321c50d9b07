"""The values that travel as text in CSV files and messages: strict parsers, the same for every room.

All raise ValueError with the offending text, so that the caller can name file, line and column.
"""

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeGuard

import orjson

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z| UTC|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_SINCE_EPOCH = re.compile(r"([1-9]\d{8,16})(?:\.(\d+))?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_QUOTED = re.compile(r"""'(.*)'|"(.*)\"""", re.DOTALL)
_CLASS_WORDS = {"true": 1, "yes": 1, "false": 0, "no": 0}
_ZERO_OR_ONE = {0.0: 0, 1.0: 1}
_LARGEST_INT = 2**63 - 1
_UTC = (None, "Z", " UTC")
# Of times since the epoch, from 9 digits on, a unit for each three digits; times 10 ** this are microseconds.
_UNITS = (("s", 6), ("ms", 3), ("us", 0))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // _MICROSECOND
LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND


class ProductLine(NamedTuple):
    """One product of a transaction: how many were bought, and the price of one."""

    product_id: int
    quantity: int
    item_price: float


def parse_time(text: str) -> int:
    """Microseconds since the epoch of `YYYY-MM-DD HH:MM:SS[.fraction][Z| UTC|offset]`; UTC without a zone.

    A number is a time since the epoch: of 9 to 11 digits in seconds, to 14 in milliseconds, to 17 in
    microseconds, each with an optional fraction. What is finer than a microsecond is cut. A time on the first
    or last day of the calendar is none, so that every time zone can show what is one.
    """
    found = _TIME.fullmatch(text)
    micros = _since_epoch(text) if found is None else _on_the_clock(text, found)
    if not EARLIEST <= micros < LATEST:
        raise ValueError(f"{text[:80]!r} lies outside the years 1 to 9999")
    return micros


def epoch_unit(text: str) -> str | None:
    """In which unit a number is a time since the epoch, "s", "ms" or "us"; None for every other text."""
    found = _SINCE_EPOCH.fullmatch(text)
    return None if found is None else _unit(found[1])[0]


def parse_date(text: str) -> date:
    """The date of `YYYY-MM-DD`."""
    if not _DATE.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a date like 1990-12-31")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date: {error}") from error


def identifier(text: str) -> str:
    """The id that a text says: `90264` where a spreadsheet wrote `90264.0`; any other text is the id."""
    if not text.endswith(".0"):
        return text
    digits = text[:-2]
    return digits if digits.isascii() and digits.isdecimal() else text


def identifiers(texts: Sequence[str]) -> Sequence[str]:
    """`identifier` of each of the texts; they are looked at only where one may have such a fraction."""
    return list(map(identifier, texts)) if ".0" in "".join(texts) else texts


def parse_class(text: str) -> int:
    """1 of a decimal number that is 1, of `true` or `yes`; 0 of one that is 0, of `false` or `no`.

    The words in any case, and all also in quotes.
    """
    quoted = _QUOTED.fullmatch(text)
    bare = text if quoted is None else quoted[1] or quoted[2] or ""
    if (word := _CLASS_WORDS.get(bare.lower())) is not None:
        return word
    try:
        return _ZERO_OR_ONE[parse_number(bare)]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{text[:80]!r} is not a label like 1 or 0") from error


def parse_number(text: str) -> float:
    """A finite decimal number; `NaN`, `1_0`, spaces and numbers too large for a double are none."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a decimal number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:80]!r} is too large for a double")
    return value


def parse_products(text: str) -> tuple[ProductLine, ...]:
    """The products of a Python-style list: `[{'product_id': 3231, 'quantity': 1, 'item_price': 367619}]`."""
    # Such a list is JSON but for its quotes; a JSON parser never runs or compiles what it reads.
    as_json = text.replace("'", '"')
    try:
        items = orjson.loads(as_json)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{text[:80]!r} is not a list of products") from error
    if not isinstance(items, list):
        raise ValueError(f"{text[:80]!r} is not a list of products")
    lines = tuple(_product_line(item) for item in items)
    # Of two equal keys a parser drops one, and its quotes with it; texts have quotes as well, but are rare.
    if as_json.count('"') != 2 * sum(map(len, items)):
        _refuse_repeated(as_json)
    return lines


def _on_the_clock(text: str, found: re.Match[str]) -> int:
    day, clock, fraction, zone = found.groups()
    micros = _scaled(fraction, 6)
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in _UTC else zone}")
    except ValueError as error:
        raise ValueError(f"{text[:80]!r} is not a time: {error}") from error
    # Integer arithmetic: a float of seconds would lose the last digits.
    return (moment - _EPOCH) // _MICROSECOND + micros


def _since_epoch(text: str) -> int:
    found = _SINCE_EPOCH.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is not a time like 2024-01-01 00:20:54.302")
    whole, fraction = found.groups()
    _, places = _unit(whole)
    return int(whole) * 10**places + _scaled(fraction, places)


def _unit(whole: str) -> tuple[str, int]:
    return _UNITS[(len(whole) - 9) // 3]


def _scaled(fraction: str | None, places: int) -> int:
    """The first places of a fraction as an integer: .5 is 500 of three places."""
    return int((fraction or "")[:places].ljust(places, "0") or "0")


def _refuse_repeated(as_json: str) -> None:
    try:
        json.loads(as_json, object_pairs_hook=_each_once)
    except RecursionError as error:
        raise ValueError(f"{as_json[:80]!r} is nested too deeply") from error


def _each_once(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"a product says {_shown(repeated)} more than once")


def _product_line(item: object) -> ProductLine:
    if not isinstance(item, dict):
        raise ValueError(f"{_shown(item)} is not a product with product_id, quantity and item_price")
    product_id, quantity, price = item.get("product_id"), item.get("quantity"), item.get("item_price")
    if not _is_int(product_id):
        raise ValueError(f"product_id {_shown(product_id)} is not an integer")
    if not _is_int(quantity) or quantity < 1:
        raise ValueError(f"quantity {_shown(quantity)} is not an integer of at least 1")
    if not (_is_int(price) or (isinstance(price, float) and math.isfinite(price))):
        raise ValueError(f"item_price {_shown(price)} is not a number")
    return ProductLine(product_id, quantity, float(price))


def _shown(value: object) -> str:
    # Never the whole of a container: it may be nested deeper than Python can print.
    return f"(a {type(value).__name__})" if isinstance(value, list | dict) else repr(str(value)[:80])


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT
