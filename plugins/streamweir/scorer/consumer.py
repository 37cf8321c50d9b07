"""A stage that is a plain Python consumer: its life, and the steps that it takes.

The keeper runs its module as `python -m <module>`, with the arguments, connections, status object, lease,
stop and exit codes of every scorer: `streamweir.cli.run(lambda: consume(<word>, <work>))`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.tables import Pipeline
from streamweir.errors import DependencyUnreachable
from streamweir.objectstore import ObjectStore
from streamweir.scorer import stop
from streamweir.scorer.lease import Lease, held
from streamweir.scorer.reporter import Reporter
from streamweir.scorer.spec import ScorerSpec, parse
from streamweir.scorer.status import State, timestamp
from streamweir.scorer.stop import Stopping

_LOOK_S = 0.5
_IDLE_S = 0.2
"""How long a stage rests when there was nothing to do."""


@dataclass(frozen=True)
class Step:
    """What a step did, in the words of `Status`. batch_id: its number; one more for each step."""

    batch_id: int
    rows: int
    next_sequence: int
    max_ts: int | None
    end_offsets: dict[str, dict[str, int]]


class Work(Protocol):
    """What a stage does."""

    def step(self, check: Callable[[], None]) -> Step | None:
        """Take what is there and write it together with its offsets, whole or not at all; None for nothing.

        check: to be called before each write; it raises StreamHeld when another process has the stage.
        """

    def stands(self) -> Step | None:
        """The last step that was written, also by an earlier process; None before the first."""

    def close(self) -> None:
        """Let go of what it has open."""


@dataclass(frozen=True)
class Setting:
    """What a stage works with. pipeline: narrowed to the stage (`Pipeline.of_stage`)."""

    spec: ScorerSpec
    pipeline: Pipeline
    kafka: KafkaConnection
    store: ObjectStore


def consume(word: str, make: Callable[[Setting], Work], argv: Sequence[str] | None = None) -> None:
    """Work on a stream of the pipeline `word` until the stage is stopped.

    Raises StreamHeld when another process has the stage, and what the work raises.
    """
    stopping = Stopping()
    stopping.listen()
    try:
        spec, holder = parse(word, argv)
        _live(spec, holder, make, stopping)
    finally:
        stopping.close()


def _live(spec: ScorerSpec, holder: str, make: Callable[[Setting], Work], stopping: Stopping) -> None:
    pipeline = pipeline_of(spec.stream.pipeline).of_stage(spec.stream.stage)
    kafka, store = KafkaConnection.from_env(), ObjectStore(StoreConnection.from_env())
    lease = Lease(store, spec.stream, holder)
    with held(lease, stopping.lose):
        reporter = Reporter(store, spec, holder)
        reporter.show(state=State.STARTING)
        with closing(make(Setting(spec, pipeline, kafka, store))) as work:
            stands = work.stands()
            place = {} if stands is None else reporter.place(stands)
            reporter.show(state=State.RUNNING, progressed_at=timestamp(), error=None, **place)
            with _attended(store, spec, holder, reporter, stopping):
                _go_on(work, lease, reporter, stopping)
        reporter.show(state=State.STOPPING)
    reporter.show(state=State.STOPPED, error=None, exit_code=0)


def _go_on(work: Work, lease: Lease, reporter: Reporter, stopping: Stopping) -> None:
    def check() -> None:
        stopping.check()
        lease.ensure()

    while not stopping.asked:
        began = time.monotonic()
        step = work.step(check)
        if step is None:
            reporter.tick(moving=True)
            stopping.wait(_IDLE_S)
            continue
        reporter.show(
            progressed_at=timestamp(),
            rows=step.rows,
            processed_rows_per_second=round(step.rows / max(time.monotonic() - began, 1e-3), 1),
            end_offsets=step.end_offsets,
            **reporter.place(step),
        )
    stopping.check()


@contextmanager
def _attended(
    store: ObjectStore, spec: ScorerSpec, holder: str, reporter: Reporter, stopping: Stopping
) -> Iterator[None]:
    """Meanwhile, hear a request to stop, and keep the status fresh however long a step takes."""
    ended = threading.Event()

    def attend() -> None:
        while not ended.wait(_LOOK_S):
            reporter.tick(moving=False)
            with suppress(DependencyUnreachable):
                if stop.requested(store, spec.stream, holder):
                    stopping.ask()

    thread = threading.Thread(target=attend, name="attend", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
