"""What comes when it comes: the batches of a recording without an end."""

from collections.abc import Iterator
from contextlib import suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_AHEAD = 32
_LOOK_S = 0.2
_END = object()


class Arriving(Iterator[T], Generic[T]):
    """Items of which nobody knows when the next one comes: a thread waits for them, and some may wait here.

    What making them raised is raised behind the last one.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items, self._closed = items, Event()
        self._there: Queue[Any] = Queue(_AHEAD)
        # A daemon: a program that ends does not wait for what may never come.
        Thread(target=self._fetch, name="await", daemon=True).start()

    def __next__(self) -> T:
        found: Any = self._there.get()
        if found is _END:
            self._there.put(_END)
            raise StopIteration
        if isinstance(found, _Failure):
            raise found.error
        return found  # type: ignore[no-any-return]

    def is_waiting(self) -> bool:
        """Whether the next item, or the end, is not there yet."""
        return self._there.empty()

    def close(self) -> None:
        """Wait for no more of them."""
        self._closed.set()

    def _fetch(self) -> None:
        try:
            for item in self._items:
                if not self._hand_over(item):
                    return
            self._hand_over(_END)
        except Exception as error:  # noqa: BLE001 whoever asks for the next item hears of it
            self._hand_over(_Failure(error))

    def _hand_over(self, item: Any) -> bool:
        while not self._closed.is_set():
            with suppress(Full):
                self._there.put(item, timeout=_LOOK_S)
                return True
        return False


class _Failure:
    def __init__(self, error: Exception) -> None:
        self.error = error
