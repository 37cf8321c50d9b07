"""What makes a `clickstream_anomaly` dataset usable.

Bad values among the events are no reason to refuse a dataset: they are the bad input that the stream must
stand. The incidents must be sound, because the analysis is measured by them.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from streamweir.contracts.clickstream_anomaly.dataset import (
    CLICKSTREAM,
    CLICKSTREAM_COLUMNS,
    CLICKSTREAM_KEY,
    INCIDENT_COLUMNS,
    INCIDENTS,
    Event,
    counted_types,
)
from streamweir.datasets.checks import (
    CheckedFile,
    Test,
    Wishes,
    check_rows,
    given,
    locate,
    present,
    refuse,
)
from streamweir.datasets.dataset import Findings
from streamweir.datasets.sampling import OneUnit, check_live
from streamweir.replay.csvfile import CsvFile
from streamweir.times import TimeReader
from streamweir.values import parse_time

LONGEST_DAYS = 400
"""How far from the first event another may lie: each window between them is put out, also an empty one."""
_DAY = 24 * 60 * 60 * 1_000_000
_MOST_TYPES = 1_000
_SHOWN = 12
_TIME = "timestamp"


def check(folder: Path, *, needs_history: bool) -> list[CheckedFile]:
    """The usable files of the folder; raises DatasetUnusable naming file, line and column.

    There is no history: nothing is trained. The incidents may be missing.
    """
    return [_events(folder), *_incidents(folder)]


class Near:
    """Every time must lie near the first one; what is no time does not count."""

    def __init__(self) -> None:
        self._read = TimeReader()
        self._first: int | None = None

    def __call__(self, text: str) -> None:
        """Compare a time with the first."""
        try:
            time = self._read(text)
        except ValueError:
            return
        if self._first is None:
            self._first = time
        elif abs(time - self._first) > LONGEST_DAYS * _DAY:
            raise ValueError(f"{text[:80]!r} is more than {LONGEST_DAYS} days away from the first event")


class EventTypes:
    """How many events there are of each type."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, text: str) -> None:
        """Count an event; never refuses one. Of a column of names without end the first ones are enough."""
        if text in self.counts or len(self.counts) < _MOST_TYPES:
            self.counts[text] += 1


def judge(found: Findings, wishes: Wishes) -> list[str]:
    """A warning of the types that the figures count and that never come."""
    counts_as = counted_types(wishes.event_types)
    met = {counts_as.get(name) for name in found.event_types}
    missing = [event.value for event in Event if event not in met]
    if not (found.event_types and missing):
        return []
    most = Counter(found.event_types).most_common(_SHOWN)
    shown = ", ".join(f"{name[:80]!r} ({count:,})" for name, count in most)
    return [
        f"column event_type: no event is a {' or '.join(missing)}; found: {shown}. Where one of these means "
        "the same, say so like this: event_types=view:page_view,cart:checkout_start"
    ]


def _events(folder: Path) -> CheckedFile:
    path = locate(folder, [CLICKSTREAM])
    file, types = CsvFile(path, CLICKSTREAM_COLUMNS), EventTypes()
    watched: dict[str, list[Test]] = {_TIME: [OneUnit(file), Near()], "event_type": [types]}
    rows, warnings = check_live(file, _parsed(), watched)
    # A plain dict: `asdict` would make a counter of the pairs of a Counter.
    findings = Findings(warnings, event_types=dict(types.counts))
    return CheckedFile(CLICKSTREAM, path, rows, history=False, findings=findings)


def _parsed() -> dict[str, list[Test]]:
    """What the stream reads of an event."""
    return {name: [TimeReader() if name == _TIME else given] for name in CLICKSTREAM_KEY}


def _incidents(folder: Path) -> Iterator[CheckedFile]:
    if not (folder / INCIDENTS).exists():
        return
    path = locate(folder, [INCIDENTS])
    file = CsvFile(path, INCIDENT_COLUMNS)
    times: dict[str, list[Test]] = {name: [TimeReader(), OneUnit(file)] for name in ("start", "end")}
    # Other than a file of data it may be empty: nothing went wrong.
    rows = 0 if next(file.rows(), None) is None else check_rows(file, times | {"kind": [present]})
    start, end = (file.names.index(name) for name in ("start", "end"))
    for count, row in enumerate(file.rows(), start=1):
        if parse_time(row[start]) >= parse_time(row[end]):
            refuse(file, count, "end", f"{row[end]!r} is not after the start, {row[start]!r}")
    yield CheckedFile(INCIDENTS, path, rows, history=False)
