"""The detections: numbered through the stream, written as a table, and as CSV files of 50 once each."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from streamweir.commits import Commit, Remainder
from streamweir.contracts.formats import stored_format
from streamweir.contracts.merchant_patterns import (
    ACTIONS,
    DETECTIONS,
    FILE_ROWS,
    Pattern,
    detections_folder,
    started_key,
)
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore, to_json
from streamweir.writers.csv_files import CsvFiles
from streamweir.writers.once import Intent
from streamweir_spark.merchant_patterns.domain import ENDED
from streamweir_spark.micro_batch import FinalRows, now_us, stored_schema
from streamweir_spark.outputs import table_of

STARTED_FORMAT = 1
"""Of the object that says when the detector first started."""
_MILLISECOND = 1_000
_DETECTED_AT = "detected_at"


@dataclass
class _Step:
    """A micro-batch. parts: its detections as lines of a file, cut where a run ended; what follows the last
    end is the last part."""

    number: int
    before: Remainder
    parts: list[list[tuple[object, ...]]] = field(default_factory=lambda: [[]])


class Detections:
    """The table of detections and its files; see `streamweir_spark.micro_batch.Results` and `Files`.

    check: may raise, to keep a micro-batch from being written. time_zone: of the times in the files.
    flush_after_s: how long a detection may wait for a full file; None: as long as it takes.
    """

    probes: Sequence[Mapping[str, object]] = ()

    def __init__(
        self,
        store: ObjectStore,
        stream: Stream,
        time_zone: str,
        check: Callable[[], None],
        flush_after_s: int | None = None,
    ) -> None:
        self._started = first_start(store, stream)
        self._intent = Intent(store, stream)
        self._files = CsvFiles(store, detections_folder(stream), DETECTIONS, FILE_ROWS)
        self._zone, self._check = ZoneInfo(time_zone), check
        self._flush_after_s, self._out = flush_after_s, 0
        self._step = _Step(-1, Remainder())

    def score(self, scored: pa.Table) -> pa.Table:
        """Nothing is scored row by row."""
        raise NotImplementedError

    def begin(self, before: Commit) -> None:
        """Begin the micro-batch behind this one."""
        waiting = before.remainder
        self._step = _Step(
            before.batch_id + 1, self._files.without_rest(waiting) if waiting.lines else waiting
        )

    def figures(
        self, totals: Any, scored: pa.Table, max_ts: int | None, closed: Sequence[tuple[object, ...]]
    ) -> tuple[Any, Mapping[str, FinalRows]]:
        """The detections of the micro-batch as rows of the table, with their run and sequence."""
        step = self._step
        number = step.before.first + len(step.before.lines)
        rows: list[tuple[Any, ...]] = []
        detected_at = self._fixed_time(step.number) if any(one != ENDED for one in closed) else 0
        for one in closed:
            if one == ENDED:
                step.parts.append([])
                continue
            run, chunk, pattern, merchant, customer = one
            named = (pattern, ACTIONS[Pattern(str(pattern))], customer, merchant, chunk)
            rows.append((number, self._started, detected_at, *named, run, chunk))
            step.parts[-1].append((number, self._text(self._started), self._text(detected_at), *named))
            number += 1
        return None, {DETECTIONS.name: table_of(rows, stored_schema(DETECTIONS))}

    def write(self) -> Remainder:
        """Write the files of the micro-batch: the full ones, and a rest where a run ended."""
        *ended, last = self._step.parts
        waiting = self._step.before
        for part in ended:
            waiting = self._files.write(waiting, part, self._check, rest=True)
        return self._files.write(waiting, last, self._check)

    def is_due(self, last: Commit) -> bool:
        """Whether the oldest detection that waits was made too long ago."""
        waiting = last.remainder
        if self._flush_after_s is None or not waiting.lines or waiting.first == self._out:
            return False
        oldest = dict(zip(DETECTIONS.names, next(csv.reader(waiting.lines)), strict=True))
        made_at = datetime.fromisoformat(oldest["detectionTime"]).timestamp()
        return now_us() / 1_000_000 - made_at >= self._flush_after_s

    def end(self, last: Commit) -> None:
        """Write the rest; whoever goes on finds the file."""
        waiting = last.remainder
        # The file is there after a stop at the same place, or when a micro-batch that comes again was begun.
        if waiting.lines and self._files.read(waiting.first) is None:
            self._files.write(waiting, (), self._check, rest=True)
        self._out = waiting.first

    def _fixed_time(self, step: int) -> int:
        """When the micro-batch was worked on, as whoever began it has fixed it."""
        known = self._intent.of(step)
        if known is None:
            self._check()
            known = {_DETECTED_AT: _now()}
            self._intent.fix(step, known)
        return int(known[_DETECTED_AT])

    def _text(self, micros: int) -> str:
        return datetime.fromtimestamp(micros / 1_000_000, self._zone).isoformat(timespec="milliseconds")


def first_start(store: ObjectStore, stream: Stream) -> int:
    """When the detector first started on the stream, in microseconds: now, where it never has before."""
    key = started_key(stream)
    store.put_if_absent(key, to_json({"format": STARTED_FORMAT, "started_at": _now()}))
    found = store.get_json(key)
    stored_format(found, STARTED_FORMAT, str(key), "take another stream id")
    return int(found["started_at"])


def _now() -> int:
    """The wall clock in microseconds, as a file shows it: whole milliseconds."""
    return now_us() // _MILLISECOND * _MILLISECOND
