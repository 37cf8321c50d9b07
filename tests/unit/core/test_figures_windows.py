"""The shop's figures: every window once, exact in event time, whatever the micro-batches are."""

from collections.abc import Iterable
from itertools import chain, pairwise
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
Step = tuple[list[ScoredRow], int | None, *tuple[int, ...]]
TABLES = ("fraud_windows", "sold_quantity", "top_products", "top_categories")


def sold(*lines: tuple[int, int]) -> str:
    return str([{"product_id": product, "quantity": count, "item_price": 5} for product, count in lines])


def row(at: int, prediction: int = 0, *lines: tuple[int, int]) -> ScoredRow:
    return ScoredRow(T0 + at, prediction, sold(*lines or [(1, 1)]))


def figures(*steps: Step, lateness: int = LATENESS) -> dict[str, list[Any]]:
    """All rows of the tables after these steps: rows, the clock after T0, and the ends, if there are any.

    Totals travel as JSON.
    """
    totals = None
    tables: dict[str, list[Any]] = {name: [] for name in TABLES}
    for rows, clock, *ends in steps:
        after, found = Figures(PRODUCTS, lateness).advance(
            totals, rows, None if clock is None else T0 + clock, [T0 + end for end in ends]
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


@pytest.mark.parametrize("apart", [4_980, 60 * 86_400])
def test_no_window_lies_between_two_runs_and_sums_go_on(apart: int) -> None:
    first, second = [row(0, 0, (1, 2)), row(59)], [row(apart, 1), row(apart + 60, 0, (1, 4))]
    end, last = 59 + PIPELINE.flush_after_s, apart + 60 + PIPELINE.flush_after_s
    one_by_one = figures((first, 59), ([], end, end), (second, apart + 60), ([], last, last))
    assert one_by_one == figures((first + second, last, end, last))
    assert starts(one_by_one["fraud_windows"]) == [*range(-110, 60, 10), *range(apart - 110, apart + 70, 10)]
    assert starts(one_by_one["sold_quantity"]) == [0, 30, apart, apart + 30, apart + 60]
    assert values(one_by_one["sold_quantity"]) == [(2, 2), (1, 3), (0, 3), (0, 3), (4, 7)]
    assert starts(one_by_one["top_products"]) == [0, apart, apart + 60]
    assert values(one_by_one["top_products"]) == [(1, "1", "Shirt", sold) for sold in (3, 3, 7)]


def test_a_run_of_which_nothing_was_scored_fills_no_gap_either() -> None:
    far = 60 * 86_400
    steps = ([row(0)], 0), ([], 300, 300), ([], far, far), ([row(far + 1)], far + 1), ([], far + 301)
    found = figures(*steps)
    assert starts(found["sold_quantity"]) == [0, far]
    assert found == figures(([row(0), row(far + 1)], far + 301, 300, far))


def test_a_window_that_holds_the_end_of_a_run_and_the_next_one_counts_both_once() -> None:
    steps = ([row(0), row(25)], 25), ([], 30, 30), ([row(31), row(65, 1)], 65), ([], 400, 400)
    found = figures(*steps)
    fraud = dict(zip(starts(found["fraud_windows"]), values(found["fraud_windows"]), strict=True))
    assert list(fraud) == list(range(-110, 70, 10))
    assert (fraud[-90], fraud[-80], fraud[-50], fraud[20], fraud[30]) == (
        (0, 2),
        (0, 3),
        (1, 4),
        (1, 3),
        (1, 2),
    )
    assert values(found["sold_quantity"]) == [(2, 2), (1, 3), (0, 3)]
    assert values(found["top_products"]) == [(1, "1", "Shirt", 3), (1, "1", "Shirt", 3)]


def test_totals_of_before_ends_were_known_fill_no_gap_once_all_their_windows_are_out() -> None:
    def old(totals: Any) -> Any:
        ((_, first, last),) = totals.pop("stretches")
        return totals | {"first": first, "last": last}

    book = Figures(PRODUCTS)
    open_totals, _ = book.advance(None, [row(0), row(45)], T0 + 45)
    done_totals, _ = book.advance(open_totals, [], T0 + 400)
    _, found = book.advance(old(open_totals), [row(61)], T0 + 400)
    assert starts(found["sold_quantity"]) == [0, 30, 60]
    _, found = book.advance(old(done_totals), [row(90_000)], T0 + 90_400)
    assert starts(found["sold_quantity"]) == [90_000]
    assert values(found["sold_quantity"]) == [(1, 3)]


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
        rows = [row(at) for at in range(start, start + 600)]
        totals, _ = book.advance(totals, rows, T0 + start + 600, [T0 + start - 1])
        sizes.append(len(totals["slots"]) + len(totals["stretches"]))
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
def streams(draw: st.DrawFn, clock: int) -> list[Step]:
    """Steps as a scorer makes them, of one run: no row is later than the lateness allows."""
    clock, steps = clock + draw(st.integers(0, 100)), []
    begin = clock
    for _ in range(draw(st.integers(1, 6))):
        rows = []
        for _ in range(draw(st.integers(0, 5))):
            clock += draw(st.sampled_from([0, 1, 7, 30, 200]))
            at = max(begin, clock - draw(st.sampled_from([0, 0, 5, LATENESS])))
            lines = draw(
                st.lists(st.tuples(st.sampled_from([1, 2, 9, 10, 11]), st.integers(1, 3)), max_size=2)
            )
            rows.append(ScoredRow(T0 + at, draw(st.sampled_from([0, 0, 1])), sold(*lines)))
        steps.append((draw(st.permutations(rows)), clock))
    return steps


@settings(max_examples=200)
@given(streams(0))
def test_the_tables_are_those_of_all_rows_at_once(steps: list[Step]) -> None:
    clock = steps[-1][1]
    assert clock is not None
    assert figures(*steps) == naive.figures(naive_rows(steps), T0 + clock - LATENESS, PRODUCTS)


def naive_rows(steps: Iterable[Step]) -> list[tuple[int, int, list]]:
    return [
        (
            one.ts,
            one.prediction,
            [(i["product_id"], i["quantity"]) for i in naive._products(one.product_metadata) or []],
        )
        for one in chain.from_iterable(step[0] for step in steps)
    ]


@settings(max_examples=100)
@given(st.data(), st.lists(st.sampled_from([1, 30, 250]), min_size=1, max_size=4))
def test_the_tables_of_runs_are_those_of_each_alone_but_for_what_was_sold_before(
    data: st.DataObject, gaps: list[int]
) -> None:
    """Whatever the micro-batches are: each may hold several runs and their ends."""
    steps: list[Step] = []
    expected: dict[str, list[Any]] = {name: [] for name in TABLES}
    clock = 0
    for gap in gaps:
        begin, known = clock + gap, naive_rows(steps)
        own = data.draw(streams(begin))
        last = own[-1][1] or 0
        clock = last + PIPELINE.flush_after_s
        steps += [*own, ([], clock, clock)]
        found = naive.figures(known + naive_rows(own), T0 + clock - LATENESS, PRODUCTS)
        ts = [row[0] for row in naive_rows(own)]
        for name in TABLES if ts else ():
            meets = range(min(ts) * 1_000_000, max(ts) * 1_000_000 + 1)
            expected[name] += [line for line in found[name] if line[0] < meets.stop and line[1] > meets.start]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(steps)))) | {0, len(steps)})
    together = [joined(steps[a:b]) for a, b in pairwise(cuts)]
    assert figures(*together) == expected


def joined(steps: list[Step]) -> Step:
    """Several steps as one."""
    ends = chain.from_iterable(step[2:] for step in steps)
    return (list(chain.from_iterable(step[0] for step in steps)), steps[-1][1], *ends)
