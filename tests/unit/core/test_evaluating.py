"""Rows that Spark fails on: found one by one, set aside only when they alone are to blame."""

from collections.abc import Iterable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py4j.protocol import Py4JError

from streamweir_spark.evaluating import RowByRow, blames_values
from streamweir_spark.numpy_ml.stages import RowRefused

BY_VALUES = (
    "Caused by: java.lang.IllegalArgumentException: no negative values\n[FAILED_EXECUTE_UDF] SQLSTATE: 39000"
)


class Spark:
    """Doubles numbers; fails on bad ones, and with `outage` on all."""

    def __init__(self, bad: Iterable[int] = (), *, passes_after: int | None = None) -> None:
        self.bad, self.passes_after = set(bad), passes_after
        self.outage: str | None = None
        self.calls = 0

    def __call__(self, rows: pa.Table) -> pa.Table:
        self.calls += 1
        if self.outage:
            raise Py4JError(self.outage)
        numbers = rows["n"].to_pylist()
        if self.bad & set(numbers) and (self.passes_after is None or self.calls <= self.passes_after):
            raise Py4JError(BY_VALUES)
        return pa.table({"twice": [2 * number for number in numbers]}, pa.schema([("twice", pa.int64())]))


def table(*numbers: int) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64())})


@given(st.lists(st.integers(0, 40), min_size=2, unique=True), st.sets(st.integers(0, 40)))
def test_exactly_the_failing_rows_are_set_aside_and_the_others_keep_their_order(
    numbers: list[int], bad: set[int]
) -> None:
    found = RowByRow(Spark(bad))(table(*numbers), probes=[table(-1)])
    assert found.rows["twice"].to_pylist() == [2 * number for number in numbers if number not in bad]
    assert [numbers[place] for place in found.failed] == [number for number in numbers if number in bad]
    assert set(found.failed.values()) <= {"java.lang.IllegalArgumentException: no negative values"}


def test_a_row_that_numpy_refuses_is_set_aside_as_well() -> None:
    def evaluate(rows: pa.Table) -> pa.Table:
        if -5 in rows["n"].to_pylist():
            raise RowRefused("stage nb (NaiveBayesModel) takes no negative number")
        return rows

    found = RowByRow(evaluate)(table(1, -5, 2))
    assert found.rows["n"].to_pylist() == [1, 2]
    assert found.failed == {1: "stage nb (NaiveBayesModel) takes no negative number"}


def test_rows_that_all_pass_are_evaluated_once() -> None:
    spark = Spark()
    RowByRow(spark)(table(1, 2, 3))
    assert spark.calls == 1


def test_a_single_row_that_fails_is_held_against_a_probe() -> None:
    found = RowByRow(Spark([1]))(table(1), probes=[table(7)])
    assert (found.rows.num_rows, list(found.failed)) == (0, [0])


def test_a_single_row_that_fails_is_held_against_a_good_row_of_before() -> None:
    row_by_row = RowByRow(Spark([1]))
    row_by_row(table(5))
    assert list(row_by_row(table(1)).failed) == [0]


def test_without_a_good_row_that_passes_the_rows_are_not_to_blame() -> None:
    with pytest.raises(Py4JError, match="no negative values"):
        RowByRow(Spark([1, 7]))(table(1), probes=[table(7)])


def test_a_good_row_is_looked_for_all_over_the_rows() -> None:
    bad = {0, 1, 50, 98, 99, *range(20, 40)}
    spark = Spark(bad)
    row_by_row = RowByRow(spark)
    found = row_by_row(table(*range(100)))
    assert set(found.failed) == bad
    # What a status can show while a search goes on.
    assert row_by_row.evaluations == spark.calls > len(bad)


@pytest.mark.parametrize("rows", [1, 16, 17, 31, 1000])
def test_a_model_that_fails_on_every_row_is_given_up_after_a_few(rows: int) -> None:
    spark = Spark(range(rows))
    with pytest.raises(Py4JError, match="no negative values"):
        RowByRow(spark)(table(*range(rows)))
    # All together, and then single ones.
    assert 1 + min(rows, 8) <= spark.calls <= 1 + 16


def test_a_row_that_passes_at_its_second_try_alone_is_kept() -> None:
    # All together, a good row, all again by halving, the row alone: four failures, and then it passes.
    found = RowByRow(Spark([1], passes_after=5))(table(2, 1))
    assert (found.rows["twice"].to_pylist(), found.failed) == ([4, 2], {})


@pytest.mark.parametrize(
    "outage", ["java.net.ConnectException: Connection refused", "java.lang.OutOfMemoryError: Java heap space"]
)
def test_what_no_row_is_to_blame_for_is_raised_at_once(outage: str) -> None:
    spark = Spark([1])
    spark.outage = outage
    with pytest.raises(Py4JError, match=outage[:20]):
        RowByRow(spark)(table(1, 2), probes=[table(7)])
    assert spark.calls == 1


def test_an_outage_in_the_middle_of_the_search_blames_no_row() -> None:
    class Breaking(Spark):
        def __call__(self, rows: pa.Table) -> pa.Table:
            self.outage = "java.io.IOException: away" if self.calls == 4 else None
            return super().__call__(rows)

    with pytest.raises(Py4JError, match="away"):
        RowByRow(Breaking([1]))(table(2, 1, 3))


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ("[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012", True),
        ("[USER_RAISED_EXCEPTION] Unseen value 7 in feature n. SQLSTATE: P0001", True),
        ("[FAILED_EXECUTE_UDF] User defined function ... SQLSTATE: 39000", True),
        ("[INTERNAL_ERROR] ... SQLSTATE: XX000", False),
        ("Job aborted due to stage failure: ExecutorLostFailure", False),
    ],
)
def test_sparks_own_states_tell_whose_fault_it_is(text: str, blamed: bool) -> None:
    assert blames_values(Py4JError(text)) is blamed
