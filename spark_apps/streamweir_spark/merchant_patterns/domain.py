"""How `merchant_patterns` works on chunks: in order, each once, looking after each for what holds now."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import md5
from typing import Any

import numpy as np

from streamweir.contracts.merchant_patterns import LATENESS_S, PIPELINE, Rules
from streamweir.contracts.rejected import Reason
from streamweir.contracts.tables import Column
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir_spark.core import Judged, Reject, Released, State
from streamweir_spark.merchant_patterns.pairs import Ints, Pairs
from streamweir_spark.merchant_patterns.patterns import Found, Places, holding
from streamweir_spark.merchant_patterns.reader import END, Payments

FORMAT = 3
"""Of the state; format 1 did not say so, and held the pairs one by one. Format 2 did not know the objects of
chunks that cannot be read."""
ENDED: tuple[()] = ()
"""What `closed` gives for the end of a run, behind the detections before it."""


class Domain:
    """Remembers all payments, summed up; see `streamweir_spark.core.Domain`.

    What a chunk costs follows from its rows and from how many pairs there are, not from the chunks before it.
    rules: what the patterns go by. places: of the weights, as `places_of` gives them.
    """

    reads = PIPELINE.reads
    scored_columns: tuple[Column, ...] = ()

    def __init__(self, rules: Rules, places: Places | None = None, lateness_s: int = LATENESS_S) -> None:
        self._rules, self._places, self.lateness_s = rules, places or {}, lateness_s
        self.load(None)

    def load(self, state: State | None) -> None:
        """Go on from a state, or from nothing; raises BadConfiguration for a state of another format."""
        written, *known = state.working if state else (FORMAT, (), set(), (), {})
        if written != FORMAT:
            raise BadConfiguration(
                "the stream's checkpoint is of a version that remembered payments otherwise: take another "
                "stream id, or the version of Streamweir that wrote it"
            )
        self.reported: set[tuple[str, str, str]]
        # By the digest of an object's key: the chunk of the run that named it first, its SHA-256, and the
        # chunk that was counted, if any.
        self._named: dict[bytes, tuple[int, str, int | None]]
        pairs, self.reported, waiting, self._named = known
        self.pairs = Pairs.of(pairs) if pairs else Pairs()
        # Pairs whose payments were put back by hand: they are looked at with the next chunk.
        self._waiting = np.array(waiting, np.int64)
        self._closed: list[tuple[object, ...]] = []

    def dump(self, max_ts: int | None) -> State:
        """The sums of all payments, and what was reported."""
        return State((FORMAT, self.pairs.plain(), self.reported, self._waiting, self._named))

    def use(self, topic: str, ts: int, rows: Any) -> tuple[int, Iterable[Judged]]:
        """Count the payments of a chunk, and report what holds after it for the first time."""
        if rows == END:
            self._closed.append(ENDED)
            self._named = {}
            return 0, ()
        payments = Payments(*rows)
        counted = self._counted_before(payments)
        if payments.sums is None:
            return 0, ()
        if counted is not None:
            detail = f"object {payments.key} was announced before, by message {counted} of the stream"
            return 0, [Judged(-1, None, None, Reason.MALFORMED, detail, rows=payments.rows)]
        touched = np.union1d(self.pairs.add(payments.sums), self._waiting)
        if payments.again:
            self._waiting = touched
        else:
            self._waiting = touched[:0]
            self._report(payments, self._holding(touched))
        return payments.rows, ()

    def prepare(self, messages: Sequence[Released]) -> list[Any]:
        """The rows as they are: nothing is scored row by row."""
        return [message.rows for message in messages]

    def score(self, run: str, ts: int, rows: Any) -> Iterator[Judged]:
        """Nothing is scored row by row."""
        raise NotImplementedError

    def closed(self, max_ts: int | None) -> Iterable[tuple[object, ...]]:
        """The detections since the last time this was asked: run, chunk, pattern, merchant, customer; and
        ENDED."""
        found, self._closed = self._closed, []
        return found

    def late(self, topic: str, ts: int, rows: Any) -> Iterator[Reject]:
        """The rows of a late chunk; a late flush ends nothing."""
        if rows != END and (late := Payments(*rows).rows):
            detail = f"ts {ts} is more than {self.lateness_s} s behind a message that was sent before"
            yield Reject(-1, late, None, detail, None)

    def _counted_before(self, payments: Payments) -> int | None:
        """The chunk of the run that was counted for the same object; None when none was.

        Raises DatasetUnusable when the object was announced with other bytes before, even if they were no
        chunk that can be read.
        """
        if not payments.key:
            return None
        digest, chunk = md5(payments.key.encode(), usedforsecurity=False).digest(), payments.chunk
        first, known, counted = self._named.get(digest, (chunk, payments.sha256, None))
        if known != payments.sha256:
            raise DatasetUnusable(
                f"object {payments.key} is announced a second time, with other bytes than by message {first} "
                "of the stream: nothing behind it is worked on. Put it under a key of its own, and take "
                "another stream id"
            )
        if counted is None:
            self._named[digest] = first, known, None if payments.sums is None else chunk
        return counted

    def _holding(self, touched: Ints) -> list[Found]:
        """What holds and was not reported."""
        found = holding(self.pairs, touched, self._rules, self._places) if len(touched) else ()
        return sorted(set(found) - self.reported)

    def _report(self, payments: Payments, found: list[Found]) -> None:
        # As plain texts: a state outlives the classes.
        plain = [(one.pattern.value, one.merchant, one.customer) for one in found]
        self.reported.update(plain)
        self._closed += [(payments.run, payments.chunk, *one) for one in plain]
