"""What is still to be sent, and what was sent but is not known to have arrived."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from streamweir.replay.deliveries import Message
from streamweir.replay.produced import Counts, leading_rows_of, sequence_of

_AHEAD = 64

T = TypeVar("T")


@dataclass(frozen=True)
class Parcel:
    """A delivery ready to go out: its messages, and its rows as `produced.Counting` counts them.

    It does not hold the rows themselves: hundreds of thousands of small objects waiting in memory would keep
    the garbage collector busier than everything else.
    """

    due: float
    span: int
    counts: Counts
    messages: list[Message]

    @property
    def sequence(self) -> int:
        """The delivery's sequence."""
        return sequence_of(self.counts)

    @property
    def rows(self) -> int:
        """Its rows of the first input topic."""
        return leading_rows_of(self.counts)


class Backlog:
    """Parcels in order. One that was taken stays open until it is confirmed, or put back."""

    def __init__(self, parcels: Iterator[Parcel]) -> None:
        self._parcels = parcels
        self._ready: deque[Parcel] = deque()
        self._open: list[Parcel] = []

    def peek(self) -> Parcel | None:
        """The next parcel; None when there is no more."""
        if not self._ready and (parcel := next(self._parcels, None)) is not None:
            self._ready.append(parcel)
        return self._ready[0] if self._ready else None

    def take(self) -> Parcel:
        """Open the parcel that `peek` showed."""
        parcel = self._ready.popleft()
        self._open.append(parcel)
        return parcel

    def confirm(self, next_sequence: int) -> list[Parcel]:
        """Close the open parcels before `next_sequence` and put the others back; returns the closed ones."""
        closed = [parcel for parcel in self._open if parcel.sequence < next_sequence]
        self._ready.extendleft(reversed(self._open[len(closed) :]))
        self._open = []
        return closed

    @property
    def first_open(self) -> int | None:
        """The sequence of the first parcel that is open or next; None when nothing is left."""
        parcel = self._open[0] if self._open else self.peek()
        return parcel.sequence if parcel else None

    @property
    def after_open(self) -> int | None:
        """The sequence after the last open parcel, or that of the next one; None when nothing is left."""
        return self._open[-1].sequence + 1 if self._open else self.first_open


def prepared(items: Iterator[T]) -> Generator[T]:
    """The same items, made ready by another thread while the earlier ones are used.

    A replay waits for Kafka most of the time; reading and encoding need not wait with it.
    """

    def some() -> list[T]:
        return list(islice(items, _AHEAD))

    with ThreadPoolExecutor(1, thread_name_prefix="prepare") as thread:
        coming = thread.submit(some)
        while found := coming.result():
            coming = thread.submit(some)
            yield from found
