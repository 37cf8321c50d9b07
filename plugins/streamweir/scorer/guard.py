"""The guard: a keeper's parent, which starts it again when it is killed.

It holds nothing and does nothing but wait. When the guard is killed, the keeper goes on without one.
"""

import logging
import os
import signal
import time
from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_ASKED = (signal.SIGTERM, signal.SIGINT)
_PAUSE_S = 1.0


def guarded(work: Callable[[bool], int]) -> int:
    """Do the work in a child process, again when the child is killed; returns the exit code.

    `work` is told whether it is done again. It returns in the child, and so does this function: the caller
    ends the process with the code in both. SIGTERM and SIGINT are passed on, and end the guard's task.
    """
    again = False
    while True:
        child = os.fork()
        if child == 0:
            _listen(signal.SIG_DFL)
            return work(again)
        asked = _pass_on(child)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code >= 0 or -code in _ASKED or asked:
            return code if code >= 0 else 128 - code
        _LOG.warning("the keeper was killed by %s and is started again", signal.Signals(-code).name)
        again = True
        time.sleep(_PAUSE_S)


def _pass_on(child: int) -> list[int]:
    """Pass signals on to the child; returns the list to which they are added."""
    asked: list[int] = []

    def pass_on(number: int, _: object) -> None:
        asked.append(number)
        os.kill(child, number)

    _listen(pass_on)
    return asked


def _listen(handler: Callable[[int, object], None] | signal.Handlers) -> None:
    for number in _ASKED:
        signal.signal(number, handler)
