"""The strict parsers of text values."""

import math
import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamweir.values import (
    ProductLine,
    epoch_unit,
    identifier,
    identifiers,
    parse_class,
    parse_date,
    parse_number,
    parse_products,
    parse_time,
)


def micros(*moment: int) -> int:
    return int(Decimal(int(datetime(*moment[:6], tzinfo=UTC).timestamp())) * 1_000_000) + sum(moment[6:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01 00:20:54.302", micros(2024, 1, 1, 0, 20, 54, 302_000)),
        ("2021-03-24T09:16:11.638Z", micros(2021, 3, 24, 9, 16, 11, 638_000)),
        ("2024-01-01 00:00:00", micros(2024, 1, 1, 0, 0, 0)),
        ("2024-01-01T10:00:00+10:00", micros(2024, 1, 1, 0, 0, 0)),
        ("2024-01-01T10:00:00.5-0330", micros(2024, 1, 1, 13, 30, 0, 500_000)),
        ("2024-01-01 00:00:00.123456789", micros(2024, 1, 1, 0, 0, 0, 123_456)),
        ("1969-12-31 23:59:59.999999", -1),
        ("2019-10-01 00:00:01 UTC", micros(2019, 10, 1, 0, 0, 1)),
        ("2019-10-01T00:00:01.25 UTC", micros(2019, 10, 1, 0, 0, 1, 250_000)),
        ("1569888001", micros(2019, 10, 1, 0, 0, 1)),
        ("1569888001.25", micros(2019, 10, 1, 0, 0, 1, 250_000)),
        ("1569888001250", micros(2019, 10, 1, 0, 0, 1, 250_000)),
        ("1569888001250.0625", micros(2019, 10, 1, 0, 0, 1, 250_062)),
        ("1569888001250062.9", micros(2019, 10, 1, 0, 0, 1, 250_062)),
        ("100000000", 10**14),
        ("99999999999", 99_999_999_999 * 10**6),
        ("100000000000", 10**14),
        ("99999999999999", 99_999_999_999_999 * 10**3),
        ("100000000000000", 10**14),
        ("99999999999999999", 99_999_999_999_999_999),
    ],
)
def test_a_time_is_read_in_microseconds_and_utc(text: str, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-01",
        "20240101T000000",
        "2024-13-01 00:00:00",
        "2024-01-01 24:00:01",
        "2024-01-01 00:00:00 ",
        "2024-W01-1 00:00:00",
        "2024-01-01 00:00:00,5",
        "٢٠٢٤-01-01 00:00:00",
        "2024-01-01\n00:00:00",
        "NaN",
        "2019-10-01 00:00:01UTC",
        "2019-10-01 00:00:01Z UTC",
        "2019-10-01 00:00:01 utc",
        "0",
        "99999999",
        "100000000000000000",
        "-1569888001",
        "1569888001.",
        "1.569888001e9",
        "0001569888001",
        "1569888001 UTC",
        "\u0661569888001",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a time")):
        parse_time(text)


_FIRST, _LAST = datetime(1, 1, 2), datetime(9999, 12, 30, 23, 59, 59, 999_999)
"""The times that every time zone can show."""


@given(st.datetimes(_FIRST, _LAST, timezones=st.just(UTC)))
@example(_FIRST.replace(tzinfo=UTC))
@example(_LAST.replace(tzinfo=UTC))
def test_every_time_survives_the_round_trip(moment: datetime) -> None:
    text = moment.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    assert parse_time(text) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)


@pytest.mark.parametrize("text", ["0001-01-01 23:59:59.999999", "9999-12-31 00:00:00"])
def test_the_calendars_first_and_last_day_hold_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="lies outside the years 1 to 9999"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90264.0", "90264"), ("0.0", "0"), ("007.0", "007"), ("90264", "90264"), ("", ""), (".0", ".0")]
    + [
        (text, text)
        for text in ("9.00", "9.5", "9.0.0", "-9.0", "a.0", "9.0 ", "\u0669.0", "\u00b2.0", "1e5.0")
    ],
)
def test_an_id_loses_only_the_fraction_that_a_spreadsheet_gave_it(text: str, expected: str) -> None:
    assert identifier(text) == expected


@given(st.lists(st.text("019.", max_size=4)))
def test_many_ids_are_read_as_each_is(texts: list[str]) -> None:
    assert list(identifiers(texts)) == list(map(identifier, texts))


@pytest.mark.parametrize(
    ("one", "nought"),
    [
        ("1", "0"),
        ("1.0", "0.00"),
        ("TRUE", "false"),
        ("Yes", "nO"),
        ("1.000000000000000000e+00", "0.000000000000000000e+00"),
        ("1e0", "0E5"),
        ("1.", "-0"),
        ("01", ".0"),
        ("+1", "+0"),
        ("10e-1", "00"),
    ],
)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_class_is_read_in_its_usual_spellings_and_in_quotes(one: str, nought: str, quote: str) -> None:
    assert [parse_class(f"{quote}{text}{quote}") for text in (one, nought)] == [1, 0]


@pytest.mark.parametrize(
    "text",
    ["", "2", "1.5", "y", "'1", '1"', "'1\"", "''1''", " 1", "-1", "\u0661", "1\n", "1e400", "1_0", "''"],
)
def test_what_says_neither_0_nor_1_is_no_class(text: str) -> None:
    with pytest.raises(ValueError, match="is not a label like 1 or 0"):
        parse_class(text)


in_this_era = st.datetimes(datetime(1973, 4, 1), datetime(5137, 1, 1))


@given(in_this_era, st.sampled_from([("s", 10**6, 6), ("ms", 10**3, 3), ("us", 1, 0)]), st.text("0123456789"))
def test_a_number_is_a_time_since_the_epoch_in_the_unit_of_its_size(
    moment: datetime, form: tuple[str, int, int], finer: str
) -> None:
    unit, micros_each, places = form
    micros = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    fraction = f"{micros % micros_each:0{places}}{finer}" if places else finer
    text = f"{micros // micros_each}.{fraction}".removesuffix(".")
    assert parse_time(text) == parse_time(moment.isoformat() + " UTC") == micros
    assert epoch_unit(text) == unit


@pytest.mark.parametrize("text", ["", "2019-10-01 00:00:01", "99999999", "1e9", "100000000000000000"])
def test_what_is_no_number_since_the_epoch_has_no_unit(text: str) -> None:
    assert epoch_unit(text) is None


@pytest.mark.parametrize("text", ["NaN", "inf", "1_0", " 1", "1e999", "0x10", "", "1,5", "\u0661"])
def test_what_is_no_finite_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal|double"):
        parse_number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_double_survives_the_round_trip(value: float) -> None:
    assert parse_number(repr(value)) == value


def test_a_date_is_read_and_a_time_is_no_date() -> None:
    assert parse_date("1996-02-29") == date(1996, 2, 29)
    for text in ("1996-02-29 00:00:00", "1995-02-29", "0000-01-01", "", "29.2.1996"):
        with pytest.raises(ValueError, match=f"{text!r} is not a date"):
            parse_date(text)


def test_products_are_read_from_a_python_style_list() -> None:
    text = (
        "[{'product_id': 3231, 'quantity': 2, 'item_price': 367619}, "
        "{'product_id': 7, 'quantity': 1, 'item_price': 1.5}]"
    )
    assert parse_products(text) == (ProductLine(3231, 2, 367619.0), ProductLine(7, 1, 1.5))
    assert parse_products("[]") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "[1]",
        "[\0]",
        "[" * 5000,
        "__import__('os')",
        "[{'product_id': 1, 'quantity': 0, 'item_price': 1}]",
        "[{'product_id': 1, 'quantity': 1.0, 'item_price': 1}]",
        "[{'product_id': True, 'quantity': 1, 'item_price': 1}]",
        "[{'product_id': '1', 'quantity': 1, 'item_price': 1}]",
        "[{'product_id': 1, 'quantity': 1}]",
        "[{'product_id': 1, 'quantity': 1, 'item_price': 1e999}]",
        "[{'product_id': 1, 'quantity': 1, 'item_price': 1, 'quantity': 9}]",
        "[{'product_id': 1, 'quantity': 1, 'item_price': 1, 'quantit\\u0079': 9}]",
        f"[{{'product_id': 1, 'quantity': {10**30}, 'item_price': 1}}]",
        f"[{{'product_id': 1, 'quantity': 1, 'item_price': {10**400}}}]",
    ],
)
def test_what_is_no_product_list_is_refused_without_being_run(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_products(text)


numbers = st.integers(-5, 2**70) | st.floats() | st.booleans() | st.none() | st.text(max_size=3)
products = st.dictionaries(st.sampled_from(["product_id", "quantity", "item_price", "more"]), numbers)


@given(st.lists(products | numbers, max_size=4))
def test_a_python_list_is_read_as_python_reads_it_or_refused(items: list) -> None:
    def is_sound(item: object) -> bool:
        kinds = [type(item.get(name)) for name in ProductLine._fields] if isinstance(item, dict) else []
        return kinds[:2] == [int, int] and kinds[2] in (int, float)

    try:
        found = parse_products(repr(items))
    except ValueError:
        return
    assert all(map(is_sound, items))
    assert found == tuple((item["product_id"], item["quantity"], item["item_price"]) for item in items)
    assert all(line.quantity >= 1 and isfinite(line.item_price) for line in found)


@pytest.mark.parametrize("depth", [3, 900, 1000, 1015, 5000])
def test_a_product_that_is_nested_is_read_or_refused(depth: int) -> None:
    with suppress(ValueError):
        item = f"'product_id': 1, 'quantity': 1, 'item_price': 1, 'x': {'[' * depth}'a'{']' * depth}"
        assert parse_products(f"[{{{item}}}]") == (ProductLine(1, 1, 1.0),)


counts, prices = st.integers(1, 2**63 - 1), st.floats(-1e300, 1e300)


@given(st.lists(st.builds(ProductLine, st.integers(-(2**63) + 1, 2**63 - 1), counts, prices)))
def test_every_sound_list_of_products_is_read(lines: list[ProductLine]) -> None:
    assert parse_products(repr([line._asdict() for line in lines])) == tuple(lines)


@given(st.text() | st.text(alphabet="[]{}'\",:0123456789.eE product_idquantity"))
def test_whatever_the_text_is_products_are_read_or_refused(text: str) -> None:
    try:
        lines = parse_products(text)
    except ValueError:
        return
    assert all(line.quantity >= 1 and math.isfinite(line.item_price) for line in lines)
