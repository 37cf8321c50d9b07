"""The judge of the drills: what it calls different."""

from collections import Counter

import pytest

from tests.drills.compare import Outcome, differences

EXPECTED = Outcome({"table a": Counter({"row 1": 2, "row 2": 1}), "ledger": Counter({"total": 1})}, 0)


def test_equal_outcomes_differ_in_nothing() -> None:
    assert differences(EXPECTED, Outcome(dict(EXPECTED.rows), 0)) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"row 1": 1, "row 2": 1}, ["table a lacks 1 rows, such as row 1"]),
        ({"row 1": 3, "row 2": 1}, ["table a has besides 1 rows, such as row 1"]),
        (
            {"row 1": 2, "row 3": 1},
            ["table a lacks 1 rows, such as row 2", "table a has besides 1 rows, such as row 3"],
        ),
    ],
)
def test_what_is_lost_doubled_or_changed_is_named(rows: dict[str, int], said: list[str]) -> None:
    assert differences(EXPECTED, Outcome({**EXPECTED.rows, "table a": Counter(rows)}, 0)) == said


def test_a_table_that_is_not_there_is_named() -> None:
    found = Outcome({"ledger": EXPECTED.rows["ledger"]}, 0)
    assert differences(EXPECTED, found) == ["table a lacks 3 rows, such as row 1"]


def test_unexplained_rows_are_a_difference() -> None:
    assert differences(EXPECTED, Outcome(EXPECTED.rows, 2)) == ["2 rows are unexplained"]
