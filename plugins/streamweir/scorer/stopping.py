"""How a scorer is brought to an end without losing anything or leaving half a micro-batch."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streamweir.errors import StreamweirError
from streamweir.scorer.signalled import Signalled

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequested(StreamweirError):
    """Raised into a micro-batch that must not begin any more."""

    exit_code = 0


class Stopping:
    """Whether the scorer is to end, and why. A micro-batch is either written whole or not begun."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = Signalled()
        self._writing = False
        self._lost: StreamweirError | None = None

    @property
    def asked(self) -> bool:
        """Whether the scorer is to end."""
        return self._asked.is_set()

    @property
    def lost(self) -> StreamweirError | None:
        """Why nothing may be written any more, e.g. because another scorer has taken over."""
        return self._lost

    def ask(self, *_: object) -> None:
        """End after the present micro-batch. Safe to call from a signal handler."""
        self._asked.set()

    def lose(self, why: StreamweirError) -> None:
        """End at once: the lease is lost."""
        self._lost = why
        self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Wait until asked, or for some seconds; returns whether asked."""
        return self._asked.wait(seconds)

    @contextmanager
    def micro_batch(self) -> Iterator[None]:
        """Around a micro-batch; raises StopRequested when it must not begin."""
        with self._changed:
            if self.asked:
                raise StopRequested("the scorer was asked to stop")
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def check(self) -> None:
        """Before something is written; raises StreamHeld when another scorer has taken over, or why else the
        lease is lost."""
        if self._lost is not None:
            raise self._lost

    def wait_for_micro_batch(self) -> None:
        """Wait until no micro-batch is being written; asked before, none begins any more."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)

    def listen(self) -> None:
        """Let SIGTERM and SIGINT ask."""
        for number in _SIGNALS:
            signal.signal(number, self.ask)

    def close(self) -> None:
        """Let them do nothing any more: said once more, one would kill the interpreter while it ends."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
