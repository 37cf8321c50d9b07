"""Whether a scorer is well, told by its status object alone."""

import threading
import time
from dataclasses import dataclass
from enum import StrEnum

import orjson

from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.status import State, Status, of_json

FRESH_FOR_S = 20.0
"""A running scorer rewrites its status every 5 s; four times that without a word, and it is not well."""
STARTS_WITHIN_S = 120.0
"""A Spark driver needs 10 to 20 s to its first status; a busy machine several times that."""
MOVES_WITHIN_S = 180.0
"""A micro-batch takes seconds, or two minutes when another stream's transaction is open on a shared topic.

One that takes longer than this hangs.
"""
_LOOK_S = 1.0
_clock = time.monotonic
_pause = threading.Event().wait


class Health(StrEnum):
    """What to make of a status. stale: nobody has rewritten it for too long.

    stuck: it is rewritten, but nothing moves.
    """

    STARTING = "starting"
    HEALTHY = "healthy"
    STALE = "stale"
    STUCK = "stuck"
    ENDED = "ended"
    FAILED = "failed"


ALIVE = (Health.STARTING, Health.HEALTHY, Health.STUCK)
"""What a scorer is while its stream is its own to write."""


class Watch:
    """What to make of a status, look by look; whether a process exists says nothing.

    Age and progress are told by what has changed since earlier looks, on the looker's own clock: clocks of
    two hosts are not compared. So the first look finds neither fault.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def health(self, status: Status) -> Health:
        """Look at a status that was just read."""
        silent = self._unchanged_s("updated_at", status.updated_at)
        stalled = self._unchanged_s("progressed_at", status.progressed_at)
        if status.state == State.FAILED:
            return Health.FAILED
        if status.state == State.STOPPED:
            return Health.ENDED
        if status.state in (State.STARTING, State.RESTARTING):
            return Health.STARTING if silent <= STARTS_WITHIN_S else Health.STALE
        if silent > FRESH_FOR_S:
            return Health.STALE
        return Health.HEALTHY if stalled <= MOVES_WITHIN_S else Health.STUCK

    def _unchanged_s(self, name: str, value: str) -> float:
        now = _clock()
        if name not in self._seen or self._seen[name][0] != value:
            self._seen[name] = value, now
        return now - self._seen[name][1]


@dataclass(frozen=True)
class Found:
    """A stream's status with its ETag, both None when no scorer was ever started.

    alive: whether a scorer was seen to work on the stream.
    """

    status: Status | None
    etag: str | None
    alive: bool


def find(store: ObjectStore, stream: Stream) -> Found:
    """Look at a stream's status until it tells whether a scorer works on it.

    One that runs rewrites it within 5 s. One that is gone is waited for: 20 s when it ran, 120 s when it was
    starting.
    """
    watch, first = Watch(), None
    while True:
        stored = store.get_with_etag(stream.status)
        if stored is None:
            return Found(None, None, alive=False)
        status, etag = of_json(orjson.loads(stored[0])), stored[1]
        if watch.health(status) not in ALIVE:
            return Found(status, etag, alive=False)
        first = first or etag
        if etag != first:
            return Found(status, etag, alive=True)
        _pause(_LOOK_S)
