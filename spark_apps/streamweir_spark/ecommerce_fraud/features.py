"""The features of a transaction, from its own columns, its customer and its session's browsing rows."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamweir.contracts.ecommerce_fraud.dataset import TRANSACTION_COLUMNS
from streamweir.contracts.tables import Type
from streamweir.values import identifier, parse_date
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


class Visit(NamedTuple):
    """The browsing rows of a transaction. first, last: event times in microseconds, None without rows."""

    level_1: int
    level_2: int
    known: int
    events: int
    first: int | None
    last: int | None


def customers_of(rows: Iterable[Mapping[str, str | None]]) -> dict[str, Customer]:
    """The customers of customer.csv by id."""
    return {identifier(row["customer_id"] or ""): _customer(row) for row in rows}


def visit(browsing: list[int], earliest: int, ts: int, created: int) -> Visit:
    """The rows of a session with a ts from `earliest` to `ts`, and not after the transaction.

    browsing: flat, three ints a row: ts, event time in microseconds, level (0: not a known event type).
    """
    levels = [0, 0, 0, 0]
    first = last = None
    numbers = iter(browsing)
    for row_ts, time, level in zip(numbers, numbers, numbers, strict=True):
        if earliest <= row_ts <= ts and time <= created:
            levels[level] += 1
            if first is None or time < first:
                first = time
            if last is None or time > last:
                last = time
    known = levels[1] + levels[2] + levels[3]
    return Visit(levels[1], levels[2], known, known + levels[0], first, last)


def time_of_day(hour: int) -> str:
    """morning 06-12, afternoon 12-18, evening 18-24, night 00-06."""
    return ("night", "morning", "afternoon", "evening")[hour // 6]


def features(seen: Visit, found: Parsed, customer: Customer, clock: LocalClock) -> dict[str, object]:
    """The contract's FEATURES."""
    created = found.created
    middle = created if seen.first is None or seen.last is None else (seen.first + seen.last) // 2
    birth, joined = customer.birthdate, customer.first_join_date
    return {
        "L1_ratio": _percent(seen.level_1, seen.known),
        "L2_ratio": _percent(seen.level_2, seen.known),
        "time_of_day": time_of_day(clock(middle).hour),
        "num_purchase": found.quantity,
        "age": None if birth is None else _years_between(birth, clock(created).date()),
        "first_join_year": None if joined is None else joined.year,
        "gender": customer.gender,
        "session_events": seen.events,
    }


def typed(row: Mapping[str, str], found: Parsed) -> dict[str, object]:
    """The original columns, typed; a missing text is null."""
    values: dict[str, object] = {name: row.get(name) for name in _TEXTS}
    values["created_at"] = found.created
    values.update(zip(NUMBERS, found.numbers, strict=True))
    return values


def _years_between(birth: date, day: date) -> int:
    """Whole years; a birthday on 29 February counts on 1 March of a year that lacks the day."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


def _customer(row: Mapping[str, str | None]) -> Customer:
    return Customer(row.get("gender"), _date(row.get("birthdate")), _date(row.get("first_join_date")))


def _date(text: str | None) -> date | None:
    # The check of the dataset has named a text that is no date.
    try:
        return parse_date(text or "")
    except ValueError:
        return None
