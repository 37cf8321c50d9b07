"""Parcels from a process of its own: reading and encoding many small batches takes as long as sending them.

The process is `python -m streamweir.replay.packer`. What goes to it and comes back is pickled: both ends are
this program.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, Any, NamedTuple

from streamweir.errors import RunFailed, StreamweirError
from streamweir.progress import Advance
from streamweir.replay.backlog import Parcel
from streamweir.replay.batches import Recording
from streamweir.replay.deliveries import Message
from streamweir.replay.plan import Plan
from streamweir.replay.produced import Produced

MANY = 20_000
"""Batches from which on it is worth a process."""
_AT_ONCE = 500

Packed = tuple[int, float, int, list[tuple[str, bytes, list[tuple[str, bytes]]]]]
"""A parcel as it travels: plain values are fast."""


class Job(NamedTuple):
    """What to pack: a run's recording, its plan, and the first sequence that the topics do not hold."""

    recording: Recording
    plan: Plan
    resumed: int


def parcels_apart(job: Job, produced: Produced, advance: Advance) -> Iterator[Parcel]:
    """The job's parcels; `produced` is complete after the last one, `advance` told of rows that are in Kafka.

    Raises what reading the dataset raised; RunFailed when the process is gone.
    """
    with _packer(job) as answers:
        while isinstance(found := _answer(answers), tuple):
            packed, skipped = found
            advance(skipped)
            yield from map(_unpacked, packed)
    if isinstance(found, StreamweirError):
        raise found
    produced.take(found)


def write_parcels(parcels: Iterator[Parcel], skipped: list[int], produced: Produced, out: IO[bytes]) -> None:
    """Write parcels for the process that asked, then the counts, or the error that ended them.

    skipped: the rows that were not packed; emptied as they are told.
    """
    try:
        while True:
            chunk = [_packed(parcel) for parcel in islice(parcels, _AT_ONCE)]
            pickle.dump((chunk, sum(skipped)), out, protocol=5)
            skipped.clear()
            if not chunk:
                break
        end: Produced | StreamweirError = produced
    except StreamweirError as error:
        end = error
    pickle.dump(end, out, protocol=5)


@contextmanager
def _packer(job: Job) -> Iterator[IO[bytes]]:
    """The answers of a process that packs; it is ended with the block."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "streamweir.replay.packer"]
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


def _packed(parcel: Parcel) -> Packed:
    carried = [(message.topic, message.value, message.headers) for message in parcel.messages]
    return parcel.sequence, parcel.due, parcel.rows, carried


def _unpacked(packed: Packed) -> Parcel:
    sequence, due, rows, carried = packed
    return Parcel(sequence, due, rows, [Message(*message) for message in carried])
