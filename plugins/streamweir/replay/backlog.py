"""What is still to be sent, and what was sent but is not known to have arrived."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamweir.replay.deliveries import Delivery, Message


@dataclass(frozen=True)
class Parcel:
    """A delivery with its messages."""

    delivery: Delivery
    messages: list[Message]


class Backlog:
    """Deliveries in order. A parcel that was taken stays open until it is confirmed, or put back."""

    def __init__(self, deliveries: Iterator[Delivery], encode: Callable[[Delivery], list[Message]]) -> None:
        self._deliveries, self._encode = deliveries, encode
        self._ready: deque[Parcel] = deque()
        self._open: list[Parcel] = []

    def peek(self) -> Parcel | None:
        """The next parcel, made ready to go out; None when there is no more."""
        if not self._ready and (delivery := next(self._deliveries, None)) is not None:
            self._ready.append(Parcel(delivery, self._encode(delivery)))
        return self._ready[0] if self._ready else None

    def take(self) -> Parcel:
        """Open the parcel that `peek` showed."""
        parcel = self._ready.popleft()
        self._open.append(parcel)
        return parcel

    def confirm(self, next_sequence: int) -> list[Parcel]:
        """Close the open parcels before `next_sequence` and put the others back; returns the closed ones."""
        closed = [parcel for parcel in self._open if parcel.delivery.sequence < next_sequence]
        self._ready.extendleft(reversed(self._open[len(closed) :]))
        self._open = []
        return closed

    @property
    def first_open(self) -> int | None:
        """The sequence of the first parcel that is open or next; None when nothing is left."""
        parcel = self._open[0] if self._open else self.peek()
        return parcel.delivery.sequence if parcel else None

    @property
    def after_open(self) -> int | None:
        """The sequence after the last open parcel, or that of the next one; None when nothing is left."""
        return self._open[-1].delivery.sequence + 1 if self._open else self.first_open
