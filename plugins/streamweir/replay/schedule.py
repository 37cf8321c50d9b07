"""Pacing: the virtual clock laid onto a monotonic one."""

import time


class Schedule:
    """When each second of the virtual clock, or of a count of batches, is due in real time.

    Every wait is computed from one fixed moment, so that errors do not add up: a batch that goes out late
    does not make the next one late. pace: how many pass per real second; 0 means that all is due at once.
    """

    def __init__(self, pace: float, first_due: float) -> None:
        self._pace = pace
        self._zero = time.monotonic() - (first_due / pace if pace else 0)

    def wait_s(self, due: float) -> float:
        """Real seconds until the second `due`; 0 or less when it is due."""
        if not self._pace:
            return 0
        return self._zero + due / self._pace - time.monotonic()

    def wait(self, due: float) -> None:
        """Return when the second `due` is due."""
        if (seconds := self.wait_s(due)) > 0:
            time.sleep(seconds)
