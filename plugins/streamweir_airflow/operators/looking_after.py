"""Looking after a run's scorer while a task sends to it: its keeper may die together with its guard."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamweir.errors import Retryable, StreamweirError
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.operators.scorer import ASK_AGAIN, launch
from streamweir_airflow.waiting import look, lost

if TYPE_CHECKING:
    from streamweir.scorer.spec import ScorerSpec

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0


@contextmanager
def looked_after(attempt: Attempt, scorer: "ScorerSpec") -> Iterator[None]:
    """Meanwhile, start the run's scorer again when it is gone though nobody asked for that.

    As `AwaitDrained` does it, and as often. Whatever else is wrong with the scorer is left to that task.
    """
    ended = threading.Event()
    watching = threading.Thread(target=_look_after, args=(attempt, scorer, ended), daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def _look_after(attempt: Attempt, scorer: "ScorerSpec", ended: threading.Event) -> None:
    from streamweir.scorer.health import Watch

    watch, left = Watch(), ASK_AGAIN
    while left and not ended.wait(_LOOK_EVERY_S):
        try:
            if why := lost(look(attempt.store, scorer.stream, watch)):
                _LOG.warning("starting the scorer again: %s", why)
                left, watch = left - 1, Watch()
                launch(attempt, scorer)
        except Retryable:
            # A scorer could not write its status either: only from here on its silence means something.
            watch = Watch()
        except StreamweirError as error:
            _LOG.warning("the scorer cannot be started again: %s", error)
