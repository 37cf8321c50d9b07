"""Putting together what a finished run left: a segment in place of thousands of small objects.

Whoever reads the stream meanwhile reads it right: first the segment is written, then the last micro-batch's
commit record goes, from where on readers take the segment; then the files, and the first commit record at the
very end: where that one is left beside its segment, somebody was interrupted, and the next one goes on.
Runs do not share micro-batches here, so that two of them may be put together at the same time. ADR 0024.
"""

import gzip
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset

from streamweir.commits import Commit, Entry, Remainder, Segment, commits_of, read_segment
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.ledger.committed import Entries, fetch_table, scan
from streamweir.objectstore import ObjectStore, to_json

FILE_BYTES = 128 * 2**20
"""A file of a segment is ended when it has become as large as this."""
GROUP_BYTES = 16 * 2**20
"""Rows of a row group, as they lie in memory."""


def compact(stream: Stream, entries: Entries, flush_sequence: int, store: ObjectStore) -> None:
    """Put together a run's micro-batches that no segment holds yet.

    entries: those of the run and what follows them. The micro-batch that reached the flush is left for the
    next run, whose first messages it may hold; the stream's newest is left for the scorer to go on from.
    """
    _finish(stream, entries, store)
    stretch = _stretch(entries.found, flush_sequence)
    if len(stretch) > 1:
        _clean(stream, _write(stream, stretch, store), store)


def _finish(stream: Stream, entries: Entries, store: ObjectStore) -> None:
    """Do what somebody who was interrupted has left."""
    before = entries.before
    if isinstance(before, Commit):
        before = read_segment(store, stream, before.batch_id)
    for segment in (before, *entries.found):
        if isinstance(segment, Segment) and store.exists(stream.commit(segment.first)):
            _clean(stream, segment, store)


def _stretch(entries: Sequence[Entry], flush_sequence: int) -> list[Commit]:
    found: list[Commit] = []
    for entry in reversed(entries[:-1]):
        if entry.next_sequence > flush_sequence:
            continue
        # One of the first format does not say which files it has.
        if isinstance(entry, Segment) or entry.files is None:
            break
        found.append(entry)
    return found[::-1]


def _write(stream: Stream, stretch: Sequence[Commit], store: ObjectStore) -> Segment:
    """Write a segment; returns the one that is there, also when another process was faster."""
    first, last = stretch[0].batch_id, stretch[-1].batch_id
    # Files of another stretch are never touched.
    place = f"{last:010d}/{first:010d}"
    files: dict[str, list[str]] = {}
    for name in sorted({name for commit in stretch for name in commit.files or ()}):
        with tempfile.TemporaryDirectory(prefix="streamweir-segment-") as folder:
            rows = fetch_table(stream, name, stretch, store, Path(folder))
            paths = _parquet(rows, Path(folder)) if rows else ()
            files[name] = [
                _upload(store, stream, f"{place}-{name}-{number:05d}.parquet", path)
                for number, path in enumerate(paths)
            ]
    commits = f"{place}-commits.jsonl.gz"
    lines = b"\n".join(orjson.dumps(_settled(commit).to_json()) for commit in stretch)
    store.put(stream.segments / commits, gzip.compress(lines))
    segment = Segment(first, last, stretch[-1].next_sequence, stretch[-1].published, files, commits)
    store.put_if_absent(stream.segment(last), to_json(segment.to_json()))
    return read_segment(store, stream, last) or segment


def _clean(stream: Stream, segment: Segment, store: ObjectStore) -> None:
    """Remove what a segment holds, and what interrupted attempts at it have left."""
    commits = commits_of(store, stream, segment)
    store.delete(stream.commit(segment.last))
    store.delete_all([stream.table_file(name, c.batch_id) for c in commits for name in c.files or ()])
    store.delete_all(list(_attempts(stream, segment, store)))
    store.delete_all([stream.commit(commit.batch_id) for commit in commits[-2:0:-1]])
    store.delete(stream.commit(segment.first))


def _attempts(stream: Stream, segment: Segment, store: ObjectStore) -> Iterator[ObjectKey]:
    """Segments that end within this one, and files of this one's end that it does not name."""
    names = [segment.commits, *(name for names in segment.files.values() for name in names)]
    own = {stream.segment(segment.last), *(stream.segments / name for name in names)}
    for key in store.list(stream.segments, after=stream.segments / f"{segment.first:010d}"):
        last = int(key.key.removeprefix(f"{stream.segments.key}/")[:10])
        if last <= segment.last and key not in own:
            yield key


def _settled(commit: Commit) -> Commit:
    """A commit without what only the next micro-batch goes on from."""
    return replace(
        commit,
        spans=[],
        doubts=[],
        totals_sha256=None,
        memory_sha256=None,
        blocks=(),
        state=None,
        remainder=Remainder(),
    )


def _upload(store: ObjectStore, stream: Stream, name: str, path: Path) -> str:
    store.upload(stream.segments / name, path)
    return name


def _parquet(rows: dataset.Dataset, folder: Path) -> Iterator[Path]:
    """Write rows, in their order, to files of a useful size; gives each when it is whole, one after the other
    in the same place."""
    groups, path = _groups(rows), folder / "rows.parquet"
    for first in groups:
        with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
            writer.write_table(first)
            while path.stat().st_size < FILE_BYTES and (group := next(groups, None)) is not None:
                writer.write_table(group)
        yield path


def _groups(rows: dataset.Dataset) -> Iterator[pa.Table]:
    held, size = list[pa.RecordBatch](), 0
    for batch in scan(rows):
        held.append(batch)
        size += batch.nbytes
        if size >= GROUP_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)
