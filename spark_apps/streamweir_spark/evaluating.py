"""Rows that a model fails on: each is found and set aside, and a stream never ends because of one.

What a model refuses is known beforehand as far as it can be known (`needs`). What is left shows when Spark
evaluates the row: the whole micro-batch fails then, and would fail again for ever.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from streamweir_spark.failures import sentence
from streamweir_spark.numpy_ml.stages import RowRefused

Evaluate = Callable[[pa.Table], pa.Table]
"""Gives one row for each row, in their order. Fails as Spark does, or with RowRefused."""

_FAILURES = (Py4JError, PySparkException, RowRefused)
_BY_VALUES = re.compile(r"SQLSTATE: (?:22\w{3}|39000|P0001)")
"""A data exception, a function that failed on its arguments, and an error that a statement raises itself."""

_TRIED = 16
"""Rows of a micro-batch that are tried alone when no good row is known. Each costs a query, and a model that
fails on all rows fails soon. Where one row in four is good, all that are tried are bad once in a hundred."""


@dataclass(frozen=True)
class Evaluated:
    """What came of some rows. rows: of those that could be evaluated. failed: by place, why not."""

    rows: pa.Table
    failed: dict[int, str]


class RowByRow:
    """Evaluates rows, and finds those that cannot be.

    Only errors that come from the values of a row are looked into; any other is raised as it is. A row is set
    aside when it fails alone, twice, while a row that is known to be good passes.
    evaluations: how many there were; it grows while a search goes on.
    """

    def __init__(self, evaluate: Evaluate) -> None:
        self._function = evaluate
        self._good: pa.Table | None = None
        self.evaluations = 0

    def __call__(self, rows: pa.Table, probes: Iterable[pa.Table] = ()) -> Evaluated:
        """All of the rows. probes: tables of one row, tried as good ones before any is known.

        Raises what Spark raised when no good row passes: the rows are not to blame then.
        """
        try:
            found = self._evaluate(rows)
        except _FAILURES as error:
            if not blames_values(error):
                raise
            good = self._passing([*probes, *_some(rows)])
            if good is None:
                raise
            return self._apart(rows, good)
        if rows.num_rows:
            self._good = rows.take([0])
        return Evaluated(found, {})

    def _evaluate(self, rows: pa.Table) -> pa.Table:
        self.evaluations += 1
        return self._function(rows)

    def _passing(self, candidates: Iterable[pa.Table]) -> pa.Table | None:
        known = [] if self._good is None else [self._good]
        return next((row for row in (*known, *candidates) if self._failure(row) is None), None)

    def _apart(self, rows: pa.Table, good: pa.Table) -> Evaluated:
        failed = {}
        for place in self._failing(rows, range(rows.num_rows)):
            if (why := self._failure(rows.slice(place, 1))) is not None:
                failed[place] = why
        # Without this the evaluation itself may have broken meanwhile.
        self._evaluate(good)
        self._good = good
        kept = pa.array([place not in failed for place in range(rows.num_rows)], pa.bool_())
        return Evaluated(self._evaluate(rows.filter(kept)), failed)

    def _failing(self, rows: pa.Table, places: range) -> Iterator[int]:
        """The places of the rows that fail alone, by halving."""
        if self._failure(rows.slice(places.start, len(places))) is None:
            return
        if len(places) == 1:
            yield places.start
            return
        middle = places.start + len(places) // 2
        yield from self._failing(rows, range(places.start, middle))
        yield from self._failing(rows, range(middle, places.stop))

    def _failure(self, rows: pa.Table) -> str | None:
        """Why these rows cannot be evaluated together; None when they can."""
        try:
            self._evaluate(rows)
        except _FAILURES as error:
            if not blames_values(error):
                raise
            return sentence(str(error))
        return None


def blames_values(error: BaseException) -> bool:
    """Whether evaluating a row's values failed; Spark says so by the SQLSTATE of an error or of a cause."""
    return isinstance(error, RowRefused) or _BY_VALUES.search(str(error)) is not None


def _some(rows: pa.Table) -> Iterator[pa.Table]:
    """Single rows from all over the table, _TRIED at most."""
    step = max(1, -(-rows.num_rows // _TRIED))
    return (rows.take([place]) for place in range(0, rows.num_rows, step))
