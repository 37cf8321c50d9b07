"""The replay of `clickstream_anomaly`: a message for each second of event time that has events."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice, pairwise
from pathlib import Path

from streamweir.contracts.clickstream_anomaly import EVENTS_TOPIC
from streamweir.contracts.clickstream_anomaly.dataset import (
    CLICKSTREAM,
    CLICKSTREAM_COLUMNS,
    INCIDENT_COLUMNS,
    INCIDENTS,
    Event,
    counted_types,
)
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.replay.batches import UNKNOWN, Batch, Label, Row, with_predecessor
from streamweir.replay.csvfile import CsvFile, find, ordered_by
from streamweir.replay.deliveries import list_of_objects
from streamweir.replay.plan import Options
from streamweir.values import parse_time

BATCH_ROWS = 1
PAGE_VIEWS = "page_views"

value = list_of_objects

_TIME = "timestamp"
_MICROSECONDS = 1_000_000


class Seconds:
    """The recording of a clickstream, a batch per second with events; making it reads all times.

    An event whose time cannot be read goes with its predecessor in the file. limit: how many batches to send,
    None for all. Raises DatasetUnusable when the file cannot be read or has no rows.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = folder
        self._file = CsvFile(find(folder, [CLICKSTREAM]), CLICKSTREAM_COLUMNS)
        self._clock = seconds_of(self._file)
        if not self._clock:
            raise DatasetUnusable(f"{self._file.path} holds no rows")
        self._sorted = all(one <= other for one, other in pairwise(self._clock))
        in_order = self._clock if self._sorted else array("q", sorted(self._clock))
        self._first = in_order[0]
        found = [(second - self._first, len(list(events))) for second, events in groupby(in_order)]
        self.seconds: Sequence[int] = [second for second, _ in found[:limit]]
        self.rows = sum(events for _, events in found[:limit])

    @property
    def finding(self) -> None:
        """Nothing: a file that is not sorted by time is put in order."""

    @property
    def labels(self) -> Sequence[Label]:
        """The incidents of incidents.csv; none without that file."""
        if not (self._folder / INCIDENTS).is_file():
            return ()
        file = CsvFile(self._folder / INCIDENTS, INCIDENT_COLUMNS)
        # A short row lacks its last columns, of which a check has found that nobody needs them.
        rows = (dict(zip(file.names, row, strict=False)) for row in file.rows())
        return [Label(row["kind"], self._second(row["start"]), self._second(row["end"])) for row in rows]

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The batches, from the one with this index on."""
        return islice(self._batches(), first, None)

    def _batches(self) -> Iterator[Batch]:
        names, sent = self._file.names, len(self.seconds)
        by_second = groupby(self._in_order(), lambda event: event[0])
        for index, (_, events) in enumerate(islice(by_second, sent)):
            # A short row lacks its last columns, and whoever reads the message sees that.
            rows = [dict(zip(names, row, strict=False)) for _, row in events]
            yield Batch(index, self.seconds[index], {EVENTS_TOPIC.name: rows})

    def _second(self, time: str) -> int:
        """A time's place on the clock that starts with the first event's second."""
        return parse_time(time) // _MICROSECONDS - self._first

    def _in_order(self) -> Iterator[tuple[int, list[str]]]:
        """The events with their seconds, by second; those of one second stay in the file's order."""
        if self._sorted:
            return zip(self._clock, self._file.rows(), strict=True)
        return ordered_by(self._clock, self._file.rows())


def recording(
    folder: Path,
    *,
    batch_rows: int = BATCH_ROWS,
    limit: int | None = None,
    unsorted_ok: bool = False,
    options: Options | None = None,
) -> Seconds:
    """The file as a recording; an unsorted one is put in order, whatever `unsorted_ok` says.

    Raises DatasetUnusable with file, line and column, BadConfiguration for batches of so many rows.
    """
    if batch_rows != BATCH_ROWS:
        raise BadConfiguration(
            f"batch_rows is {batch_rows}: a message of clickstream_anomaly holds the events of a second"
        )
    return Seconds(folder, limit)


def seconds_of(file: CsvFile) -> "array[int]":
    """The second of each event since the epoch, in the file's order; an unreadable one is the neighbour's."""
    known = with_predecessor(array("q", file.times(_TIME)))
    first = next((time for time in known if time != UNKNOWN), 0)
    return array("q", ((first if time == UNKNOWN else time) // _MICROSECONDS for time in known))


def facts(rows: Mapping[str, Sequence[Row]], options: Options) -> dict[str, int]:
    """What is counted per batch."""
    return {PAGE_VIEWS: page_views(rows[EVENTS_TOPIC.name], options)}


def page_views(events: Sequence[Row], options: Options) -> int:
    """How many of the events count as page views."""
    counts_as = counted_types(options.get("event_types"))
    views = [name for name, event in counts_as.items() if event is Event.PAGE_VIEW]
    return sum(event.get("event_type") in views for event in events)
