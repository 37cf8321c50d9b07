"""Trying a live file's values before a run: what share of each column the stream will be able to read."""

from collections.abc import Iterable, Mapping, Sequence

from streamweir.datasets.checks import Test, refuse, require_rows
from streamweir.replay.csvfile import CsvFile
from streamweir.values import epoch_unit

ALL_UP_TO = 100_000
"""Of so many rows each is tried, and of those after them ..."""
THEN_EVERY = 100
"""... each so-and-so-many-th."""

UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
"""The units of times since the epoch, in words."""


class Values:
    """The values of a column that were tried: how many, how many cannot be read, and the first of these."""

    def __init__(self, place: int, tests: Iterable[Test]) -> None:
        self._place, self._tests = place, tuple(tests)
        self.tried = self.unread = 0
        self.first: tuple[int, str] | None = None

    def try_one(self, count: int, row: Sequence[str]) -> None:
        """Try the value of the row that is the `count`-th of the file."""
        self.tried += 1
        try:
            if self._place >= len(row):
                raise ValueError("the row is too short")
            for test in self._tests:
                test(row[self._place])
        except ValueError as error:
            self.unread += 1
            self.first = self.first or (count, str(error))


def check_live(
    file: CsvFile, parsed: Mapping[str, Iterable[Test]], watched: Mapping[str, Iterable[Test]]
) -> tuple[int, tuple[str, ...]]:
    """Count the rows of a live file and try its values; returns the rows and a warning for each bad column.

    parsed: by column, what the stream does with a value; it raises ValueError for one that makes the stream
    reject the row. watched: the same for what no row at all may have; empty where a row is too short. Raises
    DatasetUnusable with file, line and column: no rows, a row that is too large to be sent, a watched value,
    a column of which no value can be read.
    """
    columns = {name: Values(file.names.index(name), tests) for name, tests in parsed.items()}
    watches = [(name, file.names.index(name), tuple(tests)) for name, tests in watched.items()]
    count = 0
    for count, row in enumerate(file.rows(), start=1):
        file.check_size(count - 1, row)
        if count <= ALL_UP_TO or count % THEN_EVERY == 0:
            for values in columns.values():
                values.try_one(count, row)
        for name, place, tests in watches:
            try:
                for test in tests:
                    test(row[place] if place < len(row) else "")
            except ValueError as error:
                refuse(file, count, name, str(error))
    require_rows(file, count)
    return count, tuple(_warnings(file, columns))


class OneUnit:
    """A time column holds times since the epoch in one unit; what is no such time does not count."""

    def __init__(self, file: CsvFile) -> None:
        self._file, self._count = file, 0
        self._first: tuple[str, int] | None = None

    def __call__(self, text: str) -> None:
        """Compare the unit of the next row's time with the first one; raises ValueError that names both."""
        self._count += 1
        # Most times are of the calendar, and those have a colon.
        unit = None if ":" in text else epoch_unit(text)
        if unit is None:
            return
        if self._first is None:
            self._first = unit, self._count
        elif unit != self._first[0]:
            first, count = self._first
            raise ValueError(
                f"{text[:80]!r} is in {UNITS[unit]} since the epoch, but line "
                f"{self._file.line_of(count - 1)} is in {UNITS[first]}; write all in one unit"
            )


def _warnings(file: CsvFile, columns: Mapping[str, Values]) -> Iterable[str]:
    for name, values in columns.items():
        if values.first is None:
            continue
        count, problem = values.first
        share = (
            f"{values.unread:,} of {values.tried:,} values that were tried "
            f"({100 * values.unread / values.tried:.3g} %) cannot be read"
        )
        if values.unread == values.tried:
            refuse(file, count, name, f"{problem}; {share}, so that no row could be used: mend the column")
        line = file.line_of(count - 1)
        yield f"line {line}, column {name}: {problem}; {share}: such rows will be rejected"
