"""The replay of `card_fraud`: a message per transaction, in the order of Time."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from operator import itemgetter, le
from pathlib import Path
from typing import Any

import orjson

from streamweir.contracts.card_fraud import EVENT_TIME, TRANSACTION_ID, TRANSACTIONS_TOPIC
from streamweir.contracts.card_fraud.dataset import CLASS, FILE, NUMBER_NAMES, TIME
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.replay.batches import Batch, Label, Row
from streamweir.replay.csvfile import CsvFile, ordered_by
from streamweir.replay.plan import Options
from streamweir.values import epoch_unit, parse_number, parse_time

BATCH_ROWS = 1

FARTHEST_S = 1e9
"""How far from START_TS a transaction may lie; one beyond has no place of its own on the clock."""
_SECOND = "second"
"""What a row says beside its fields: its place on the clock, as `Clock` found it."""
_MICROSECONDS = 1_000_000
_NUMBERS = re.compile(r"[0-9eE+.,-]*")
_LARGEST_INT = 2**63


class Transactions:
    """The recording of a card dataset; making it reads every Time.

    A transaction without a usable Time goes right behind its predecessor in the file. limit: how many
    transactions to send, None for all. Raises DatasetUnusable when the file cannot be read or has no rows.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._file = CsvFile(folder / FILE, NUMBER_NAMES)
        times = array("d", times_of(self._file))
        self._known = array("d", map(Clock(times).second, times))
        self._times = _filled(self._known)
        if not self._times:
            raise DatasetUnusable(f"{self._file.path} holds no rows")
        self._sorted = all(map(le, self._times, islice(self._times, 1, None)))
        in_order = self._times if self._sorted else array("d", sorted(self._times))
        self.seconds: Sequence[float] = in_order[:limit]

    @property
    def rows(self) -> int:
        """How many transactions are sent."""
        return len(self.seconds)

    @property
    def finding(self) -> None:
        """Nothing: a file that is not sorted by Time is put in order."""

    @property
    def labels(self) -> Sequence[Label]:
        """None: what is to be found stands in the rows."""
        return ()

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """A batch per transaction, from the one with this index on."""
        return islice(self._batches(), first, None)

    def _batches(self) -> Iterator[Batch]:
        names = [name for name in (*NUMBER_NAMES, CLASS.name) if name in self._file.names]
        fields_of = itemgetter(*map(self._file.names.index, names))
        width = len(self._file.names)
        keys = (TRANSACTION_ID.name, _SECOND, *names)
        for index, (number, row) in enumerate(islice(self._in_order(), self.rows)):
            if len(row) < width:
                # A field that a short row lacks is an empty one.
                row += [""] * (width - len(row))
            said = (str(number), repr(self._known[number]), *fields_of(row))
            fields = dict(zip(keys, said, strict=True))
            yield Batch(index, self.seconds[index], {TRANSACTIONS_TOPIC.name: (fields,)})

    def _in_order(self) -> Iterator[tuple[int, list[str]]]:
        """The rows with their numbers in the file, by Time; equal Times stay in the file's order."""
        if self._sorted:
            return enumerate(self._file.rows())
        numbered = ([str(number), *row] for number, row in enumerate(self._file.rows()))
        return ((int(row[0]), row[1:]) for _, row in ordered_by(self._times, numbered))


class Clock:
    """The second that each Time of a file means.

    Where more than half of the numbers are times since the epoch in one unit, those in this unit count from
    the smallest of them, and no other means a second; else all are seconds. unit: as `epoch_unit` says it,
    None for seconds.
    """

    def __init__(self, times: Iterable[float]) -> None:
        counts: Counter[str | None] = Counter()
        smallest: dict[str | None, float] = {}
        for time in times:
            if not math.isnan(time):
                unit = unit_of(time)
                counts[unit] += 1
                smallest[unit] = min(time, smallest.get(unit, time))
        most = max(counts, key=counts.__getitem__, default=None)
        self.unit = most if 2 * counts[most] > counts.total() else None
        self._start = 0 if self.unit is None else parse_time(_plain(smallest[self.unit]))

    def second(self, time: float) -> float:
        """NaN for a Time that is NaN, of another unit, or too far away to have a place of its own."""
        if self.unit is not None:
            known = unit_of(time) == self.unit
            time = (parse_time(_plain(time)) - self._start) / _MICROSECONDS if known else math.nan
        return time if abs(time) <= FARTHEST_S else math.nan


def unit_of(time: float) -> str | None:
    """In which unit a Time is one since the epoch, as `epoch_unit` says it; None for every other number."""
    return epoch_unit(_plain(time))


def times_of(file: CsvFile) -> Iterator[float]:
    """The Time of each transaction, in the file's order; NaN for one that is no number."""
    place = file.names.index(TIME.name)
    for row in file.rows():
        yield _number(row[place]) if place < len(row) else math.nan


def recording(
    folder: Path,
    *,
    batch_rows: int = BATCH_ROWS,
    limit: int | None = None,
    unsorted_ok: bool = False,
    options: Options | None = None,
) -> Transactions:
    """The file as a recording; an unsorted one is put in order, whatever `unsorted_ok` says.

    Raises DatasetUnusable with file, line and column, BadConfiguration for batches of several rows.
    """
    if batch_rows != BATCH_ROWS:
        raise BadConfiguration(f"batch_rows is {batch_rows}: a message of card_fraud holds one transaction")
    return Transactions(folder, limit)


def value(rows: Sequence[Row], ts: int) -> bytes:
    """A transaction as a JSON object: fields that are numbers as numbers, others as the file's text.

    event_time is ts and the rest of the second that Time means; null where Time is no usable number. A flush
    is an empty object.
    """
    if not rows:
        return b"{}"
    fields = dict(rows[0])
    number = int(fields.pop(TRANSACTION_ID.name))
    second = float(fields.pop(_SECOND))
    time = None if math.isnan(second) else _iso(ts, second % 1)
    values: dict[str, Any] = {TRANSACTION_ID.name: number, EVENT_TIME.name: time}
    values.update(_parsed(fields))
    return orjson.dumps(_with_class(values))


def facts(rows: Mapping[str, Sequence[Row]], options: Options) -> dict[str, int]:
    """Nothing is counted per batch but its row."""
    return {}


def _parsed(fields: dict[str, str]) -> Iterable[tuple[str, float | str]]:
    # Twice as fast for a sound transaction as field by field; float alone would also take "1_0" and " 1".
    if _NUMBERS.fullmatch(",".join(fields.values())):
        try:
            numbers = list(map(float, fields.values()))
        except ValueError:
            pass
        else:
            if math.isfinite(sum(numbers)):
                return zip(fields, numbers, strict=True)
    return ((name, _number_or_text(text)) for name, text in fields.items())


def _with_class(values: dict[str, Any]) -> dict[str, Any]:
    label = values.get(CLASS.name)
    # What no 64 bits can hold is left as a number that no class is.
    if isinstance(label, float) and label.is_integer() and abs(label) < _LARGEST_INT:
        values[CLASS.name] = int(label)
    return values


def _number_or_text(text: str) -> float | str:
    try:
        return parse_number(text)
    except ValueError:
        return text


def _plain(number: float) -> str:
    return f"{number:.6f}"


def _number(text: str) -> float:
    try:
        return parse_number(text)
    except ValueError:
        return math.nan


def _filled(times: Iterable[float]) -> "array[float]":
    """The times, with the predecessor's for one that is not known; before the first known one, that one's."""
    filled = array("d")
    for time in times:
        filled.append(filled[-1] if math.isnan(time) and filled else time)
    first = next((time for time in filled if not math.isnan(time)), 0.0)
    return array("d", (first if math.isnan(time) else time for time in filled))


# Transactions of one second follow each other.
@lru_cache(1)
def _iso(ts: int, fraction: float) -> str:
    moment = datetime.fromtimestamp(ts, UTC)
    return (moment + timedelta(seconds=fraction) if fraction else moment).isoformat()
