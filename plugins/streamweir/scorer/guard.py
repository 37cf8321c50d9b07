"""The guard: a keeper's parent, which starts it again when it is killed.

It holds nothing and does nothing but wait. When the guard is killed, the keeper goes on without one.
"""

import logging
import os
import signal
from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_ASKED = frozenset((signal.SIGTERM, signal.SIGINT))
_HEARD = (*_ASKED, signal.SIGCHLD)
_SAY_AGAIN_S = 1.0


def guarded(work: Callable[[bool], int]) -> int:
    """Do the work in a child process, again when the child is killed; returns the exit code.

    `work` is told whether it is done again, and gets no signal before it calls `listen`. It returns in the
    child, and so does this function: the caller ends the process with the code in both. SIGTERM and SIGINT
    are passed on, and end the guard's task.
    """
    again = False
    while True:
        # Held back until they are waited for: none gets lost, or meets a child that is gone.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        child = os.fork()
        if child == 0:
            return work(again)
        code, asked = _wait(child)
        if code >= 0 or -code in _ASKED or asked:
            return code if code >= 0 else 128 - code
        _LOG.warning("the keeper was killed by %s and is started again", signal.Signals(-code).name)
        again = True


def listen(asked: Callable[[], None]) -> None:
    """Let SIGTERM and SIGINT, also those that came since the fork, ask the child's work to end."""
    for number in _ASKED:
        signal.signal(number, lambda *_: asked())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


def _wait(child: int) -> tuple[int, bool]:
    """The child's exit code, negative for a signal, and whether it was asked to end; passes signals on."""
    asked: int | None = None
    while True:
        heard = signal.sigtimedwait(_HEARD, _SAY_AGAIN_S)
        number = heard.si_signo if heard else asked
        if number in _ASKED:
            # More than once: a keeper that is just starting a driver does not hear it.
            asked = number
            os.kill(child, number)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), asked is not None
