"""Which rows of an id are duplicates once the model had no score for one of them. Pure.

The shards judge duplicates before the model has seen the rows, and take every row that they let pass for
scored. Of an id with a row that has no score their memory is wrong: it is in doubt, and judged here instead,
by the same rule (`streamweir.contracts.messages.RETENTION_S`), until their memory is right again.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

Key = tuple[object, ...]
"""The values of a record's identity (`Pipeline.identity`)."""


SendOrder = tuple[int, int]
"""A row's sequence, and its index in the message: no two rows that are scored have the same."""


class DoubtedRow(NamedTuple):
    """A row of an id in doubt. content: its values. line: its shard's, when that took it for a duplicate."""

    at: SendOrder
    ts: int
    content: tuple[object, ...]
    line: Mapping[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether its shard took it for scored."""
        return self.line is None


@dataclass(frozen=True)
class Doubt:
    """What is true of an id. scored_ts: of its row that was scored, None when none counts as scored.

    last_ts: the largest of its rows since it is in doubt; its shard remembers none that is later.
    """

    last_ts: int
    scored_ts: int | None = None


@dataclass
class Doubts:
    """The ids in doubt, and their rows of a micro-batch, each judged in its turn."""

    retention_s: int
    known: dict[Key, Doubt]

    def __post_init__(self) -> None:
        self._waiting: defaultdict[Key, list[DoubtedRow]] = defaultdict(list)

    @classmethod
    def of(cls, stored: Iterable[Iterable[Any]], retention_s: int) -> "Doubts":
        """From what `stored` gave."""
        found = {tuple(key): Doubt(last_ts, scored_ts) for last_ts, scored_ts, *key in stored}
        return cls(retention_s, found)

    def stored(self, oldest_ts: int) -> list[list[Any]]:
        """The ids as JSON can hold them, as far as rows from `oldest_ts` on can be their duplicates."""
        oldest = oldest_ts - self.retention_s
        return [
            [doubt.last_ts, doubt.scored_ts, *key]
            for key, doubt in sorted(self.known.items())
            if doubt.last_ts >= oldest
        ]

    def wait(self, rows: Iterable[tuple[Key, DoubtedRow]]) -> None:
        """Take rows of ids in doubt, for their turn."""
        for key, row in rows:
            insort(self._waiting[key], row, key=attrgetter("at"))

    def turns(self) -> Iterator[tuple[list[tuple[Key, DoubtedRow]], list[DoubtedRow]]]:
        """Again and again the rows to be tried, one of an id at most, and those that are duplicates.

        What became of those that were tried is told, with `tell`, before the next turn.
        """
        while self._waiting:
            tried, duplicates = list[tuple[Key, DoubtedRow]](), list[DoubtedRow]()
            for key in list(self._waiting):
                row = self._next(key, duplicates)
                if row is None:
                    del self._waiting[key]
                else:
                    tried.append((key, row))
            yield tried, duplicates

    def tell(self, key: Key, row: DoubtedRow, *, scored: bool) -> None:
        """What became of a row that was tried."""
        if scored and row.passed:
            # Its shard remembers the same now.
            self.known.pop(key, None)
        else:
            self._note(key, row, row.ts if scored else None)

    def _next(self, key: Key, duplicates: list[DoubtedRow]) -> DoubtedRow | None:
        """The id's next row that is no duplicate; those before it are added to the duplicates."""
        waiting = self._waiting[key]
        while waiting:
            row = waiting.pop(0)
            if not self._is_duplicate(key, row):
                return row
            duplicates.append(row)
        return None

    def _is_duplicate(self, key: Key, row: DoubtedRow) -> bool:
        doubt = self.known.get(key)
        if doubt is None:
            return not row.passed
        if doubt.scored_ts is None or row.ts - doubt.scored_ts > self.retention_s:
            return False
        self._note(key, row, doubt.scored_ts)
        return True

    def _note(self, key: Key, row: DoubtedRow, scored_ts: int | None) -> None:
        before = self.known.get(key)
        self.known[key] = Doubt(max(before.last_ts, row.ts) if before else row.ts, scored_ts)
