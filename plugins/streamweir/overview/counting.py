"""What a run's scorer has done so far: counted from its commit records, some at each look."""

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow.compute as pc

from streamweir import commits
from streamweir.arrow import from_parquet
from streamweir.commits import READERS, Commit
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore

AT_ONCE = 100
"""How many micro-batches a look counts, at most."""


class Counted:
    """The micro-batches of a run in one stage, as far as they were counted; safe to use from several threads.

    rows: records that they worked on. rejected: of these, by reason. whole: whether all of them are counted;
    a page that is opened late in a long run counts some at each look, the newest first. gone: whether some
    cannot be counted any more: the run was reconciled and they were put together.
    """

    def __init__(self, run: Run, first_sequence: int) -> None:
        self._run, self._first_sequence = run, first_sequence
        self._lock = threading.Lock()
        self._newer: int | None = None
        self._older = -1
        self.rows = 0
        self.rejected: Counter[str] = Counter()
        self.whole = self.gone = False

    def look(self, objects: ObjectStore, last: int) -> None:
        """Count what is new up to micro-batch `last`, then what is old and not counted yet."""
        with self._lock:
            if self._newer is None:
                self._newer, self._older = last + 1, last
            newer = range(self._newer, min(last + 1, self._newer + AT_ONCE))
            self._add(objects, newer)
            self._newer = max(newer.stop, self._newer)
            older = range(self._older, max(self._older - AT_ONCE + len(newer), -1), -1)
            self._older = older.stop if self._add(objects, older) else -1
            self.whole = self._older < 0 and self._newer > last and not self.gone

    def _add(self, objects: ObjectStore, ids: Iterable[int]) -> bool:
        """Count these, up to the first that is not the run's; returns whether all of them are."""
        with ThreadPoolExecutor(READERS) as pool:
            for commit in pool.map(partial(commits.read, objects, self._run.stream), ids):
                if commit is None:
                    self.gone = True
                    return False
                if commit.next_sequence <= self._first_sequence:
                    return False
                self.rows += commit.rows
                self.rejected.update(self._rejected(objects, commit))
        return True

    def _rejected(self, objects: ObjectStore, commit: Commit) -> Counter[str]:
        """The run's rejected records of a micro-batch, by reason."""
        if commit.files is not None and REJECTED.name not in commit.files:
            return Counter()
        data = objects.get(self._run.stream.table_file(REJECTED.name, commit.batch_id))
        if data is None:
            return Counter()
        table = from_parquet(data)
        sums = (
            table.filter(pc.equal(table["run"], self._run.id)).group_by("reason").aggregate([("rows", "sum")])
        )
        return Counter(dict(zip(sums["reason"].to_pylist(), sums["rows_sum"].to_pylist(), strict=True)))
