"""Python's cyclic garbage collector, kept out of the way of a micro-batch."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no cycles inside.

    A micro-batch makes millions of tuples, none of them in a cycle: they are freed as soon as nothing refers
    to them. The collector would walk through them again and again, for a quarter of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
