"""Keeping the status object true while a scorer works, whatever its engine."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from streamweir.contracts.streams import Stream
from streamweir.errors import DependencyUnreachable
from streamweir.objectstore import ObjectStore
from streamweir.scorer import status as statuses
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import Status, starting, timestamp, watermark_of

WRITE_EVERY_S = 5.0
_LOG = logging.getLogger(__name__)


class Progress(Protocol):
    """How far a stream is, as a commit record or a step says it."""

    @property
    def batch_id(self) -> int:
        """The micro-batch."""

    @property
    def next_sequence(self) -> int:
        """The first sequence that is not worked on."""

    @property
    def max_ts(self) -> int | None:
        """The largest ts before it."""


class Reporter:
    """Writes a scorer's status object; goes on from what the process before it wrote."""

    def __init__(self, store: ObjectStore, spec: ScorerSpec, holder: str) -> None:
        self._store = store
        self.stream: Stream = spec.stream
        self._lateness_s = spec.lateness_s
        self._lock = threading.Lock()
        self._written = 0.0
        self._moved = False
        self._status = _first(statuses.read(store, spec.stream), spec, holder)

    @property
    def batch_id(self) -> int | None:
        """The last micro-batch of the stream that is known to be committed; None before the first."""
        return self._status.batch_id

    @property
    def state(self) -> str:
        """What the status says that the scorer is doing."""
        return self._status.state

    @property
    def dropped_by_watermark(self) -> int:
        """The rows that Spark itself dropped, as the status says it."""
        return self._status.dropped_by_watermark

    def show(self, **changes: Any) -> None:
        """Write the status with changes.

        A store that is away is no reason to stop here: the next write may succeed.
        """
        with self._lock:
            self._status = statuses.touched(self._status, **changes)
            self._written = time.monotonic()
            try:
                statuses.write(self._store, self.stream, self._status)
            except DependencyUnreachable as error:
                _LOG.warning("the status could not be written: %s", error)

    def tick(self, *, moving: bool) -> None:
        """Write the status when the last time is some seconds ago; moving: idle, or at work that shows."""
        self._moved = self._moved or moving
        if time.monotonic() - self._written >= WRITE_EVERY_S:
            moved, self._moved = self._moved, False
            self.show(**({"progressed_at": timestamp()} if moved else {}))

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what a scorer does before it begins to work, again and again: it may wait for others."""
        ended = threading.Event()

        def say() -> None:
            self.show(doing=what)
            while not ended.wait(WRITE_EVERY_S):
                self.show()

        saying = threading.Thread(target=say, name="status", daemon=True)
        saying.start()
        try:
            yield
        finally:
            ended.set()
            saying.join()

    def place(self, at: Progress) -> dict[str, Any]:
        """What the status says of it."""
        return {
            "batch_id": at.batch_id,
            "next_sequence": at.next_sequence,
            "max_ts": at.max_ts,
            "watermark": watermark_of(at.max_ts, self._lateness_s),
        }


def _first(found: Status | None, spec: ScorerSpec, holder: str) -> Status:
    if found is not None and found.holder == holder:
        return found
    return starting(spec, holder, found)
