"""Reading what the committed micro-batches wrote; files without a commit record do not count."""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset

from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import RunFailed
from streamweir.objectstore import ObjectStore

_READERS = 8
"""Small objects are read side by side: waiting for the store dominates."""

_BATCH_ID = re.compile(r"/batch_id=(\d+)/")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Commit:
    """A micro-batch's commit record.

    committed_at: wall time in Unix microseconds at which its output was readable. next_sequence: the first
    sequence not worked on yet. state_bytes: what the scorer remembers after it. dropped_by_watermark: rows
    that Spark dropped by itself.
    """

    batch_id: int
    committed_at: int
    next_sequence: int
    dropped_by_watermark: int
    state_bytes: int = 0


def read_commits(stream: Stream, store: ObjectStore, first_sequence: int) -> list[Commit]:
    """The commits that can hold rows of sequence `first_sequence` or later, oldest first.

    They are read backwards, so that a long-lived stream's older commits are left alone.
    """
    found: list[Commit] = []
    keys = store.list(stream.commits)
    while keys:
        keys, chunk = keys[:-_READERS], keys[-_READERS:]
        commits = list(_side_by_side(lambda key: _commit(store, key), chunk))
        found = commits + found
        if commits[0].next_sequence < first_sequence:
            break
    return [commit for commit in found if commit.next_sequence >= first_sequence]


def read_table(stream: Stream, name: str, commits: Iterable[Commit], store: ObjectStore) -> pa.Table | None:
    """All rows that these micro-batches wrote to a table, with `batch_id`; None when there are none."""
    with tempfile.TemporaryDirectory() as folder:
        found = fetch_table(stream, name, commits, store, Path(folder))
        return None if found is None else found.to_table()


def fetch_table(
    stream: Stream, name: str, commits: Iterable[Commit], store: ObjectStore, folder: Path
) -> dataset.Dataset | None:
    """Copy what these micro-batches wrote to a table into a folder; gives all rows, with `batch_id`.

    None when there are none. A dataset reads its files when it is asked: they may be more than memory holds.
    """
    wanted = {commit.batch_id for commit in commits}
    keys = [key for key in store.list(stream.table(name)) if _batch_id(key) in wanted]
    if not keys:
        return None
    files = list(_side_by_side(lambda key: _copy(store, key, folder / name), keys))
    schema = pa.unify_schemas([pq.read_schema(file) for file in files], promote_options="default")
    place = pa.schema([("batch_id", pa.int64())])
    return dataset.dataset(
        files,
        schema=pa.unify_schemas([schema, place]),
        format="parquet",
        partitioning=dataset.partitioning(place, flavor="hive"),
    )


def _batch_id(key: ObjectKey) -> int:
    found = _BATCH_ID.search(key.key)
    return int(found.group(1)) if found else -1


def _side_by_side(work: Callable[[T], R], items: list[T]) -> Iterator[R]:
    with ThreadPoolExecutor(_READERS) as pool:
        yield from pool.map(work, items)


def _copy(store: ObjectStore, key: ObjectKey, folder: Path) -> str:
    file = folder / f"batch_id={_batch_id(key)}" / "data.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(_get(store, key))
    return str(file)


def _commit(store: ObjectStore, key: ObjectKey) -> Commit:
    record = store.get_json(key)
    if record is None:
        raise RunFailed(f"{key} vanished while it was read: somebody deletes this stream's objects")
    # A scorer of an earlier version does not say everything.
    return Commit(**{name: record[name] for name in Commit.__dataclass_fields__ if name in record})


def _get(store: ObjectStore, key: ObjectKey) -> bytes:
    data = store.get(key)
    if data is None:
        raise RunFailed(f"{key} vanished while it was read: somebody deletes this stream's objects")
    return data
