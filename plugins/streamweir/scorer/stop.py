"""How a scorer is brought to an end without losing anything or leaving half a micro-batch.

It is asked by a signal, or by a marker object, so that it works the same when Spark runs elsewhere. A
request is addressed to the scorer that has the stream: the one after it does not take it for its own, and
nobody need clear it away, at the risk of losing one that has just been made.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from streamweir.contracts.streams import Stream
from streamweir.errors import StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.scorer.status import read, timestamp

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Signalled:
    """Like `threading.Event`, but `set` is safe in a signal handler.

    A handler runs between any two steps of the main thread. When that one is inside `Event.wait`, or in
    another handler's `Event.set`, it holds the event's lock: a second `set` would wait for it for ever.
    `SimpleQueue.put` is documented as reentrant.
    """

    def __init__(self) -> None:
        self._set = False
        self._wakes: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Set it, for good."""
        self._set = True
        self._wakes.put(None)

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is set, or for some seconds; returns whether it is set."""
        if not self._set:
            with suppress(Empty):
                self._wakes.get(timeout=seconds)
                # For whoever else waits.
                self._wakes.put(None)
        return self._set


def request(store: ObjectStore, stream: Stream, why: str, *, drained_to: int = 0) -> None:
    """Ask the stream's scorer to end after its present micro-batch; it sees this within a second or two.

    drained_to: the sequence up to which it is to work first. Nothing happens when the stream never had one.
    """
    status = read(store, stream)
    if status is not None:
        marker = {
            "holder": status.holder,
            "requested_at": timestamp(),
            "why": why,
            "drained_to": drained_to,
        }
        store.put_json(stream.stop_marker, marker)


def requested(store: ObjectStore, stream: Stream, holder: str) -> bool:
    """Whether the stream's scorer with this holder is to stop now: it was asked to, and has worked as far as
    it was to work first."""
    marker = store.get_json(stream.stop_marker)
    if marker is None or marker.get("holder") != holder:
        return False
    # A request of an earlier version says nothing of it.
    drained_to = marker.get("drained_to", 0)
    status = read(store, stream) if drained_to else None
    return not drained_to or (status is not None and status.next_sequence >= drained_to)


class StopRequested(StreamweirError):
    """Raised into a micro-batch that must not begin any more."""

    exit_code = 0


class Stopping:
    """Whether the scorer is to end, and why. A micro-batch is either written whole or not begun."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = Signalled()
        self._writing = False
        self._lost: StreamweirError | None = None

    @property
    def asked(self) -> bool:
        """Whether the scorer is to end."""
        return self._asked.is_set()

    @property
    def lost(self) -> StreamweirError | None:
        """Why nothing may be written any more, e.g. because another scorer has taken over."""
        return self._lost

    def ask(self, *_: object) -> None:
        """End after the present micro-batch. Safe to call from a signal handler."""
        self._asked.set()

    def lose(self, why: StreamweirError) -> None:
        """End at once: the lease is lost."""
        self._lost = why
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Wait until asked, or for some seconds; returns whether asked."""
        return self._asked.wait(seconds)

    @contextmanager
    def micro_batch(self) -> Iterator[None]:
        """Around a micro-batch; raises StopRequested when it must not begin."""
        with self._changed:
            if self.asked:
                raise StopRequested("the scorer was asked to stop")
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def check(self) -> None:
        """Before something is written; raises StreamHeld when another scorer has taken over, or why else the
        lease is lost."""
        if self._lost is not None:
            raise self._lost

    def wait_for_micro_batch(self) -> None:
        """Wait until no micro-batch is being written; asked before, none begins any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)

    def listen(self) -> None:
        """Let SIGTERM and SIGINT ask."""
        for number in _SIGNALS:
            signal.signal(number, self.ask)

    def close(self) -> None:
        """Let them do nothing any more: said once more, one would kill the interpreter while it ends."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
