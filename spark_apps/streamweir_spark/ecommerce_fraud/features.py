"""The features of transactions, from their own columns, their customer and their session's browsing rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from streamweir.values import identifier, parse_date
from streamweir_spark.columnar import Ints
from streamweir_spark.ecommerce_fraud.memory import Visits

_MICROSECONDS = 1_000_000
_HOUR, _DAY = 3_600 * _MICROSECONDS, 86_400 * _MICROSECONDS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Columns = Mapping[str, Sequence[Any]]


class LocalClock:
    """The clock and calendar of a time zone such as Australia/Melbourne."""

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)

    def __call__(self, micros: Ints) -> Ints:
        """The local times, in microseconds since 1970 began there, of microseconds since the epoch."""
        days, which = np.unique(micros // _DAY, return_inverse=True)
        begin, end = ([self._ahead(day * _DAY) for day in (days + more).tolist()] for more in (0, 1))
        # No zone ever changed its clock and changed it back within a day.
        ahead: Ints = np.array(begin, np.int64)[which]
        for place in np.flatnonzero(np.not_equal(begin, end)[which]).tolist():
            ahead[place] = self._ahead(int(micros[place]))
        return micros + ahead

    def _ahead(self, micros: int) -> int:
        local = (_EPOCH + timedelta(microseconds=micros)).astimezone(self.zone)
        return (local.utcoffset() or timedelta()) // timedelta(microseconds=1)


class Customer(NamedTuple):
    """What scoring asks of a customer; None where customer.csv has no text, or one that is no date."""

    gender: str | None
    birthdate: date | None
    first_join_date: date | None


def customers_of(rows: Iterable[Mapping[str, str | None]]) -> dict[str, Customer]:
    """The customers of customer.csv by id."""
    return {identifier(row["customer_id"] or ""): _customer(row) for row in rows}


def time_of_day(hour: int) -> str:
    """morning 06-12, afternoon 12-18, evening 18-24, night 00-06."""
    return ("night", "morning", "afternoon", "evening")[hour // 6]


def features(
    seen: Visits, parsed: Columns, customers: Sequence[Customer], clock: LocalClock
) -> dict[str, Sequence[Any]]:
    """The contract's FEATURES but for what is parsed, column by column."""
    created = np.array(parsed["created_at"], np.int64)
    known, events = seen.levels[:, 1:].sum(axis=1), seen.levels.sum(axis=1)
    middle = np.where(events > 0, (seen.first + seen.last) // 2, created)
    # Without rows of a known level there are none of level 1 or 2 either.
    whole = np.maximum(known, 1)
    days = zip(customers, (clock(created) // _DAY).tolist(), strict=True)
    return {
        "L1_ratio": (100.0 * seen.levels[:, 1] / whole).tolist(),
        "L2_ratio": (100.0 * seen.levels[:, 2] / whole).tolist(),
        "time_of_day": list(map(time_of_day, (clock(middle) % _DAY // _HOUR).tolist())),
        "age": [one.birthdate and _years_between(one.birthdate, _date_of(day)) for one, day in days],
        "first_join_year": [one.first_join_date and one.first_join_date.year for one in customers],
        "gender": [one.gender for one in customers],
        "session_events": events.tolist(),
    }


def _date_of(day: int) -> date:
    return date.fromordinal(_EPOCH.toordinal() + day)


def _years_between(birth: date, day: date) -> int:
    """Whole years; a birthday on 29 February counts on 1 March of a year that lacks the day."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _customer(row: Mapping[str, str | None]) -> Customer:
    return Customer(row.get("gender"), _date(row.get("birthdate")), _date(row.get("first_join_date")))


def _date(text: str | None) -> date | None:
    # The check of the dataset has named a text that is no date.
    try:
        return parse_date(text or "")
    except ValueError:
        return None
