"""Reading what the committed micro-batches wrote; files without a commit record do not count.

A run's micro-batches may be put together while they are read. An object that has vanished is then found in a
segment: `once_again` reads a second time from the start.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import dataset
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from streamweir.commits import (
    READERS,
    Commit,
    Entry,
    Published,
    Vanished,
    backwards,
    commits_of,
    files_of,
    newest,
    present,
)
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer import status

once_again = retry(retry=retry_if_exception_type(Vanished), stop=stop_after_attempt(2), reraise=True)


@dataclass(frozen=True)
class Entries:
    """A stream's entries from some place on, oldest first, and the one before them, if there is one."""

    found: Sequence[Entry]
    before: Entry | None


@dataclass(frozen=True)
class Commits:
    """A stream's commits from some place on, oldest first, and what it had published before them."""

    found: Sequence[Commit]
    published: Published


def read_entries(stream: Stream, store: ObjectStore, first_sequence: int = 0) -> Entries:
    """The entries that can hold rows of sequence `first_sequence` or later."""
    scorer = status.read(store, stream)
    last = newest(store, stream, scorer.batch_id if scorer else None)
    found: list[Entry] = []
    for entry in backwards(store, stream, last) if last else ():
        if entry.next_sequence < first_sequence:
            return Entries(found[::-1], entry)
        found.append(entry)
    return Entries(found[::-1], None)


def read_commits(stream: Stream, store: ObjectStore, entries: Entries, first_sequence: int = 0) -> Commits:
    """The commits of these entries that can hold rows of sequence `first_sequence` or later."""
    found = [commit for entry in entries.found for commit in commits_of(store, stream, entry)]
    earlier = [entries.before, *(commit for commit in found if commit.next_sequence < first_sequence)]
    published = earlier[-1].published if earlier[-1] else {}
    return Commits(found[len(earlier) - 1 :], published)


def read_table(stream: Stream, name: str, entries: Entries, store: ObjectStore) -> pa.Table | None:
    """All rows that these entries hold of a table, with `batch_id`; None when there are none."""
    with tempfile.TemporaryDirectory() as folder:
        found = fetch_table(stream, name, entries.found, store, Path(folder))
        return None if found is None else found.to_table()


def fetch_table(
    stream: Stream, name: str, entries: Sequence[Entry], store: ObjectStore, folder: Path
) -> dataset.Dataset | None:
    """Copy what these entries hold of a table into a folder; gives all rows in order, with `batch_id`.

    None when there are none. A dataset reads its files when it is asked: they may be more than memory holds.
    """

    def copied(key: ObjectKey) -> str:
        file = folder / key.key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(present(store, key))
        return str(file)

    with ThreadPoolExecutor(READERS) as pool:
        keys = pool.map(lambda entry: files_of(store, stream, entry, name), entries)
        files = list(pool.map(copied, [key for found in keys for key in found]))
    if not files:
        return None
    schema = pa.unify_schemas([pq.read_schema(file) for file in files], promote_options="default")
    place = pa.schema([("batch_id", pa.int64())])
    return dataset.dataset(
        files,
        schema=pa.unify_schemas([schema, place]),
        format="parquet",
        partitioning=dataset.partitioning(place, flavor="hive"),
    )


def scan(
    rows: dataset.Dataset, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> pa.RecordBatchReader:
    """Rows, or some columns of those that fulfil a condition, in order; to be read once.

    Other scans than this one run ahead of a slow reader, by more than a gigabyte.
    """
    scanner = rows.scanner(
        columns=None if columns is None else list(columns),
        filter=where,
        batch_readahead=0,
        fragment_readahead=1,
        use_threads=False,
        fragment_scan_options=dataset.ParquetFragmentScanOptions(pre_buffer=False),
    )
    return scanner.to_reader()
