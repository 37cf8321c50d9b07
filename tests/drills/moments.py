"""The moment of a fault: a place in the stream, drawn from the seed, and what the process is just doing."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
from kafka import KafkaConsumer, TopicPartition

from streamweir.broker.clients import consumer
from tests.drills.trials import DrillFailed, Trial, await_

_EARLIEST, _LATEST = 0.15, 0.6
"""As a share of the run's batches; afterwards there must be enough left for the fault to matter."""
_LOOKS = 400


@dataclass(frozen=True)
class Moment:
    """Where in the run a fault strikes: after `sequence` batches were sent or worked on."""

    sequence: int
    chance: random.Random

    @classmethod
    def draw(cls, batches: int, seed: str) -> "Moment":
        """A moment that depends on the seed alone."""
        chance = random.Random(seed)
        return cls(int(batches * chance.uniform(_EARLIEST, _LATEST)), chance)

    def await_sent(self, trial: Trial) -> None:
        """Wait until the topics hold so much."""
        await_(f"batch {self.sequence} on the topics", lambda: trial.sent() > self.sequence)

    def await_worked(self, trial: Trial) -> None:
        """Wait until the scorer has worked on so much."""
        await_(f"batch {self.sequence} worked on", lambda: trial.worked() > self.sequence, look_s=0.1)


def strike(
    moment: Moment, find: Callable[[], Sequence[psutil.Process]], is_it: Callable[[], str]
) -> tuple[str, float]:
    """Kill the processes when they are just at what `is_it` describes; it is empty when they are not.

    They are frozen while that is looked at, so that the moment cannot pass before the blow. Returns the
    description, and when it was by the monotonic clock.
    """
    for _ in range(_LOOKS):
        targets = find()
        if not targets:
            raise DrillFailed("there is no process to strike")
        with frozen(targets):
            found = is_it()
            if found:
                kill(targets)
                return found, time.monotonic()
        time.sleep(moment.chance.uniform(0.005, 0.08))
    raise DrillFailed(f"the moment did not come in {_LOOKS} looks")


def kill(targets: Sequence[psutil.Process]) -> None:
    """Kill -9."""
    for target in targets:
        with suppress(psutil.NoSuchProcess):
            target.kill()


@contextmanager
def frozen(targets: Sequence[psutil.Process]) -> Iterator[None]:
    """Stop the processes, and let them go on afterwards."""
    _signal(targets, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(targets, signal.SIGCONT)


def _signal(targets: Sequence[psutil.Process], number: signal.Signals) -> None:
    for target in targets:
        with suppress(ProcessLookupError):
            os.kill(target.pid, number)


def micro_batch(trial: Trial) -> tuple[int, str]:
    """The newest micro-batch that Spark has planned, and how far it is; empty when Spark has finished it."""
    stream = trial.run.stream
    planned, done = (_newest(trial, name) for name in ("offsets", "commits"))
    if planned <= done:
        return planned, ""
    tables = [table.name for table in trial.ground.subject.pipeline.tables]
    written = sum(trial.store.exists(stream.table_file(name, planned)) for name in tables)
    record = "its commit record" if trial.store.exists(stream.commit(planned)) else "no commit record"
    return planned, f"micro-batch {planned} with {written} tables and {record} written"


def _newest(trial: Trial, name: str) -> int:
    keys = trial.store.list(trial.run.stream.checkpoint / name)
    numbers = [key.key.rpartition("/")[2] for key in keys]
    return max((int(number) for number in numbers if number.isdigit()), default=-1)


class OpenTransaction:
    """Tells whether a transaction is open on a topic: its end lies behind the end of what is committed."""

    def __init__(self, trial: Trial) -> None:
        topic = trial.ground.subject.pipeline.leading.topic
        name = trial.run.stream.topic(topic.name)
        self._places = [TopicPartition(name, partition) for partition in range(topic.partitions)]
        kafka = trial.ground.kafka
        self._committed = consumer(kafka)
        self._all = KafkaConsumer(**kafka.client_args(), group_id=None, isolation_level="read_uncommitted")

    def __call__(self) -> str:
        """What is open, in words; empty when nothing is."""
        stable, ends = (client.end_offsets(self._places) for client in (self._committed, self._all))
        open_ = [at for at in self._places if ends[at] > stable[at]]
        return f"a transaction open on {len(open_)} partitions" if open_ else ""

    def close(self) -> None:
        """Let go of the connections."""
        self._committed.close()
        self._all.close()
