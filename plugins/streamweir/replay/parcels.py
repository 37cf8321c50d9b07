"""What is still to be sent, and what was sent but is not known to have arrived.

Parcels are made ready while the earlier ones are sent: by a thread, or by a process of its own, because
reading and encoding many small batches takes as long as sending them. The process is
`python -m streamweir.replay.parcels`. What goes to it and comes back is pickled: both ends are this program.
"""

import fcntl
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, Any, NamedTuple, TypeVar

from streamweir.contracts.messages import Headers
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.errors import RunFailed, StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.replay.arriving import Arriving
from streamweir.replay.batches import Recipe, Recording, source_of
from streamweir.replay.deliveries import Message, SpanStart, deliveries
from streamweir.replay.plan import Plan
from streamweir.replay.produced import Counting, Counts, leading_rows_of, sequence_of
from streamweir.replay.stop import never

_AHEAD = 64

T = TypeVar("T")
MANY = 20_000
"""Batches from which on it is worth a process."""
_AT_ONCE = 32
"""Parcels that are written together: with more of them their memory is fetched anew every time."""
_PIPE_BYTES = 1024 * 1024
"""What may wait between the two processes, all that Linux grants: with less each waits for the other."""


class Parcel(NamedTuple):
    """A delivery ready to go out: its values by topic, and its rows as `produced.Counting` counts them.

    It does not hold the rows themselves: hundreds of thousands of small objects waiting in memory would keep
    the garbage collector busier than everything else. Nor the headers, which its counts say: a small message
    would cost more by them than by its value.
    """

    due: float
    span: int
    counts: Counts
    values: Mapping[str, bytes]

    @property
    def sequence(self) -> int:
        """The delivery's sequence."""
        return sequence_of(self.counts)

    @property
    def rows(self) -> int:
        """Its rows of the first input topic."""
        return leading_rows_of(self.counts)

    def messages(self, run: str) -> list[Message]:
        """The delivery on the wire."""
        batch, sequence, ts, kind, *rows = self.counts
        return [
            Message(topic, value, Headers(run, batch, sequence, ts, kind, count).encode())
            # Behind the rows by topic come the facts.
            for (topic, value), count in zip(self.values.items(), rows, strict=False)
        ]


class Backlog:
    """Parcels in order. One that was taken stays open until it is confirmed, or put back.

    waiting: whether whoever asks for a further one would have to wait.
    """

    def __init__(self, parcels: Iterator[Parcel], waiting: Callable[[], bool] = never) -> None:
        self._parcels, self._waiting = parcels, waiting
        self._ready: deque[Parcel] = deque()
        self._open: list[Parcel] = []

    def peek(self) -> Parcel | None:
        """The next parcel; None when there is no more."""
        if not self._ready and (parcel := next(self._parcels, None)) is not None:
            self._ready.append(parcel)
        return self._ready[0] if self._ready else None

    @property
    def is_waiting(self) -> bool:
        """Whether `peek` would wait for something to come."""
        return not self._ready and self._waiting()

    def take(self) -> Parcel:
        """Open the parcel that `peek` showed."""
        parcel = self._ready.popleft()
        self._open.append(parcel)
        return parcel

    def confirm(self, next_sequence: int) -> list[Parcel]:
        """Close the open parcels before `next_sequence` and put the others back; returns the closed ones."""
        closed = [parcel for parcel in self._open if parcel.sequence < next_sequence]
        self._ready.extendleft(reversed(self._open[len(closed) :]))
        self._open = []
        return closed

    @property
    def first_open(self) -> int | None:
        """The sequence of the first parcel that is open or next; None when nothing is left."""
        parcel = self._open[0] if self._open else self.peek()
        return parcel.sequence if parcel else None

    @property
    def after_open(self) -> int | None:
        """The sequence after the last open parcel, or that of the next one; None when nothing is left."""
        return self._open[-1].sequence + 1 if self._open else self.first_open


def prepared(items: Iterator[T]) -> Generator[T]:
    """The same items, made ready by another thread while the earlier ones are used.

    A replay waits for Kafka most of the time; reading and encoding need not wait with it.
    """

    def some() -> list[T]:
        return list(islice(items, _AHEAD))

    with ThreadPoolExecutor(1, thread_name_prefix="prepare") as thread:
        coming = thread.submit(some)
        while found := coming.result():
            coming = thread.submit(some)
            yield from found


class Job(NamedTuple):
    """What to pack: a run's recording and its plan, and where.

    begin: the span to begin with. counted: the first sequence that is not counted. held: the first that the
    topics do not hold. flush: the sequence of the run's flush when they hold that.
    """

    recording: Recording
    plan: Plan
    store: ObjectStore
    begin: SpanStart
    counted: int
    held: int
    flush: int | None = None


def parcels(job: Job, stopped: Callable[[], bool]) -> Generator[Parcel] | Arriving[Parcel]:
    """The parcels that are not counted, in order; those that the topics hold carry no messages.

    stopped: whether the run was asked to end; only an endless one is. Raises what reading the dataset raised;
    RunFailed when the process is gone.
    """
    seconds = job.recording.seconds
    if seconds is None:
        return Arriving(packed(job, stopped))
    if len(seconds) >= MANY:
        return _apart(job)
    return prepared(packed(job, stopped))


def packed(job: Job, stopped: Callable[[], bool] = never) -> Iterator[Parcel]:
    """The same, made as they are asked for."""
    plan, recording = job.plan, job.recording
    if isinstance(recording, Recipe):
        recording = recording.made_for(plan, job.store)
    source, pipeline = source_of(plan.pipeline), pipeline_of(plan.pipeline)
    counting = Counting(pipeline, source.facts, plan.options)

    def ended(sequence: int, is_new: bool) -> bool:
        # Between two spans, and behind what is there: a span is sent whole, and a run has one at least.
        may_end = is_new and sequence >= job.held and sequence > plan.first_sequence
        return sequence == job.flush or (may_end and stopped())

    batches = recording.batches(job.begin.span)
    for delivery in deliveries(batches, plan, pipeline, source.value, job.begin, ended):
        if delivery.sequence >= job.counted:
            carried = delivery.values if delivery.sequence >= job.held else {}
            yield Parcel(delivery.due, delivery.span, counting.of(delivery), carried)


def _apart(job: Job) -> Generator[Parcel]:
    with _packer(job) as answers:
        while isinstance(found := _answer(answers), list):
            yield from map(Parcel._make, found)
    if isinstance(found, StreamweirError):
        raise found


def _write(found: Iterator[Parcel], out: IO[bytes]) -> None:
    """Write parcels for the process that asked, then None, or the error that ended them."""
    end: StreamweirError | None = None
    try:
        # A plain tuple is written without the name of its class.
        while some := list(map(tuple, islice(found, _AT_ONCE))):
            pickle.dump(some, out, protocol=5)
    except StreamweirError as error:
        end = error
    pickle.dump(end, out, protocol=5)


@contextmanager
def _packer(job: Job) -> Iterator[IO[bytes]]:
    """The answers of a process that packs; it is ended with the block."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both pipes were asked for")
        if sys.platform == "linux":
            # An account that has many pipes may be refused; a smaller one only takes longer.
            with suppress(PermissionError):
                fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            # When it is gone already, the first answer is missing.
            with suppress(BrokenPipeError), process.stdin as asked:
                pickle.dump(tuple(job), asked, protocol=5)
            yield process.stdout
        finally:
            process.kill()


def _answer(answers: IO[bytes]) -> Any:
    try:
        return pickle.load(answers)
    except (EOFError, pickle.UnpicklingError) as error:
        raise RunFailed(
            "the process that reads the dataset ended too early; its last lines are above"
        ) from error


if __name__ == "__main__":
    _write(packed(Job(*pickle.load(sys.stdin.buffer))), sys.stdout.buffer)
