"""Stages of the pipeline `ticks`, as processes on real servers."""

from collections.abc import Callable

import psutil
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import State, Status, read
from streamweir.variables import HOLDER

STEP = 3


def spec(stream: Stream, scorer: str = "test") -> ScorerSpec:
    return ScorerSpec(stream, scorer, "recipe", "", "UTC", 0, 100, options={"step": STEP})


def status(store: ObjectStore, stream: Stream) -> Status:
    found = read(store, stream)
    assert found is not None
    assert found.state != State.FAILED, found.error
    return found


def await_(store: ObjectStore, stream: Stream, reached: Callable[[Status], bool]) -> Status:
    tries = Retrying(
        retry=retry_if_result(lambda found: not found), wait=wait_fixed(0.2), stop=stop_after_delay(120)
    )
    tries(lambda: reached(status(store, stream)))
    return status(store, stream)


def processes(store: ObjectStore, stream: Stream) -> list[psutil.Process]:
    """The stage's own process, not its keeper."""
    found = read(store, stream)
    return [] if found is None else [one for one in psutil.process_iter() if holder_of(one) == found.holder]


def holder_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(HOLDER)
    except psutil.Error:
        return None
