"""The headers of every replayed message, and how they are written on the wire."""

from collections.abc import Iterable
from enum import StrEnum
from operator import itemgetter
from sys import intern
from typing import NamedTuple

ORIGINS = "origins"
"""A further header of a message of kind redrive: where its records were rejected before, as JSON.

A list of [partition, offset, row] of the same topic, row -1 for a whole message. It is sent with the records,
so the topic itself remembers which of them were put back.
"""


WRITER = "writer"
"""The header of a published message that says whose it is (`Stream.writer`): streams may share a topic."""

MESSAGE_BYTES = 8 * 1024 * 1024
"""The largest message that topics, producers and consumers take."""

VALUE_BYTES = 1024 * 1024
"""The largest value of a message of several rows; a row that has more travels alone."""

ROW_BYTES = MESSAGE_BYTES // 2 - 64 * 1024
"""The largest row, as JSON. A rejected one is repeated as a text within JSON, which may double it."""

RETENTION_S = 7 * 24 * 60 * 60
"""For how long, on the virtual clock, an id that was scored makes duplicates, by default.

A row is a duplicate if its id was scored at ts0 (the ts of its message; in the order of sequence) and
ts - ts0 is at most this. A duplicate does not renew ts0. A row that was tried and has no score leaves its id
without a ts0.
"""

LATEST_TS = 253_402_300_799
"""The end of the year 9999 in Unix seconds: what lies beyond fits no timestamp."""


class Kind(StrEnum):
    """What a message is: a batch of rows, the end of a run, or records put back by hand."""

    BATCH = "batch"
    FLUSH = "flush"
    REDRIVE = "redrive"


class Headers(NamedTuple):
    """What a replay says about each of its messages.

    run: the run that sent it. batch: index of the batch in its run, 0 first. sequence: send order within
    the stream, dense, the same on all topics of a batch. ts: the virtual clock in Unix seconds.
    kind: see `Kind`. rows: how many rows the message holds.
    """

    run: str
    batch: int
    sequence: int
    ts: int
    kind: Kind
    rows: int

    @property
    def is_end(self) -> bool:
        """Whether what is sent behind this ts begins anew: a flush, or a redrive's message without rows.

        The last message of a redrive is one, and the rows of a redrive all have the ts of its others.
        """
        return self.kind is not Kind.BATCH and not self.rows

    def encode(self) -> list[tuple[str, bytes]]:
        """The headers as Kafka takes them."""
        # Written out, as every message passes here.
        return [
            ("run", self.run.encode()),
            ("batch", b"%d" % self.batch),
            ("sequence", b"%d" % self.sequence),
            ("ts", b"%d" % self.ts),
            ("kind", self.kind.encode()),
            ("rows", b"%d" % self.rows),
        ]

    @classmethod
    def decode(cls, headers: Iterable[tuple[str, bytes | None]] | None) -> "Headers | None":
        """The headers of a message; None for a foreign one, where one is missing, repeated or unreadable."""
        pairs = list(headers or [])
        found = {name: value for name, value in pairs if value is not None}
        if len(pairs) != len(found):
            return None
        try:
            run, batch, sequence, ts, kind, rows = _values_of(found)
            # A run's messages share its name: one object in memory, and written once by pickle.
            name = intern(run.decode())
            return cls(name, _count(batch), _count(sequence), _count(ts), _kind(kind), _count(rows))
        except (KeyError, ValueError):
            return None


_values_of = itemgetter(*Headers._fields)
_kind = {kind.value.encode(): kind for kind in Kind}.__getitem__


def partition_of(sequence: int, partitions: int) -> int:
    """Round robin: consecutive messages keep all partitions in step."""
    return sequence % partitions


def _count(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise ValueError(value)
    return int(value)
