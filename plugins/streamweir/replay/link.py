"""The way to Kafka: opened anew after an error, with what the topics hold read back before going on."""

import logging
from collections.abc import Callable

from kafka.errors import KafkaError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from streamweir.broker.clients import kafka_errors, refused
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.errors import Retryable
from streamweir.replay.position import Position, position

OUTAGE_S = 300
"""How long a replay tries again when Kafka is away."""
_LOG = logging.getLogger(__name__)


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
        topics = [self._stream.topic(topic.name) for topic in self._pipeline.inputs]
        with kafka_errors(self._kafka, f"open the replay of {self._stream}"):
            self._writer = TransactionalWriter(self._kafka, f"{self._stream}.replay", topics)
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
