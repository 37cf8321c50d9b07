"""Creating and deleting a stream's topics."""

from dataclasses import dataclass

from streamweir.connections import KafkaConnection
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline


@dataclass(frozen=True)
class ProvisionReport:
    """Which topics (full names) were created and which were there already, as declared."""

    created: tuple[str, ...]
    existing: tuple[str, ...]


def provision(kafka: KafkaConnection, stream: Stream, pipeline: Pipeline) -> ProvisionReport:
    """Make sure that all topics of the stream exist as declared."""
    raise NotImplementedError


def delete(kafka: KafkaConnection, stream: Stream) -> tuple[str, ...]:
    """Delete the stream's topics; returns the names of those that were there."""
    raise NotImplementedError
