"""The rejected records of a stream or of one of its runs, as the scorer wrote them down."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.ledger.committed import once_again, read_entries, read_table
from streamweir.objectstore import ObjectStore
from streamweir.redrive.places import Place


@dataclass(frozen=True)
class Rejected:
    """A line of the table of rejected records. rows: how many records it accounts for.

    run, batch: of the message; None for a foreign one. raw: the message's bytes, or the row as JSON.
    """

    place: Place
    run: str | None
    batch: int | None
    rows: int
    id: str | None
    reason: Reason
    detail: str
    raw: bytes

    @classmethod
    def of(cls, line: dict[str, Any]) -> "Rejected":
        """From a line of the table."""
        return cls(
            place=Place(line["topic"], line["partition"], line["offset"], line["row"]),
            run=line["run"],
            batch=line["batch_index"],
            rows=line["rows"],
            id=line["id"],
            reason=Reason(line["reason"]),
            detail=line["detail"] or "",
            raw=line["raw"] or b"",
        )


def rejected_records(store: ObjectStore, stream: Stream, run_id: str = "") -> list[Rejected]:
    """The records by place: of the whole stream, or of one run and whatever foreign messages there are.

    They come from the stream's committed micro-batches, and once the stream is retired from the run's bundle.
    Raises BadConfiguration when there is neither.
    """
    frame = _of_stream(store, stream)
    if frame is None and run_id:
        frame = _of_bundle(store, Run(stream, run_id))
    if frame is None:
        whose = f"run {run_id} on stream {stream}" if run_id else f"stream {stream}"
        raise BadConfiguration(
            f"{whose} has no results: check the names, and name the run if its stream is retired"
        )
    found = map(Rejected.of, frame.to_pylist())
    mine = (record for record in found if not run_id or record.run in (None, run_id))
    return sorted(mine, key=lambda record: record.place)


def choose(records: Iterable[Rejected], reason: str, places: Sequence[Place]) -> list[Rejected]:
    """The records at these places, or all with this reason.

    Raises BadConfiguration for a place where no record was rejected, and for foreign messages, which no run
    accounts for.
    """
    by_place = {record.place: record for record in records}
    if absent := [place for place in places if place not in by_place]:
        raise BadConfiguration(f"no record was rejected at {absent[0]}: see `streamweir rejected list`")
    chosen = [record for record in by_place.values() if record.reason == reason or record.place in places]
    foreign = [record for record in chosen if record.reason is Reason.FOREIGN]
    if foreign or reason == Reason.FOREIGN:
        which = foreign[0].place if foreign else "it"
        raise BadConfiguration(
            f"a foreign message ({which}) is no replay's, so no ledger could account for it: "
            "send what it says with a replay of its own"
        )
    return chosen


@once_again
def _of_stream(store: ObjectStore, stream: Stream) -> pa.Table | None:
    entries = read_entries(stream, store)
    if not entries.found:
        return None
    frame = read_table(stream, REJECTED.name, entries, store)
    return pa.table({}) if frame is None else frame


def _of_bundle(store: ObjectStore, run: Run) -> pa.Table | None:
    data = store.get(run.table_file(REJECTED.name))
    return None if data is None else pq.read_table(io.BytesIO(data))
