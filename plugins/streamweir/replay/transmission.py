"""Sending a run's deliveries on schedule, several to a transaction when they come fast.

The way to Kafka is opened anew after an error, with what the topics hold read back before going on.
"""

import logging
import time
from collections.abc import Callable

from kafka.errors import KafkaError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from streamweir.broker.clients import kafka_errors, refused
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import partition_of
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration, Retryable
from streamweir.replay.parcels import Backlog, Parcel
from streamweir.replay.position import Position, position
from streamweir.replay.stop import never

OUTAGE_S = 300
"""How long a replay tries again when Kafka is away."""
_LOG = logging.getLogger(__name__)
_LOOK_S = 1.0
TRANSACTION_S = 0.1
"""How long deliveries that are due are put into one transaction before it is committed."""


class Link:
    """A stream's one replay writer. Opening it shuts out an earlier writer of the stream, wherever it is."""

    def __init__(self, kafka: KafkaConnection, stream: Stream, pipeline: Pipeline) -> None:
        self._kafka, self._stream, self._pipeline = kafka, stream, pipeline
        self._writer: TransactionalWriter | None = None

    @property
    def writer(self) -> TransactionalWriter | None:
        """The open writer; None after an error."""
        return self._writer

    def look(self) -> Position:
        """The stream's position, without shutting anybody out."""
        return position(self._kafka, self._stream, self._pipeline)

    def open(self) -> Position:
        """Open the writer; returns what the topics hold now that nobody else can write."""
        with kafka_errors(self._kafka, f"open the replay of {self._stream}"):
            self._writer = TransactionalWriter(self._kafka, f"{self._stream}.replay")
        return self.look()

    def drop(self) -> None:
        """Let go of the writer; the transaction's outcome shows at the next `open`."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def persist(self, action: Callable[[], None]) -> None:
        """Do something with Kafka, again and again while it is away; the link is dropped before each new try.

        Raises DependencyUnreachable after `OUTAGE_S`, BadConfiguration at once when Kafka refuses.
        """
        with kafka_errors(self._kafka, f"take the messages of {self._stream}"):
            for attempt in Retrying(
                retry=retry_if_exception(_passes),
                stop=stop_after_delay(OUTAGE_S),
                wait=wait_random_exponential(multiplier=0.2, max=3),
                before_sleep=self._note,
                reraise=True,
            ):
                with attempt:
                    action()

    def _note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        _LOG.warning("the messages were not taken (%s); trying again", error)
        self.drop()


def _passes(error: BaseException) -> bool:
    return isinstance(error, Retryable) or (isinstance(error, KafkaError) and not refused(error))


class Schedule:
    """When each second of the virtual clock, or of a count of batches, is due in real time.

    Every wait is computed from one fixed moment, so that errors do not add up: a batch that goes out late
    does not make the next one late. pace: how many pass per real second; 0 means that all is due at once.
    hurry: whether all is due at once from now on.
    """

    def __init__(self, pace: float, first_due: float, hurry: Callable[[], bool] = never) -> None:
        self._pace, self._hurry = pace, hurry
        self._zero = time.monotonic() - (first_due / pace if pace else 0)

    def wait_s(self, due: float) -> float:
        """Real seconds until the second `due`; 0 or less when it is due."""
        if not self._pace or self._hurry():
            return 0
        return self._zero + due / self._pace - time.monotonic()

    def wait(self, due: float) -> None:
        """Return when the second `due` is due."""
        while (seconds := self.wait_s(due)) > 0:
            time.sleep(min(seconds, _LOOK_S))


class Transmission:
    """Sends what a backlog holds through an open link, each delivery exactly once.

    sent: called with each parcel that Kafka holds, in order. offsets: per topic (short name) and partition
    the offset after the run's last record. rows: of the first input topic, sent so far. seconds: from the
    first transaction's begin to the last one's commit. off_schedule_s: the most that a delivery was handed to
    Kafka after the moment it was due.
    """

    def __init__(
        self,
        run: Run,
        pipeline: Pipeline,
        backlog: Backlog,
        link: Link,
        begun: Position,
        sent: Callable[[Parcel], None],
    ) -> None:
        self._run, self._backlog, self._link, self._sent = run, backlog, link, sent
        self._partitions = {topic.name: topic.partitions for topic in pipeline.inputs}
        self.offsets = {name: dict(ends) for name, ends in begun.offsets.items()}
        self.rows, self.seconds, self.off_schedule_s = 0, 0.0, 0.0

    def send_all(self, pace: float, hurry: Callable[[], bool] = never) -> None:
        """Send everything at this pace (see `Plan.pace`), or at once; errors as in `Link.persist`."""
        first = self._backlog.peek()
        if first is None:
            return
        schedule, begun = Schedule(pace, first.due, hurry), time.monotonic()
        while (parcel := self._backlog.peek()) is not None:
            schedule.wait(parcel.due)
            self._link.persist(lambda: self._transact(schedule))
        self.seconds = time.monotonic() - begun

    def _transact(self, schedule: Schedule) -> None:
        writer = self._link.writer or self._reopen()
        if not self._is_due(schedule):
            # The transaction that broke had arrived after all, and nothing else is due.
            return
        writer.begin()
        end = time.monotonic() + TRANSACTION_S
        while self._is_due(schedule):
            parcel = self._backlog.take()
            self.off_schedule_s = max(self.off_schedule_s, -schedule.wait_s(parcel.due))
            self._write(writer, parcel)
            # What was written becomes visible before the next is waited for.
            if time.monotonic() > end or self._backlog.is_waiting:
                break
        ends = writer.commit()
        self._confirm(self._backlog.after_open)
        for (topic, partition), offset in ends.items():
            self.offsets[topic.rpartition(".")[2]][partition] = offset

    def _is_due(self, schedule: Schedule) -> bool:
        parcel = self._backlog.peek()
        return parcel is not None and schedule.wait_s(parcel.due) <= 0

    def _write(self, writer: TransactionalWriter, parcel: Parcel) -> None:
        for message in parcel.messages(self._run.id):
            partition = partition_of(parcel.sequence, self._partitions[message.topic])
            writer.send(self._run.stream.topic(message.topic), partition, message.value, message.headers)

    def _reopen(self) -> TransactionalWriter:
        """Open the link again and find out what became of the transaction that was open when it broke."""
        found = self._link.open()
        first, after, writer = self._backlog.first_open, self._backlog.after_open, self._link.writer
        if not (writer and first is not None and after is not None and self._is_own(found, first, after)):
            raise BadConfiguration(
                f"stream {self._run.stream} is at sequence {found.next_sequence}, this replay at {first}: "
                "another replay has taken over the stream"
            )
        self.offsets = {name: dict(ends) for name, ends in found.offsets.items()}
        self._confirm(found.next_sequence)
        return writer

    def _is_own(self, found: Position, first: int, after: int) -> bool:
        """Whether the stream ends before or after the open transaction, or within it, but with this run's."""
        last = found.last.run if found.last else None
        return found.next_sequence == first or (first < found.next_sequence <= after and last == self._run.id)

    def _confirm(self, next_sequence: int | None) -> None:
        for parcel in self._backlog.confirm(next_sequence or 0):
            self.rows += parcel.rows
            self._sent(parcel)
