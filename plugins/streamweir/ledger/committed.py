"""Reading what the committed micro-batches wrote; files without a commit record do not count."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset

from streamweir.commits import Commit, Published, Vanished, backwards, has_file, newest
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer import status

_READERS = 8
"""Small objects are read side by side: waiting for the store dominates."""


@dataclass(frozen=True)
class Committed:
    """A stream's micro-batches from some place on, oldest first, and what it had published before them."""

    commits: Sequence[Commit]
    published: Published


def read_commits(stream: Stream, store: ObjectStore, first_sequence: int) -> Committed:
    """The commits that can hold rows of sequence `first_sequence` or later."""
    scorer = status.read(store, stream)
    last = newest(store, stream, scorer.batch_id if scorer else None)
    found: list[Commit] = []
    for commit in backwards(store, stream, last) if last else ():
        if commit.next_sequence < first_sequence:
            return Committed(found[::-1], commit.published)
        found.append(commit)
    return Committed(found[::-1], {})


def read_table(stream: Stream, name: str, commits: Sequence[Commit], store: ObjectStore) -> pa.Table | None:
    """All rows that these micro-batches wrote to a table, with `batch_id`; None when there are none."""
    with tempfile.TemporaryDirectory() as folder:
        found = fetch_table(stream, name, commits, store, Path(folder))
        return None if found is None else found.to_table()


def fetch_table(
    stream: Stream, name: str, commits: Sequence[Commit], store: ObjectStore, folder: Path
) -> dataset.Dataset | None:
    """Copy what these micro-batches wrote to a table into a folder; gives all rows, with `batch_id`.

    None when there are none. A dataset reads its files when it is asked: they may be more than memory holds.
    """

    def copied(commit: Commit) -> str | None:
        if not has_file(store, stream, commit, name):
            return None
        key = stream.table_file(name, commit.batch_id)
        data = store.get(key)
        if data is None:
            raise Vanished(key)
        file = folder / name / f"batch_id={commit.batch_id}" / "data.parquet"
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        return str(file)

    with ThreadPoolExecutor(_READERS) as pool:
        files = [file for file in pool.map(copied, commits) if file]
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
