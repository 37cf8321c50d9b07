"""What comes when it comes: the batches of a recording without an end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Arriving(Iterator[T]):
    """Items of which nobody knows when the next one comes: a thread waits for it."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items, self._thread = items, ThreadPoolExecutor(1, thread_name_prefix="await")
        self._coming = self._thread.submit(next, items, None)

    def __next__(self) -> T:
        found = self._coming.result()
        if found is None:
            raise StopIteration
        self._coming = self._thread.submit(next, self._items, None)
        return found

    def is_waiting(self) -> bool:
        """Whether the next item, or the end, is not there yet."""
        return not self._coming.done()

    def close(self) -> None:
        """Wait for no more of them."""
        self._thread.shutdown(wait=False, cancel_futures=True)
