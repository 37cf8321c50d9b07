"""What a shard remembers of a stream's sessions: browsing rows within reach."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streamweir.contracts.ecommerce_fraud import EVENT_LEVELS
from streamweir.values import identifiers
from streamweir_spark.columnar import Ints
from streamweir_spark.ecommerce_fraud.reader import BROWSED

_LEVELS = 4
"""Level 0 is that of an event type which is not known."""
_PAIRS = 1_000_000
"""A transaction and a row of its session: so many are looked at in one go, that is, in some 50 MB."""
_NAMES = pa.schema([("session", pa.string())])

_Column = npt.NDArray[np.signedinteger[Any]]
State = tuple[bytes, tuple[bytes, ...]]


class Rows(NamedTuple):
    """Browsing rows by column. session: which of the names. time: microseconds.

    turn: of the message among those of this micro-batch, before which no transaction sees the row.
    """

    session: _Column
    ts: _Column
    time: _Column
    level: _Column
    turn: _Column

    def of(self, which: npt.NDArray[np.generic]) -> "Rows":
        """Those of these numbers, or for which it is true."""
        return Rows._make(column[which] for column in self)


class Asked(NamedTuple):
    """Transactions by column: their session, and which of its browsing rows each sees.

    Those with a ts from `earliest` to `ts`, not after `created` (microseconds), of no later message (`turn`).
    """

    session: Sequence[str]
    earliest: Ints
    ts: Ints
    created: Ints
    turn: Ints


class Visits(NamedTuple):
    """What transactions see: browsing rows by transaction and level, and the first and last event time among
    them in microseconds, which say nothing without rows."""

    levels: Ints
    first: Ints
    last: Ints


class Memory:
    """Browsing rows within reach.

    The state is written in every micro-batch and holds far more rows than a micro-batch brings:
    so it is a few long byte strings, not many small objects.
    """

    def __init__(self, state: State | None = None) -> None:
        names, rows = state or (b"", (b"",) * 4)
        self._names = _names_of(names)
        found = [np.frombuffer(data, kind) for data, kind in zip(rows, ("i4", "i8", "i8", "i1"), strict=True)]
        self.rows = Rows._make([*found, _before_all(len(found[0]))])

    def remember(self, batches: Sequence[tuple[int, pa.RecordBatch]]) -> None:
        """Keep the rows of messages, as BROWSED, each with the message's turn."""
        rows = pa.Table.from_batches([batch for _, batch in batches], BROWSED).combine_chunks()
        events = rows["event_type"].combine_chunks().dictionary_encode()
        levels = np.array([EVENT_LEVELS.get(name, 0) for name in events.dictionary.to_pylist()], np.int8)
        turns = np.array([turn for turn, _ in batches], np.int32)
        more = Rows(
            self._coded(rows["session_id"].combine_chunks()),
            rows["ts"].to_numpy(),
            rows["micros"].to_numpy(),
            levels[events.indices],
            np.repeat(turns, [batch.num_rows for _, batch in batches]),
        )
        self.rows = Rows._make(np.concatenate(both) for both in zip(self.rows, more, strict=True))

    def visits(self, asked: Asked) -> Visits:
        """What the transactions see."""
        count = len(asked.session)
        found = Visits(
            np.zeros((count, _LEVELS), np.int64),
            np.full(count, np.iinfo(np.int64).max),
            np.full(count, np.iinfo(np.int64).min),
        )
        session = pc.fill_null(pc.index_in(pa.array(asked.session, pa.string()), self._names), -1).to_numpy()
        is_wanted = np.zeros(len(self._names) + 1, bool)
        is_wanted[session] = True
        is_wanted[-1] = False
        rows = self.rows.of(np.flatnonzero(is_wanted[self.rows.session]))
        rows = rows.of(np.argsort(rows.session, kind="stable"))
        begin, end = (np.searchsorted(rows.session, session, side) for side in ("left", "right"))
        for which, place in _pairs(begin, end - begin):
            sees = (
                (rows.turn[place] <= asked.turn[which])
                & (rows.ts[place] >= asked.earliest[which])
                & (rows.ts[place] <= asked.ts[which])
                & (rows.time[place] <= asked.created[which])
            )
            which, place = which[sees], place[sees]
            np.add.at(found.levels, (which, rows.level[place]), 1)
            np.minimum.at(found.first, which, rows.time[place])
            np.maximum.at(found.last, which, rows.time[place])
        return found

    def dump(self, now: int | None, lookback_s: int) -> State:
        """The state; rows that are more than the lookback older than `now` are forgotten."""
        if now is not None:
            self.rows = self.rows.of(self.rows.ts >= now - lookback_s)
        used, session = np.unique(self.rows.session, return_inverse=True)
        self._names = self._names.take(pa.array(used))
        self.rows = self.rows._replace(session=session.astype(np.int32), turn=_before_all(len(session)))
        names = pa.record_batch([self._names], schema=_NAMES)
        return names.serialize().to_pybytes(), tuple(column.tobytes() for column in self.rows[:-1])

    def _coded(self, sessions: pa.StringArray) -> _Column:
        """Which of the names each of the sessions is; a new one becomes one of them."""
        if pc.any(pc.ends_with(sessions, ".0")).as_py():
            sessions = pa.array(identifiers(sessions.to_pylist()), pa.string())
        known = len(self._names)
        coded = pa.concat_arrays([self._names, sessions]).dictionary_encode()
        self._names = coded.dictionary
        found: _Column = coded.indices.to_numpy()[known:]
        return found


def _before_all(count: int) -> _Column:
    """The turns of rows of earlier micro-batches."""
    return np.full(count, -1, np.int32)


def _names_of(state: bytes) -> pa.StringArray:
    if not state:
        return pa.array([], pa.string())
    return pa.ipc.read_record_batch(pa.py_buffer(state), _NAMES)["session"]


def _pairs(begin: Ints, counts: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Each number with each of its `counts` places from its `begin` on; some pairs at a time."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = ends[first] - counts[first]
        last = max(int(np.searchsorted(ends, before + _PAIRS, "right")), first + 1)
        some = slice(first, last)
        which = np.repeat(np.arange(first, last), counts[some])
        starts = begin[some] - (ends[some] - counts[some] - before)
        yield which, np.arange(len(which)) + np.repeat(starts, counts[some])
        first = last
