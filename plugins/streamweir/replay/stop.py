"""Asking the replay of an endless recording to end: it sends its flush then."""

import time

from streamweir.contracts.runs import Run
from streamweir.errors import DependencyUnreachable
from streamweir.objectstore import ObjectStore

_LOOK_S = 1.0


def never() -> bool:
    """The answer of a run that nobody can ask to end."""
    return False


def request(store: ObjectStore, run: Run) -> None:
    """Ask the run's replay to end; it does so within seconds, and for good: a resumed one sends no more."""
    store.put_json(run.replay_stop, {})


class StopRequest:
    """Whether a run's replay was asked to end; asked as often as one likes, it looks once a second."""

    def __init__(self, store: ObjectStore, run: Run) -> None:
        self._store, self._run = store, run
        self._next_look, self._asked = 0.0, False

    def __call__(self) -> bool:
        """Whether it was asked, as far as the store has told."""
        now = time.monotonic()
        if not self._asked and now >= self._next_look:
            self._next_look = now + _LOOK_S
            try:
                self._asked = self._store.exists(self._run.replay_stop)
            except DependencyUnreachable:
                # The next look may succeed.
                return False
        return self._asked
