"""The expectations that the suites are made of, each with a severity and a sentence for people.

A critical one that fails means that the run's result must not be trusted; a warning is for a person to judge.
"""

import html
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from great_expectations import expectations as _expectations
from great_expectations.expectations.expectation import Expectation

from streamweir.contracts.tables import Table
from streamweir.duck import quoted, sorting
from streamweir_quality.inputs import Stored

# Their names are not exported in the way that a strict type checker asks for.
gxe: Any = _expectations

CRITICAL = "critical"
WARNING = "warning"
KEY_AGAIN = "key_again"
SENTENCE = "sentence"
_START, _END = "window_start", "window_end"


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
    if len(columns) == 1:
        return gxe.ExpectColumnValuesToBeUnique(column=columns[0], **_about(CRITICAL, _once(columns)))
    return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(columns), **_about(CRITICAL, _once(columns)))


def unique_key(table: Table) -> Expectation:
    """No two rows have the same key; for a table with the column of `keys_again`."""
    return gxe.ExpectColumnValuesToBeNull(column=KEY_AGAIN, **_about(CRITICAL, _once(table.key)))


def keys_again(file: Path, table: Table) -> pd.Categorical:
    """The keys of rows that share theirs with another row, as text; None for all others.

    Great Expectations takes some 170 bytes a row for a key of two columns; DuckDB sorts on disk.
    """
    key = quoted(table.key)
    with tempfile.TemporaryDirectory(prefix="streamweir-keys-") as folder, sorting(Path(folder)) as sql:
        stored = sql.read_parquet(str(file), file_row_number=True)
        stored.aggregate(f"{key}, count(*) as rows", key).filter("rows > 1").create_view("again")
        found = stored.set_alias("stored").join(sql.view("again"), ",".join(table.key), "semi")
        again = found.select(f"file_row_number, {key}").fetchall()
    texts = [", ".join(map(str, values)) for _, *values in again]
    known = pd.unique(pd.Series(texts, dtype=object))
    column = np.full(pq.read_metadata(file).num_rows, -1)
    column[[row for row, *_ in again]] = pd.Index(known).get_indexer(texts)
    return pd.Categorical.from_codes(column, categories=known)


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


def _once(columns: Sequence[str]) -> str:
    return f"{_and(columns)} {'comes' if len(columns) == 1 else 'come together'} only once"


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)


def with_windows(frame: pd.DataFrame, slide: int, begins: Collection[int] = ()) -> pd.DataFrame:
    """The table with columns in seconds: off_slide, window_length, and step from the window before.

    begins: the starts of windows behind a gap, which are no step away from another.
    """
    start, end = _seconds(frame[_START]), _seconds(frame[_END])
    known = pd.Series(sorted(set(start)), dtype="int64")
    step = dict(zip(known, known.diff().mask(known.isin(begins), slide).fillna(slide), strict=True))
    return frame.assign(off_slide=start % slide, window_length=end - start, step=start.map(step))


def window_checks(length: int, slide: int) -> tuple[Expectation, ...]:
    """Windows begin on their slide, have their length, and follow each other without a gap."""
    return (
        between("off_slide", 0, 0, f"windows begin at whole multiples of {slide} s"),
        between("window_length", length, length, f"windows are {length} s long"),
        between("step", slide, slide, f"a window begins {slide} s after the one before"),
    )


def seconds(frame: pd.DataFrame) -> Iterator[tuple[int, int]]:
    """Start and end of each row's window in seconds since the epoch."""
    return zip(_seconds(frame[_START]).tolist(), _seconds(frame[_END]).tolist(), strict=True)


def _seconds(times: pd.Series) -> pd.Series:
    return times.dt.as_unit("us").astype("int64") // 1_000_000
