"""What a waiting task makes of a scorer's status: pure functions of what one look showed."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer import stop
from streamweir.scorer.health import Health, Watch
from streamweir.scorer.status import State, Status, drained, failure, read


class Outcome(StrEnum):
    """How a wait ends.

    ready: what was waited for is there. lost: nobody works on the stream any more, though nobody asked for
    that. failed: it will not come. given_up: it has not come for long; waiting again may help.
    """

    READY = "ready"
    LOST = "lost"
    FAILED = "failed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Waited:
    """How the wait ends, and why, in one sentence."""

    outcome: Outcome
    sentence: str = ""


@dataclass(frozen=True)
class Seen:
    """What a look at the object store showed: the status, its health, and whether a stop was asked for."""

    status: Status | None
    health: Health | None
    stop_requested: bool


@dataclass(frozen=True)
class Flush:
    """The end of a run's messages."""

    flush_sequence: int


def look(store: ObjectStore, stream: Stream, watch: Watch) -> Seen:
    """Look now; `watch` knows of the looks before."""
    status = read(store, stream)
    if status is None:
        return Seen(None, None, stop_requested=False)
    return Seen(status, watch.health(status), stop.requested(store, stream, status.holder))


def started(seen: Seen, _: int) -> Waited | None:
    """Waits for a scorer's first progress."""
    status = seen.status
    if status is None:
        return Waited(Outcome.LOST, "the scorer has not written a status")
    error = failure(status)
    if error:
        return Waited(Outcome.FAILED, str(error))
    if status.state == State.RUNNING and seen.health == Health.HEALTHY:
        return Waited(Outcome.READY)
    return _gone(status, seen.health)


def until_drained(seen: Seen, flush_sequence: int) -> Waited | None:
    """Waits until every message of the run, the flush included, is worked on."""
    status = seen.status
    if status is None:
        return Waited(Outcome.LOST, "the scorer's status is gone")
    if drained(status, Flush(flush_sequence)):
        return Waited(Outcome.READY)
    error = failure(status)
    if error:
        return Waited(Outcome.FAILED, str(error))
    if seen.stop_requested and seen.health == Health.ENDED:
        at = f"at sequence {status.next_sequence} of {flush_sequence}"
        return Waited(Outcome.FAILED, f"the scorer was stopped on request before the run was drained, {at}")
    return _gone(status, seen.health)


def stopped(seen: Seen, _: int) -> Waited | None:
    """Waits until no scorer works on the stream."""
    status = seen.status
    if status is None or seen.health in (Health.ENDED, Health.FAILED):
        return Waited(Outcome.READY)
    if seen.health == Health.STALE:
        return Waited(
            Outcome.READY, f"the scorer died before it was stopped: no word since {status.updated_at}"
        )
    return None


def lost(seen: Seen) -> str | None:
    """Why nobody works on the stream any more, though nobody asked for that; None while somebody does."""
    if seen.status is None or seen.stop_requested:
        return None
    waited = _gone(seen.status, seen.health)
    return waited.sentence if waited and waited.outcome == Outcome.LOST else None


def _gone(status: Status, found: Health | None) -> Waited | None:
    if found == Health.ENDED:
        return Waited(Outcome.LOST, f"the scorer ended at {status.updated_at}, unasked")
    if found == Health.STALE:
        return Waited(
            Outcome.LOST, f"no word from the scorer since {status.updated_at} ({status.error or 'no error'})"
        )
    if found == Health.STUCK:
        sentence = f"the scorer lives, but nothing moved since {status.progressed_at}: see its log"
        return Waited(Outcome.GIVEN_UP, sentence)
    return None


Waiting = Callable[[Seen, int], Waited | None]

WAITS: dict[str, Waiting] = {"started": started, "drained": until_drained, "stopped": stopped}
"""By the word that travels in a trigger's arguments."""
