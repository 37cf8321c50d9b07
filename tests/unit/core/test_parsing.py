"""What the texts of many transactions say is what they say one by one, however hostile they are."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.errors import RejectRecord
from streamweir.values import parse_number, parse_products
from streamweir_spark.columnar import numbers_of
from streamweir_spark.ecommerce_fraud import parsing
from streamweir_spark.ecommerce_fraud.parsing import Parsed, parse, parse_at_once, sold_at_once
from tests.unit.core.ecommerce_stream import batch, domain, run, transaction

PRODUCT = {"product_id": 3231, "quantity": 2, "item_price": 367619}


@pytest.fixture(autouse=True, scope="module")
def _few_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "_FEWEST", 1)
        yield


def at_once(rows: list[dict]) -> list[Parsed | None]:
    return list(parse_at_once({name: [row.get(name) for row in rows] for name in transaction()}))


def one_by_one(rows: list[dict]) -> list[Parsed] | None:
    try:
        return list(map(parse, rows))
    except RejectRecord:
        return None


def products(*changes: dict[str, Any]) -> str:
    return str([PRODUCT | change for change in changes])


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": "2021-03-24T09:16:11.638Z"},
        {"promo_amount": "+1.5e3", "shipment_fee": "007"},
        {"total_amount": "1.7976931348623157e308", "shipment_location_lat": "-0.1"},
        {"product_metadata": "[]"},
        {"product_metadata": " [ ] \n"},
        {"product_metadata": products({}, {"quantity": 5, "product_id": -1}, {"item_price": 0.25})},
        {"product_metadata": json.dumps([PRODUCT], indent=1)},
    ],
)
def test_usual_rows_are_parsed_at_once_and_as_one_by_one(change: dict) -> None:
    rows = [transaction(), transaction() | change, transaction(product_metadata=products({}, {}))]
    assert at_once(rows) == one_by_one(rows)
    assert one_by_one(rows) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": "2021-02-30 09:16:11"},
        {"promo_amount": "NaN"},
        {"promo_amount": "1_0"},
        {"promo_amount": " 1"},
        {"promo_amount": "1e999"},
        {"promo_amount": ""},
        {"product_metadata": ""},
        {"product_metadata": "[], 'rows': []"},
        {"product_metadata": "[]}\n{'rows': []"},
        {"product_metadata": "[None]"},
        {"product_metadata": "null"},
        {"product_metadata": products({"quantity": 0})},
        {"product_metadata": products({"quantity": 1.0})},
        {"product_metadata": products({"quantity": True})},
        {"product_metadata": products({"quantity": 2**63})},
        {"product_metadata": products({"quantity": 2**63 - 1}, {})},
        {"product_metadata": products({"product_id": -(2**63)})},
        {"product_metadata": products({"item_price": 2**63})},
        {"product_metadata": "[{'product_id': 1, 'quantity': 1}]"},
        {"product_metadata": "[{'product_id': 1, 'quantity': 1, 'quantity': 1, 'item_price': 1}]"},
    ],
)
def test_where_one_row_says_nothing_all_are_parsed_one_by_one(change: dict) -> None:
    rows = [transaction(), transaction() | change, transaction()]
    assert at_once(rows) == [None] * 3
    assert one_by_one(rows) is None
    assert None not in at_once(rows[::2])


def test_a_row_that_lacks_a_text_is_parsed_by_itself() -> None:
    for name in ("product_metadata", *parsing.NUMBERS):
        rows = [transaction(), {key: text for key, text in transaction().items() if key != name}]
        assert at_once(rows) == [None, None]


def test_a_row_that_says_nothing_holds_up_only_those_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_AT_ONCE", 2)
    rows = [transaction()] * 2 + [transaction(total_amount="?")] + [transaction()] * 2
    assert [found is None for found in at_once(rows)] == [False, False, True, True, False]


def test_many_rows_are_parsed_at_once_and_few_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_FEWEST", 100)
    for number, is_parsed in ((99, False), (100, True), (500, True)):
        assert [found is not None for found in at_once([transaction()] * number)] == [is_parsed] * number


def test_a_scored_row_is_the_same_whether_it_was_parsed_at_once_or_by_itself() -> None:
    rows = [transaction(f"t{n}", promo_amount=f"{n}.5", product_metadata=products({}, {})) for n in range(4)]
    spoilt = [*rows, transaction("odd", total_amount="?")]

    def values(bought: list[dict]) -> list[object]:
        return [one.values for one in run(batch(0, [], bought), domain()) if one.kind == "scored"]

    assert values(rows) == values(spoilt)
    assert len(values(rows)) == 4


# Few different characters, so that almost-numbers and almost-lists come up.
numbers = st.floats().map(repr) | st.integers().map(str) | st.text("0123456789.eE+-_ ", max_size=9)
lists = st.lists(
    st.fixed_dictionaries(
        {
            "product_id": st.integers(-(2**64), 2**64) | st.integers(0, 9),
            "quantity": st.integers(1, 9) | st.integers(-(2**64), 2**64) | st.booleans(),
            "item_price": st.integers(0, 9) | st.floats() | st.integers(),
        },
        optional={"x": st.text(max_size=3)},
    ),
    max_size=3,
).map(str)
rows = st.builds(
    lambda number, listed, name: transaction(product_metadata=listed) | {name: number},
    numbers,
    lists | st.text("[]{}'\",:01 \\", max_size=8),
    st.sampled_from([*parsing.NUMBERS, "promo_code"]),
)


@settings(max_examples=400)
@given(st.lists(rows, min_size=1, max_size=3))
def test_what_is_parsed_at_once_is_what_is_parsed_one_by_one(found: list[dict]) -> None:
    assert at_once(found) in (one_by_one(found), [None] * len(found))


def sold(text: str) -> list[tuple[int, int]] | None:
    try:
        return [(line.product_id, line.quantity) for line in parse_products(text)]
    except ValueError:
        return None


@settings(max_examples=300)
@given(st.lists(lists.filter(lambda text: sold(text) is not None), min_size=1, max_size=5))
def test_products_are_found_at_once_as_one_by_one(texts: list[str]) -> None:
    assert [list(found) for found in sold_at_once(texts)] == list(map(sold, texts))


@settings(max_examples=300)
@given(st.lists(numbers, min_size=1, max_size=3))
def test_numbers_are_read_at_once_as_one_by_one(texts: list[str]) -> None:
    found = numbers_of(pa.array(texts))
    if found is not None:
        # By their text: a negative zero is one.
        assert list(map(repr, found.tolist())) == [repr(parse_number(text)) for text in texts]
