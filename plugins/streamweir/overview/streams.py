"""The streams and what their scorers last said of themselves."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from streamweir.commits import READERS
from streamweir.contracts.pipelines import pipeline_names, stages_of
from streamweir.contracts.streams import STREAMS, ObjectKey, Stream
from streamweir.objectstore import ObjectStore
from streamweir.retention import streams
from streamweir.scorer.health import FRESH_FOR_S, STARTS_WITHIN_S
from streamweir.scorer.status import State, Status, read

WORKING, STOPPED, FAILED, SILENT, NEVER = "working", "stopped", "failed", "silent", "never started"
"""What is said of a scorer. silent: it has said nothing for too long."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dt\d\d-\d\d-\d\d")
"""In the names of bundles, and of streams that are called like their run: Airflow's run ids hold it."""


@dataclass(frozen=True)
class Seen:
    """A stage of a stream at one look. status: None when no scorer was ever started. word: how the scorer is.

    silent_s: for how many seconds it has said nothing, by this machine's clock.
    """

    stage: Stream
    status: Status | None
    word: str
    silent_s: float | None

    @property
    def works(self) -> bool:
        """Whether a scorer is at work."""
        return self.word == WORKING

    @property
    def doing(self) -> str:
        """What the scorer is at, or what ended it; empty for one that never was."""
        status = self.status
        if status is None:
            return ""
        if status.error and self.word in (FAILED, SILENT):
            return status.error
        if self.word == SILENT:
            return f"said {status.state} and nothing since"
        at = "" if status.batch_id is None else f", {status.rows:,} rows in the last micro-batch"
        return (status.doing if status.state == State.STARTING and status.doing else status.state) + at


def every_stage(objects: ObjectStore, pipeline: str = "") -> list[Stream]:
    """The streams of one pipeline or of all, as each of their stages has them."""
    words = [pipeline] if pipeline else pipeline_names()
    return [stage for word in words for stream in streams(objects, word) for stage in stages_of(stream)]


def newest_streams(objects: ObjectStore, pipelines: Iterable[str]) -> list[Stream]:
    """The streams of these pipelines by their names alone: first those with a name of their own, then those
    that are one run's, the newest first."""
    named: list[Stream] = []
    of_runs: list[Stream] = []
    for word in pipelines:
        names = objects.folders(ObjectKey(STREAMS, word))
        for found, some in zip((named, of_runs), named_and_of_runs(names), strict=True):
            found.extend(Stream(word, name) for name in some)
    return [*named, *sorted(of_runs, key=lambda stream: moment_in(stream.id), reverse=True)]


def look(objects: ObjectStore, some: Iterable[Stream]) -> list[Seen]:
    """One look at each stage of these streams: an object a stage is read, side by side.

    `health.find` looks for longer and compares no clocks; a page cannot wait for it.
    """
    stages, now = [stage for stream in some for stage in stages_of(stream)], datetime.now(UTC)
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(partial(read, objects), stages))
    return [_seen(stage, status, now) for stage, status in zip(stages, found, strict=True)]


def _seen(stage: Stream, status: Status | None, now: datetime) -> Seen:
    if status is None:
        return Seen(stage, None, NEVER, None)
    silent_s = max((now - datetime.fromisoformat(status.updated_at)).total_seconds(), 0)
    comes_up = status.state in (State.STARTING, State.RESTARTING)
    fresh = silent_s <= (STARTS_WITHIN_S if comes_up else FRESH_FOR_S)
    return Seen(stage, status, word_of(status, alive=fresh), silent_s)


def word_of(status: Status, *, alive: bool) -> str:
    """How a scorer is. alive: whether it was seen to say something, or did so not long ago."""
    ended = {State.STOPPED: STOPPED, State.FAILED: FAILED}.get(State(status.state))
    return ended or (WORKING if alive else SILENT)


def moment_in(name: str) -> tuple[str, str]:
    """What a name is sorted by: its moment, then itself; one without a moment comes before all others."""
    found = _MOMENT.search(name)
    return found[0] if found else "", name


def named_and_of_runs(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The streams that have a name of their own, and those that are called like their run, oldest first."""
    by_moment = sorted(names, key=moment_in)
    named = [name for name in by_moment if not _MOMENT.search(name)]
    return named, by_moment[len(named) :]
