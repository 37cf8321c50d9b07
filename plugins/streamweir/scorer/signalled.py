"""An event that a signal handler may set."""

from contextlib import suppress
from queue import Empty, SimpleQueue


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
