"""Parcels made ready while the earlier ones are sent: by a thread, or by a process of its own.

Reading and encoding many small batches takes as long as sending them. The process is
`python -m streamweir.replay.parcels`. What goes to it and comes back is pickled: both ends are this program.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, Any, NamedTuple

from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.errors import RunFailed, StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.replay.backlog import Parcel, prepared
from streamweir.replay.batches import Recipe, Recording, source_of
from streamweir.replay.deliveries import Message, SpanStart, deliveries, messages
from streamweir.replay.plan import Plan
from streamweir.replay.produced import Counting, Counts
from streamweir.replay.stop import never

MANY = 20_000
"""Batches from which on it is worth a process."""
_AT_ONCE = 500

Packed = tuple[float, int, Counts, list[tuple[str, bytes, list[tuple[str, bytes]]]]]
"""A parcel as it travels: plain values are fast."""


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


def parcels(job: Job, stopped: Callable[[], bool]) -> Generator[Parcel]:
    """The parcels that are not counted, in order; those that the topics hold carry no messages.

    stopped: whether the run was asked to end; only an endless one is. Raises what reading the dataset raised;
    RunFailed when the process is gone.
    """
    seconds = job.recording.seconds
    if seconds is not None and len(seconds) >= MANY:
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
            carried = messages(delivery, plan.run) if delivery.sequence >= job.held else []
            yield Parcel(delivery.due, delivery.span, counting.of(delivery), carried)


def _apart(job: Job) -> Generator[Parcel]:
    with _packer(job) as answers:
        while isinstance(found := _answer(answers), list):
            yield from map(_unpacked, found)
    if isinstance(found, StreamweirError):
        raise found


def _write(found: Iterator[Parcel], out: IO[bytes]) -> None:
    """Write parcels for the process that asked, then None, or the error that ended them."""
    end: StreamweirError | None = None
    try:
        while some := list(map(_plain, islice(found, _AT_ONCE))):
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


def _plain(parcel: Parcel) -> Packed:
    carried = [(message.topic, message.value, message.headers) for message in parcel.messages]
    return parcel.due, parcel.span, parcel.counts, carried


def _unpacked(plain: Packed) -> Parcel:
    due, span, counts, carried = plain
    return Parcel(due, span, counts, [Message(*message) for message in carried])


if __name__ == "__main__":
    _write(packed(Job(*pickle.load(sys.stdin.buffer))), sys.stdout.buffer)
