"""What a run's scorer raises: the newest alerts, and how many each of the newest micro-batches has."""

import io
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamweir import commits
from streamweir.commits import READERS, Commit
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore

AT_ONCE = 20
"""How many micro-batches a look reads, at most."""
REMEMBERED = 120
"""Of so many micro-batches, the newest, it is known what they raised."""
SHOWN = 10
"""How many alerts are shown."""
_RUN = "run"


@dataclass(frozen=True)
class Kind:
    """What a pipeline raises: rows of a table, where `where` is true or 1; all where it is None.

    columns: those that are shown of an alert.
    """

    stage: str
    table: str
    where: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Raised:
    """What a micro-batch raised. ts: the virtual clock after it, Unix seconds. newest: its last alerts."""

    ts: int
    alerts: int
    newest: Sequence[Mapping[str, Any]] = ()


def kind_of(word: str) -> Kind:
    """What the pipeline raises: what its scores call fraud, else the rows that a topic of its own repeats."""
    pipeline = pipeline_of(word)
    found = ((stage, topic) for stage in pipeline.stages for topic in stage.writes if topic.table != REJECTED)
    stage, topic = next(found)
    if (scores := pipeline.scores) and topic.table.name == pipeline.scored_table:
        columns = topic.columns or (*topic.table.key, scores.probability)
        return Kind(stage.name, topic.table.name, scores.called, columns)
    return Kind(stage.name, topic.table.name, topic.where, topic.fields)


class Alerts:
    """What the newest micro-batches of a run raised; safe to use from several threads.

    A look reads those that are not known yet, the newest first, at most `AT_ONCE`.
    """

    def __init__(self, run: Run, first_sequence: int) -> None:
        self.kind = kind_of(run.stream.pipeline)
        self._run, self._first_sequence = run.of_stage(self.kind.stage), first_sequence
        self._lock = threading.Lock()
        self._known: dict[int, Raised] = {}
        self._from = 0

    def look(self, objects: ObjectStore, last: int) -> None:
        """Read of the micro-batches up to `last` some that are not known."""
        with self._lock:
            wanted = range(last, max(last - REMEMBERED, self._from - 1), -1)
            ids = [each for each in wanted if each not in self._known][:AT_ONCE]
            with ThreadPoolExecutor(READERS) as pool:
                for at, found in zip(ids, pool.map(partial(self._read, objects), ids), strict=True):
                    if found is None:
                        # Another run's, or put together with others: so is what lies before it.
                        self._from = at + 1
                        break
                    self._known[at] = found
            self._known = {at: self._known[at] for at in sorted(self._known) if at > last - REMEMBERED}

    @property
    def batches(self) -> Sequence[Raised]:
        """What is known, the oldest first."""
        return list(self._known.values())

    @property
    def newest(self) -> list[Mapping[str, Any]]:
        """The newest alerts, the last first."""
        newest_first = (row for each in reversed(self.batches) for row in reversed(each.newest))
        return [row for row, _ in zip(newest_first, range(SHOWN), strict=False)]

    def _read(self, objects: ObjectStore, batch_id: int) -> Raised | None:
        commit = commits.read(objects, self._run.stream, batch_id)
        if commit is None or commit.next_sequence <= self._first_sequence:
            return None
        rows = self._rows(objects, commit)
        ts = commit.max_ts or 0
        if rows is None:
            return Raised(ts, 0)
        last = rows.slice(max(rows.num_rows - SHOWN, 0))
        return Raised(ts, rows.num_rows, last.select(self.kind.columns).to_pylist())

    def _rows(self, objects: ObjectStore, commit: Commit) -> pa.Table | None:
        """The rows that the micro-batch raised for the run; None where it wrote nothing of the table."""
        kind = self.kind
        if commit.files is not None and kind.table not in commit.files:
            return None
        data = objects.get(self._run.stream.table_file(kind.table, commit.batch_id))
        if data is None:
            return None
        file = pq.ParquetFile(io.BytesIO(data))
        # Only tables that outlive a run's scoring say whose a row is.
        own = _RUN in file.schema_arrow.names
        asked = {*kind.columns, *([kind.where] if kind.where else []), *([_RUN] if own else [])}
        rows = file.read(columns=sorted(asked))
        if own:
            rows = rows.filter(pc.equal(rows[_RUN], self._run.id))
        return rows.filter(pc.equal(rows[kind.where].cast(pa.int64()), 1)) if kind.where else rows
