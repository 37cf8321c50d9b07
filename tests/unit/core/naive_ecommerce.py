"""What a scorer must say of an e-commerce stream, the slow and obvious way, sharing no code with the core.

It reads all messages at once, looks at all pairs of rows, and knows Python's own parsers only.
"""

import ast
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

LEVELS = {1: ("AP", "ATC", "CO"), 2: ("VC", "VP", "VI", "SER"), 3: ("SCR", "HP", "CL")}
KEYS = {
    "browsing": ("session_id", "event_type", "event_time"),
    "transactions": ("transaction_id", "session_id", "customer_id", "created_at"),
}
NUMBERS = ("promo_amount", "shipment_fee", "shipment_location_lat", "shipment_location_long", "total_amount")
TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"


def verdicts(
    messages: Sequence[Any], customers: dict, lookback: int, lateness: int, retention: int, zone: str
) -> list[tuple]:
    """(topic, sequence, row, what, features or None) of every record; what: scored, used or the reason."""
    stream, found = _in_sequence(messages)
    used: list[tuple[int, int, dict]] = []
    done: dict[tuple[str, str], int] = {}
    largest = None
    for sequence in range(len(stream)):
        if len(stream[sequence]) < 2:
            break
        for topic in ("browsing", "transactions"):
            headers, rows = stream[sequence][topic]
            clock = int(headers["ts"])
            again = headers["kind"] == "redrive"
            late = not again and largest is not None and largest - clock > lateness
            for index, row in _rows(rows, headers):
                where = (topic, sequence, index)
                if row is None or _malformed(topic, row, clock, again):
                    found.append((*where, "malformed", None))
                elif late:
                    found.append((*where, "late", None))
                elif topic == "browsing":
                    used.append((sequence, row["ts"], row))
                    found.append((*where, "used", None))
                else:
                    # What a scorer may have forgotten by now, it must not remember by chance either.
                    known = [event for event in used if event[1] >= clock - lateness - lookback]
                    what, features = _judge(row, known, customers, lookback, zone)
                    if what == "scored":
                        what, features = _once(row, clock, done, retention, features)
                    found.append((*where, what, features))
        clocks = [int(headers["ts"]) for headers, _ in stream[sequence].values()]
        largest = max([largest, *clocks] if largest is not None else clocks)
    return found


def _in_sequence(messages: Sequence[Any]) -> tuple[list[dict], list[tuple]]:
    """The stream's messages by sequence and topic; and the foreign ones, which are not in their turn."""
    stream: list[dict] = [{} for _ in messages]
    foreign = []
    for topic in ("browsing", "transactions"):
        for partition in range(4):
            due = partition
            for one in sorted(messages, key=lambda one: one.offset):
                if (one.topic, one.partition) != (topic, partition):
                    continue
                headers = {name: value.decode() for name, value in one.headers or []}
                if not headers or int(headers["sequence"]) != due:
                    foreign.append((topic, headers.get("sequence"), -1, "foreign", None))
                    continue
                stream[due][topic] = (headers, one.value)
                due += 4
    return stream, foreign


def _rows(value: bytes, headers: dict) -> list[tuple[int, dict | None]]:
    try:
        rows = json.loads(value, object_pairs_hook=_each_key_once)
    except ValueError:
        rows = None
    whole = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not whole or len(rows) != int(headers["rows"]):
        return [(-1, None)]
    return list(enumerate(rows))


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict:
    names = [name for name, _ in pairs]
    return {name: value if names.count(name) == 1 else ["there", "twice"] for name, value in pairs}


def _malformed(topic: str, row: dict, ts: int, again: bool) -> bool:
    if any(not row.get(name) for name in KEYS[topic]):
        return True
    if any(not isinstance(value, str) for name, value in row.items() if name != "ts"):
        return True
    if type(row.get("ts")) is not int:
        return True
    if not (0 <= row["ts"] <= ts if again else row["ts"] == ts):
        return True
    return topic == "browsing" and _time(row["event_time"]) is None


def _judge(row: dict, used: list, customers: dict, lookback: int, zone: str) -> tuple[str, Any]:
    features = _features(row, used, customers, lookback, zone)
    return ("unscorable", None) if features is None else ("scored", features)


def _once(row: dict, clock: int, done: dict, retention: int, features: Any) -> tuple[str, Any]:
    name = (row["session_id"], row["transaction_id"])
    if name in done and clock - done[name] <= retention:
        return "duplicate", None
    done[name] = clock
    return "scored", features


def _features(row: dict, used: list, customers: dict, lookback: int, zone: str) -> dict | None:
    created = _time(row["created_at"])
    products = _products(row.get("product_metadata", ""))
    numbers = {name: _number(row.get(name, "")) for name in NUMBERS}
    if row["customer_id"] not in customers or created is None or products is None or None in numbers.values():
        return None
    gender, birth, joined = customers[row["customer_id"]]
    near = [
        (event["event_type"], _time(event["event_time"]))
        for _, ts, event in used
        if event["session_id"] == row["session_id"] and row["ts"] - lookback <= ts <= row["ts"]
    ]
    near = [(event, time) for event, time in near if time <= created]
    counts = {level: sum(event in names for event, _ in near) for level, names in LEVELS.items()}
    known = sum(counts.values())
    times = [time for _, time in near] or [created]
    middle = min(times) + (max(times) - min(times)) / 2
    hour = middle.astimezone(ZoneInfo(zone)).hour
    names = {range(6): "night", range(6, 12): "morning", range(12, 18): "afternoon", range(18, 24): "evening"}
    return numbers | {
        "L1_ratio": float(Fraction(100 * counts[1], known)) if known else 0.0,
        "L2_ratio": float(Fraction(100 * counts[2], known)) if known else 0.0,
        "time_of_day": next(name for hours, name in names.items() if hour in hours),
        "num_purchase": sum(product["quantity"] for product in products),
        "age": _age(birth, created.astimezone(ZoneInfo(zone)).date()),
        "first_join_year": joined.year,
        "gender": gender,
        "session_events": len(near),
    }


def _age(birth: date, day: date) -> int:
    """Birthdays since birth, by counting them."""
    years = 0
    while _birthday(birth, birth.year + years + 1) <= day:
        years += 1
    return years


def _birthday(birth: date, year: int) -> date:
    try:
        return birth.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def _time(text: str) -> datetime | None:
    if not re.fullmatch(TIME, text, re.ASCII):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    plain = not set(text) - set("0123456789.+-eE")
    return found if plain and math.isfinite(found) else None


def _products(text: str) -> list[dict] | None:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    good = isinstance(found, list) and all(
        isinstance(item, dict)
        and type(item.get("product_id")) is int
        and type(item.get("quantity")) is int
        and item["quantity"] >= 1
        and type(item.get("item_price")) in (int, float)
        for item in found
    )
    return found if good and sum(item["quantity"] for item in found) < 2**63 else None


def figures(rows: Iterable[tuple[int, int, list]], closed: int, products: dict) -> dict[str, list[tuple]]:
    """The figure tables from all scored rows (ts, prediction, [(product, quantity)]) at once."""
    rows = list(rows)
    if not rows:
        return {"fraud_windows": [], "sold_quantity": [], "top_products": [], "top_categories": []}
    first, last = min(row[0] for row in rows), max(row[0] for row in rows)
    tables: dict[str, list[tuple]] = {
        "fraud_windows": [],
        "sold_quantity": [],
        "top_products": [],
        "top_categories": [],
    }
    for start in range(first - 200 - first % 60, last + 1):
        near = [start * 1_000_000]
        if start % 10 == 0 and first < start + 120 <= closed:
            inside = [row for row in rows if start <= row[0] < start + 120]
            line = (sum(row[1] for row in inside), len(inside))
            tables["fraud_windows"].append((*near, (start + 120) * 1_000_000, *line))
        if start % 30 == 0 and first < start + 30 <= closed:
            line = (_sold(rows, start, start + 30), _sold(rows, 0, start + 30))
            tables["sold_quantity"].append((*near, (start + 30) * 1_000_000, *line))
        if start % 60 == 0 and first < start + 60 <= closed:
            bounds = (*near, (start + 60) * 1_000_000)
            so_far = _so_far(rows, start + 60)
            best = sorted(so_far, key=lambda product: (-so_far[product], product))[:20]
            for rank, product in enumerate(best, 1):
                name = products.get(str(product), (None, None))[0]
                tables["top_products"].append((*bounds, rank, str(product), name, so_far[product]))
            groups: dict[str | None, int] = {}
            for product, quantity in so_far.items():
                category = products.get(str(product), (None, None))[1]
                groups[category] = groups.get(category, 0) + quantity
            named = sorted(name for name in groups if name is not None)
            tables["top_categories"] += [
                (*bounds, name, groups[name]) for name in [*named, *([None] if None in groups else [])]
            ]
    return tables


def _sold(rows: list, start: int, end: int) -> int:
    return sum(
        quantity for ts, fraud, sold in rows if start <= ts < end and not fraud for _, quantity in sold
    )


def _so_far(rows: list, end: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for ts, fraud, sold in rows:
        if ts < end and not fraud:
            for product, quantity in sold:
                found[product] = found.get(product, 0) + quantity
    return found
