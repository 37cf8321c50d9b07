"""Asking a scorer to stop: a marker object, so that it works the same when Spark runs elsewhere.

A request is addressed to the scorer that has the stream: the one after it does not take it for its own, and
nobody need clear it away, at the risk of losing one that has just been made.
"""

from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.status import read, timestamp


def request(store: ObjectStore, stream: Stream, why: str) -> None:
    """Ask the stream's scorer to end after its present micro-batch; it sees this within a second or two.

    Nothing happens when the stream never had one.
    """
    status = read(store, stream)
    if status is not None:
        marker = {"holder": status.holder, "requested_at": timestamp(), "why": why}
        store.put_json(stream.stop_marker, marker)


def requested(store: ObjectStore, stream: Stream, holder: str) -> bool:
    """Whether the stream's scorer with this holder was asked to stop."""
    marker = store.get_json(stream.stop_marker)
    return marker is not None and marker.get("holder") == holder
