"""Some days after its run an isolated stream goes: topics, checkpoint, tables. The run's bundle stays.

Of a named stream only records go, see `purge`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from streamweir.broker.topics import delete
from streamweir.connections import KafkaConnection
from streamweir.contracts.formats import stored_format
from streamweir.contracts.pipelines import stages_of
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import STREAMS, ObjectKey, Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.health import find

FORMAT = 1
"""Of the objects that say whose a stream is; the first ones of it do not say so."""


@dataclass(frozen=True)
class Trace:
    """What is known of a stream.

    isolated: whether it is its run's own; a stream that was asked for by name is nobody's to delete.
    last_sign: when a task of the run last ended, or the stream was made. alive: whether a scorer works on it.
    """

    isolated: bool
    last_sign: datetime
    alive: bool


def note_origin(store: ObjectStore, run: Run, *, isolated: bool) -> None:
    """Remember whose stream it is, so that it can be retired.

    It is its first run's, until another run asks for it by name.
    """
    found = _origin(store, run.stream)
    if found is None or (found["isolated"] and not isolated):
        made_at = datetime.now(UTC).isoformat()
        origin = {"format": FORMAT, "run": run.id, "isolated": isolated, "made_at": made_at}
        store.put_json(run.stream.origin, origin)


def overdue(trace: Trace, now: datetime, keep: timedelta) -> bool:
    """Whether the stream was isolated, is at rest, and has been for longer than `keep`."""
    return trace.isolated and not trace.alive and now - trace.last_sign > keep


def retire(
    kafka: KafkaConnection, store: ObjectStore, pipeline: str, now: datetime, keep: timedelta
) -> Iterator[Stream]:
    """Delete what overdue streams left behind; yields each stream that is gone.

    A stream without a known origin is left alone.
    """
    for stream in streams(store, pipeline):
        found = look(store, stream)
        if found is not None and overdue(found, now, keep):
            delete(kafka, stream)
            store.delete_folder(stream.root, last=stream.origin)
            yield stream


def streams(store: ObjectStore, pipeline: str) -> Iterator[Stream]:
    """The pipeline's streams that have anything in the store."""
    for name in store.folders(ObjectKey(STREAMS, pipeline)):
        yield Stream(pipeline, name)


def look(store: ObjectStore, stream: Stream) -> Trace | None:
    """What is known of a stream; None when nobody noted its origin."""
    origin = _origin(store, stream)
    if origin is None:
        return None
    records = (store.get_json(key) for key in store.list(Run(stream, origin["run"]).tasks))
    signs = [origin["made_at"], *(record["ended_at"] for record in records if record)]
    last_sign = max(datetime.fromisoformat(sign) for sign in signs)
    alive = any(find(store, stage).alive for stage in stages_of(stream))
    return Trace(origin["isolated"], last_sign, alive)


def _origin(store: ObjectStore, stream: Stream) -> Any:
    found = store.get_json(stream.origin)
    stored_format(found or {}, FORMAT, str(stream.origin), "take another stream id")
    return found
