"""The features of transactions, from their own columns, their customer and their session's browsing rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from streamweir.contracts.ecommerce_fraud.dataset import TRANSACTION_COLUMNS
from streamweir.contracts.tables import Type
from streamweir.values import identifier, parse_date
from streamweir_spark.ecommerce_fraud.memory import Visits
from streamweir_spark.ecommerce_fraud.parsing import NUMBERS, Parsed

_TEXTS = tuple(column.name for column in TRANSACTION_COLUMNS if column.type is Type.STRING)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LocalClock:
    """The clock and calendar of a time zone such as Australia/Melbourne."""

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)

    def __call__(self, micros: int) -> datetime:
        """The local date and time of microseconds since the epoch."""
        return (_EPOCH + timedelta(microseconds=micros)).astimezone(self.zone)


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
    seen: Visits, found: Sequence[Parsed], customers: Sequence[Customer], clock: LocalClock
) -> dict[str, list[Any]]:
    """The contract's FEATURES, column by column."""
    created = [one.created for one in found]
    known, events = seen.levels[:, 1:].sum(axis=1), seen.levels.sum(axis=1)
    middle = np.where(events > 0, (seen.first + seen.last) // 2, np.array(created, np.int64))
    # Without rows of a known level there are none of level 1 or 2 either.
    whole = np.maximum(known, 1)
    return {
        "L1_ratio": (100.0 * seen.levels[:, 1] / whole).tolist(),
        "L2_ratio": (100.0 * seen.levels[:, 2] / whole).tolist(),
        "time_of_day": [time_of_day(clock(micros).hour) for micros in middle.tolist()],
        "num_purchase": [one.quantity for one in found],
        "age": [
            None if one.birthdate is None else _years_between(one.birthdate, clock(micros).date())
            for one, micros in zip(customers, created, strict=True)
        ],
        "first_join_year": [one.first_join_date and one.first_join_date.year for one in customers],
        "gender": [one.gender for one in customers],
        "session_events": events.tolist(),
    }


def typed(rows: Sequence[Mapping[str, str]], found: Sequence[Parsed]) -> dict[str, list[Any]]:
    """The original columns, typed; a missing text is null."""
    values: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in _TEXTS}
    values["created_at"] = [one.created for one in found]
    for place, name in enumerate(NUMBERS):
        values[name] = [one.numbers[place] for one in found]
    return values


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
