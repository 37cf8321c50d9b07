"""Reading messages that name an object: it is fetched where the message is read, in a Python worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from streamweir.claims import Claim, fetch, most_bytes_of_env
from streamweir.connections import StoreConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.tables import Payload, Pipeline
from streamweir.objectstore import ObjectStore
from streamweir_spark.core import Reader, Reject


@dataclass(frozen=True)
class ClaimReader:
    """Gives the reader of a pipeline the objects in place of the messages that name them.

    topics: those whose batches name one; a flush has none, and a redrive carries its rows. Errors as in
    `streamweir.claims.fetch`; DependencyUnreachable when the store does not answer.
    """

    reader: Reader
    topics: frozenset[str]
    connection: StoreConnection
    most_bytes: int

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """The rows of the object, as the reader finds them."""
        if topic in self.topics and headers.kind is Kind.BATCH:
            value = fetch(_store(self.connection), Claim.read(value), self.most_bytes)
        return self.reader.read(topic, headers, value, shards)


def claiming(reader: Reader, pipeline: Pipeline, connection: StoreConnection) -> Reader:
    """The reader, given the objects that the pipeline's messages name; errors as in `most_bytes_of_env`."""
    topics = frozenset(read.topic.name for read in pipeline.reads if read.payload is Payload.REFERENCE)
    return ClaimReader(reader, topics, connection, most_bytes_of_env()) if topics else reader


@cache
def _store(connection: StoreConnection) -> ObjectStore:
    # Once in each worker: a client holds its connections.
    return ObjectStore(connection)
