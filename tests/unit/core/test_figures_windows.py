"""The shop's figures: every window once, exact in event time, whatever the micro-batches are."""

from itertools import chain
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir_spark.ecommerce_fraud.figures import Figures, Product, ScoredRow, products_of
from tests.unit.core import naive_ecommerce as naive

T0 = 1_700_000_000 // 60 * 60
LATENESS = 60
PRODUCTS = {"1": Product("Shirt", "Apparel"), "2": Product(None, "Apparel"), "10": Product("Bag", None)}
TABLES = ("fraud_windows", "sold_quantity", "top_products", "top_categories")


def sold(*lines: tuple[int, int]) -> str:
    return str([{"product_id": product, "quantity": count, "item_price": 5} for product, count in lines])


def row(at: int, prediction: int = 0, *lines: tuple[int, int]) -> ScoredRow:
    return ScoredRow(T0 + at, prediction, sold(*lines or [(1, 1)]))


def figures(*steps: tuple[list[ScoredRow], int | None], lateness: int = LATENESS) -> dict[str, list[Any]]:
    """All rows of the tables after these steps (rows and the clock after T0); totals travel as JSON."""
    totals = None
    tables: dict[str, list[Any]] = {name: [] for name in TABLES}
    for rows, clock in steps:
        after, found = Figures(PRODUCTS, lateness).advance(
            totals, rows, None if clock is None else T0 + clock
        )
        totals = orjson.loads(orjson.dumps(after))
        for name in TABLES:
            tables[name] += found[name]
    return tables


def starts(rows: list[Any]) -> list[int]:
    return [line[0] // 1_000_000 - T0 for line in rows]


def values(rows: list[Any]) -> list[Any]:
    return [line[2:] for line in rows]


def test_the_tables_have_the_columns_of_the_contract() -> None:
    _, found = Figures(PRODUCTS).advance(None, [row(0)], T0 + 1_000)
    assert set(found) == {table.name for table in PIPELINE.tables} - {"predictions", "rejected"}
    for name, lines in found.items():
        assert lines
        assert {len(line) for line in lines} == {len(PIPELINE.table(name).names)}


def test_before_the_first_scored_row_there_is_no_window() -> None:
    assert figures(([], None), ([], 5_000)) == {name: [] for name in TABLES}


def test_fraud_windows_are_all_that_hold_the_first_to_the_last_row() -> None:
    found = figures(([row(5, 1), row(25)], 1_000))["fraud_windows"]
    assert starts(found) == list(range(-110, 30, 10))
    assert values(found) == [(1, 1)] * 2 + [(1, 2)] * 10 + [(0, 1)] * 2
    assert {line[1] - line[0] for line in found} == {120_000_000}


def test_sold_quantity_leaves_fraud_out_and_shows_empty_windows() -> None:
    rows = [row(0, 0, (1, 2), (2, 3)), row(29, 1, (1, 100)), row(95, 0, (1, 7))]
    found = figures((rows, 1_000))["sold_quantity"]
    assert starts(found) == [0, 30, 60, 90]
    assert values(found) == [(5, 5), (0, 5), (0, 5), (7, 12)]


def test_a_row_on_a_border_belongs_to_the_window_that_starts_there() -> None:
    found = figures(([row(0), row(30, 0, (1, 4))], 1_000))["sold_quantity"]
    assert values(found) == [(1, 1), (4, 5)]


@pytest.mark.parametrize(("clock", "windows"), [(89, 0), (90, 1), (119, 1), (120, 2)])
def test_a_window_is_put_out_once_the_clock_has_passed_its_end_by_the_lateness(
    clock: int, windows: int
) -> None:
    assert len(figures(([row(0), row(45)], clock))["sold_quantity"]) == windows
    later = figures(([row(0), row(45)], clock), ([], clock), ([], 5_000))["sold_quantity"]
    assert starts(later) == [0, 30]


def test_rows_that_arrive_out_of_order_count_in_their_own_window() -> None:
    """A later window's row is there already when the earlier window closes: it is not in its sum so far."""
    found = figures(([row(70, 0, (1, 50))], 70), ([row(15)], 71), ([], 1_000))
    assert values(found["sold_quantity"]) == [(1, 1), (0, 1), (50, 51)]
    assert [line[2:] for line in found["top_products"]] == [(1, "1", "Shirt", 1), (1, "1", "Shirt", 51)]


def test_the_flush_closes_every_window() -> None:
    last = 119
    found = figures(([row(0), row(last)], last), ([], last + PIPELINE.flush_after_s))
    assert starts(found["fraud_windows"])[-1] == 110
    assert starts(found["sold_quantity"]) == [0, 30, 60, 90]
    assert set(starts(found["top_products"])) == {0, 60}


def test_another_run_goes_on_and_fills_the_gap_with_zeros() -> None:
    first = [row(0, 0, (1, 2))], 0
    found = figures(first, ([], 300), ([], 900), ([row(1_000, 1)], 1_000), ([], 1_300))
    fraud = found["fraud_windows"]
    assert starts(fraud) == list(range(-110, 1_010, 10))
    assert set(values(fraud)[12:-12]) == {(0, 0)}
    assert values(found["sold_quantity"]) == [(2, 2)] + [(0, 2)] * 33
    assert found["top_products"][-1][2:] == (1, "1", "Shirt", 2)
    assert len(found["top_products"]) == 17


def test_the_twenty_best_sellers_so_far_with_ties_by_the_products_number() -> None:
    lines = [(product, 2 if product in (9, 10, 100) else 1) for product in range(1, 31)] + [(100, 2)]
    top = figures(([row(0, 0, *lines)], 1_000))["top_products"]
    assert [line[2] for line in top] == list(range(1, 21))
    assert [line[3] for line in top][:5] == ["9", "10", "100", "1", "2"]
    assert [line[3] for line in top][-1] == "19"
    assert top[1][4] == "Bag"
    assert top[2][4] is None


def test_categories_sum_up_products_and_unknown_ones_have_none() -> None:
    found = figures(([row(0, 0, (1, 1), (2, 2), (10, 4), (77, 8))], 1_000))["top_categories"]
    assert values(found) == [("Apparel", 3), (None, 12)]


def test_products_get_their_category_from_the_category_file() -> None:
    found = products_of(
        [
            {"id": "5", "productDisplayName": "Shoe", "category_id": "c"},
            {"id": "6", "productDisplayName": "", "category_id": "none"},
        ],
        [{"category_id": "c", "cat_level1": "Footwear"}],
    )
    assert found == {"5": Product("Shoe", "Footwear"), "6": Product("", None)}


def test_sums_end_at_the_largest_number_that_the_tables_can_hold() -> None:
    most = 2**63 - 1
    found = figures(
        ([row(0, 0, *[(1, most)] * 3), row(31, 0, (1, most))], 40), ([row(32, 0, (2, most))], 1_000)
    )
    assert values(found["sold_quantity"]) == [(most, most), (most, most)]
    assert values(found["top_products"]) == [(1, "1", "Shirt", most), (2, "2", None, most)]
    assert values(found["top_categories"]) == [("Apparel", most)]


def test_the_totals_do_not_grow_with_the_windows_that_are_done() -> None:
    book = Figures(PRODUCTS)
    totals, _ = book.advance(None, [row(at) for at in range(600)], T0 + 600)
    sizes = []
    for start in range(600, 3_000, 600):
        totals, _ = book.advance(totals, [row(at) for at in range(start, start + 600)], T0 + start + 600)
        sizes.append(len(totals["slots"]))
    assert len(set(sizes)) == 1
    assert 0 < sizes[0] <= 24


def test_many_small_steps_give_what_one_large_one_gives() -> None:
    rows = [row(at, at % 3 // 2, (at % 5 + 1, at % 4 + 1)) for at in range(0, 600, 5)]
    steps = [([one], one.ts - T0) for one in rows]
    assert figures(*steps, ([], 1_000)) == figures((rows, 1_000))


def test_advancing_leaves_the_callers_totals_as_they_were() -> None:
    totals, _ = Figures(PRODUCTS).advance(None, [row(0)], T0)
    before = orjson.dumps(totals)
    Figures(PRODUCTS).advance(totals, [row(1)], T0 + 1_000)
    assert orjson.dumps(totals) == before


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[list[ScoredRow], int]]:
    """Steps as a scorer makes them: no row is later than the lateness allows."""
    clock, steps = draw(st.integers(0, 100)), []
    for _ in range(draw(st.integers(1, 6))):
        rows = []
        for _ in range(draw(st.integers(0, 5))):
            clock += draw(st.sampled_from([0, 1, 7, 30, 200]))
            at = clock - draw(st.sampled_from([0, 0, 5, LATENESS]))
            lines = draw(
                st.lists(st.tuples(st.sampled_from([1, 2, 9, 10, 11]), st.integers(1, 3)), max_size=2)
            )
            rows.append(ScoredRow(T0 + at, draw(st.sampled_from([0, 0, 1])), sold(*lines)))
        steps.append((draw(st.permutations(rows)), clock))
    if draw(st.booleans()):
        steps.append(([], clock + PIPELINE.flush_after_s))
    return steps


@settings(max_examples=200)
@given(streams())
def test_the_tables_are_those_of_all_rows_at_once(steps: list[tuple[list[ScoredRow], int]]) -> None:
    rows = [
        (
            one.ts,
            one.prediction,
            [(i["product_id"], i["quantity"]) for i in naive._products(one.product_metadata) or []],
        )
        for one in chain.from_iterable(found for found, _ in steps)
    ]
    expected = naive.figures(rows, T0 + steps[-1][1] - LATENESS, PRODUCTS)
    assert figures(*steps) == expected
