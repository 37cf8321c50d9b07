"""Asking a scorer to stop: a marker object, so that it works the same when Spark runs elsewhere."""

from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.status import timestamp


def request(store: ObjectStore, stream: Stream, why: str) -> None:
    """Ask the stream's scorer to end after its present micro-batch; it sees this within a second or two."""
    store.put_json(stream.stop_marker, {"requested_at": timestamp(), "why": why})


def requested(store: ObjectStore, stream: Stream) -> bool:
    """Whether the stream's scorer was asked to stop."""
    return store.exists(stream.stop_marker)


def clear(store: ObjectStore, stream: Stream) -> None:
    """Forget an old request, before a scorer is started."""
    store.delete(stream.stop_marker)
