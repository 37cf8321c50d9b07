"""Errors by what to do next: try again, reject the record, or stop.

A process that ends because of a `Stop` error exits with the error's `exit_code`, so that whoever
started it need not read its log.
"""

import signal


class StreamweirError(Exception):
    """Base of all errors of Streamweir; the message names the thing, the value and the remedy."""

    exit_code = 1


class Retryable(StreamweirError):
    """The same call may succeed later: a server is unreachable or answered in time-out."""

    exit_code = 4


class DependencyUnreachable(Retryable):
    """A server (Kafka, object storage, database) cannot be reached or timed out."""


class RejectRecord(StreamweirError):
    """One record cannot be worked on; it is recorded with this reason and the stream goes on."""


class Stop(StreamweirError):
    """Trying again without a change is pointless."""


class BadConfiguration(Stop):
    """A setting, parameter, topic or dataset is wrong; the message says which and how to mend it."""

    exit_code = 2


class DatasetUnusable(BadConfiguration):
    """The dataset cannot be replayed; the message names file, line and column, or the object that is not as
    it was announced."""


class ModelUnusable(Stop):
    """The model cannot be used; the message names the missing input, the stage or the checksum."""

    exit_code = 3


class StreamHeld(Stop):
    """Another scorer holds this stream's lease."""

    exit_code = 5


class RunFailed(Stop):
    """The run's result must not be trusted: rows are unexplained or a critical expectation failed."""

    exit_code = 6


class StackError(Stop):
    """The embedded stack cannot be started or stopped as asked."""


_BY_EXIT_CODE = {
    kind.exit_code: kind
    for kind in (BadConfiguration, ModelUnusable, DependencyUnreachable, StreamHeld, RunFailed)
}


def error_kind(exit_code: int | None, otherwise: type[StreamweirError]) -> type[StreamweirError]:
    """The kind of error that an exit code stands for; `otherwise` for a code that stands for none."""
    return _BY_EXIT_CODE.get(exit_code or 0, otherwise)


def error_of(exit_code: int, sentence: str, what: str) -> StreamweirError:
    """The error of a process that ended with this exit code, with its own sentence where it left one."""
    if exit_code < 0:
        return StreamweirError(f"{what} was killed by signal {signal.Signals(-exit_code).name}")
    kind = error_kind(exit_code, StreamweirError)
    return kind(sentence or f"{what} ended with exit code {exit_code}; its log lines are above")
