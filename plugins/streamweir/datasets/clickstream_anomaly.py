"""What makes a `clickstream_anomaly` dataset usable.

Bad values among the events are no reason to refuse a dataset: they are the bad input that the stream must
stand. The incidents must be sound, because the analysis is measured by them.
"""

from collections.abc import Iterator
from pathlib import Path

from streamweir.contracts.clickstream_anomaly.dataset import (
    CLICKSTREAM,
    CLICKSTREAM_COLUMNS,
    INCIDENT_COLUMNS,
    INCIDENTS,
)
from streamweir.datasets.checks import CheckedFile, Test, check_rows, locate, present, refuse, time_test
from streamweir.replay.batches import UNKNOWN
from streamweir.replay.csvfile import CsvFile, TimeReader
from streamweir.values import parse_time

LONGEST_DAYS = 400
"""How far from the first event another may lie: each window between them is put out, also an empty one."""
_DAY = 24 * 60 * 60 * 1_000_000


def check(folder: Path, *, needs_history: bool) -> list[CheckedFile]:
    """The usable files of the folder; raises DatasetUnusable naming file, line and column.

    There is no history: nothing is trained. The incidents may be missing.
    """
    return [_events(folder), *_incidents(folder)]


class Near:
    """Every time must lie near the first one; what is no time does not count."""

    def __init__(self) -> None:
        self._read, self._first = TimeReader(), UNKNOWN

    def __call__(self, text: str) -> None:
        """Compare a time with the first."""
        time = self._read(text)
        if self._first == UNKNOWN:
            self._first = time
        elif time != UNKNOWN and abs(time - self._first) > LONGEST_DAYS * _DAY:
            raise ValueError(f"{text[:80]!r} is more than {LONGEST_DAYS} days away from the first event")


def _events(folder: Path) -> CheckedFile:
    path = locate(folder, [CLICKSTREAM])
    rows = check_rows(path, CLICKSTREAM_COLUMNS, {})
    file, near = CsvFile(path, CLICKSTREAM_COLUMNS), Near()
    place = file.names.index("timestamp")
    for count, row in enumerate(file.rows(), start=1):
        try:
            near(row[place] if place < len(row) else "")
        except ValueError as error:
            refuse(file, count, "timestamp", str(error))
    return CheckedFile(CLICKSTREAM, path, rows, history=False)


def _incidents(folder: Path) -> Iterator[CheckedFile]:
    if not (folder / INCIDENTS).exists():
        return
    path = locate(folder, [INCIDENTS])
    tests: dict[str, list[Test]] = {"kind": [present], "start": [time_test()], "end": [time_test()]}
    file = CsvFile(path, INCIDENT_COLUMNS)
    # Other than a file of data it may be empty: nothing went wrong.
    rows = 0 if next(file.rows(), None) is None else check_rows(path, INCIDENT_COLUMNS, tests)
    start, end = (file.names.index(name) for name in ("start", "end"))
    for count, row in enumerate(file.rows(), start=1):
        if parse_time(row[start]) >= parse_time(row[end]):
            refuse(file, count, "end", f"{row[end]!r} is not after the start, {row[start]!r}")
    yield CheckedFile(INCIDENTS, path, rows, history=False)
