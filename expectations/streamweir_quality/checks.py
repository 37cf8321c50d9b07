"""The expectations that the suites are made of, each with a severity and a sentence for people.

A critical one that fails means that the run's result must not be trusted; a warning is for a person to judge.
"""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from great_expectations import expectations as _expectations
from great_expectations.expectations.expectation import Expectation

from streamweir_quality.inputs import Stored

# Their names are not exported in the way that a strict type checker asks for.
gxe: Any = _expectations

CRITICAL = "critical"
WARNING = "warning"
SENTENCE = "sentence"


@dataclass(frozen=True)
class Subject:
    """A frame and what is expected of it. suite: its name; table: what a reader calls the data.

    A stored table may have millions of rows: it is checked with a few expectations at a time.
    """

    suite: str
    table: str
    frame: pd.DataFrame | Stored
    expectations: tuple[Expectation, ...]


def unique(*columns: str) -> Expectation:
    """No two rows have the same values in these columns."""
    sentence = f"{_and(columns)} {'comes' if len(columns) == 1 else 'come together'} only once"
    if len(columns) == 1:
        return gxe.ExpectColumnValuesToBeUnique(column=columns[0], **_about(CRITICAL, sentence))
    return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(columns), **_about(CRITICAL, sentence))


def present(column: str) -> Expectation:
    """No value is missing."""
    return gxe.ExpectColumnValuesToNotBeNull(column=column, **_about(CRITICAL, f"{column} is never empty"))


def mostly_present(column: str, share: float) -> Expectation:
    """At least this share of the values is there; a warning."""
    sentence = f"{column} is given in at least {share:.0%} of the rows"
    return gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=share, **_about(WARNING, sentence))


def one_of(column: str, values: Iterable[Any], sentence: str, severity: str = CRITICAL) -> Expectation:
    """Every value that is there is one of these."""
    return gxe.ExpectColumnValuesToBeInSet(
        column=column, value_set=list(values), **_about(severity, sentence)
    )


def between(
    column: str, low: float, high: float | None, sentence: str, severity: str = CRITICAL
) -> Expectation:
    """Every value that is there lies between two bounds, both included; None: no bound."""
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, **_about(severity, sentence)
    )


def equal(left: str, right: str, sentence: str, severity: str = CRITICAL) -> Expectation:
    """Two columns are equal in every row; both missing is equal too."""
    return gxe.ExpectColumnPairValuesToBeEqual(
        column_A=left, column_B=right, ignore_row_if="both_values_are_missing", **_about(severity, sentence)
    )


def all_equal(difference: str, sentence: str) -> Expectation:
    """No row has a difference; the column says how one differs."""
    return gxe.ExpectColumnValuesToBeNull(column=difference, **_about(CRITICAL, sentence))


def rows(count: int, sentence: str) -> Expectation:
    """The table has exactly so many rows."""
    return gxe.ExpectTableRowCountToEqual(value=count, **_about(CRITICAL, sentence))


def sum_is(column: str, total: int, sentence: str) -> Expectation:
    """The sum of a column is exactly this."""
    return gxe.ExpectColumnSumToBeBetween(
        column=column, min_value=total, max_value=total, **_about(CRITICAL, sentence)
    )


def mean_between(column: str, low: float, high: float, sentence: str) -> Expectation:
    """The mean of a column lies in a range; a warning."""
    return gxe.ExpectColumnMeanToBeBetween(
        column=column, min_value=low, max_value=high, **_about(WARNING, sentence)
    )


def _about(severity: str, sentence: str) -> dict[str, Any]:
    """The sentence as description, which Great Expectations takes for a template and for HTML."""
    description = html.escape(sentence).replace("$", "$$")
    return {"severity": severity, "description": description, "meta": {SENTENCE: sentence}}


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)
