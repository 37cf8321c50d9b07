"""Times as microseconds, and as a clock somewhere shows them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from streamweir.times import TimeReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

moment = TimeReader()
"""Microseconds since the epoch of a time; a worker remembers the parts of those that it has read."""


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
