"""Times as microseconds, read fast: a stream's times share their minutes, and their seconds repeat."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from streamweir.values import parse_time

_MINUTE = len("2024-01-01 00:20:")
_REFERENCE = "2000-01-01 00:00:"
_REFERENCE_MICROS = parse_time(_REFERENCE + "00")
_CACHED = 100_000
_LONGEST_CACHED = 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A day from either end of the calendar, so that every time zone can show the moment.
_EARLIEST = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND

_minutes: dict[str, int] = {}
_rests: dict[str, int] = {}


def moment(text: str) -> int:
    """Microseconds since the epoch of a time, as `streamweir.values.parse_time` reads it.

    Raises ValueError with the text when it is none, or lies outside the calendar of a time zone.
    The minute and the rest (seconds, fraction, zone) are remembered apart: their micros add up.
    """
    try:
        return _minutes[text[:_MINUTE]] + _rests[text[_MINUTE:]]
    except KeyError:
        return _read(text)


def moments(texts: Sequence[str]) -> list[int]:
    """`moment` of each of the texts; raises ValueError at the first that is no time."""
    try:
        return [_minutes[text[:_MINUTE]] + _rests[text[_MINUTE:]] for text in texts]
    except KeyError:
        return list(map(moment, texts))


def _read(text: str) -> int:
    micros = parse_time(text)
    if not _EARLIEST <= micros < _LATEST:
        raise ValueError(f"{text[:80]!r} lies outside the years 1 to 9999")
    minute, rest = text[:_MINUTE], text[_MINUTE:]
    # Never remembered: a number, which is no sum of these parts; and a time of the calendar's first and last
    # years, where a rest with an offset can lead outside it.
    if minute.endswith(":") and len(rest) <= _LONGEST_CACHED and "0002" <= minute[:4] <= "9998":
        for cache in (_minutes, _rests):
            if len(cache) >= _CACHED:
                cache.clear()
        _minutes[minute] = parse_time(minute + "00")
        _rests[rest] = parse_time(_REFERENCE + rest) - _REFERENCE_MICROS
    return micros


class LocalClock:
    """The clock and calendar of a time zone such as Australia/Melbourne."""

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)

    def __call__(self, micros: int) -> datetime:
        """The local date and time of microseconds since the epoch."""
        return (_EPOCH + timedelta(microseconds=micros)).astimezone(self.zone)


def years_between(birth: date, day: date) -> int:
    """Whole years; a birthday on 29 February counts on 1 March of a year that lacks the day."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
