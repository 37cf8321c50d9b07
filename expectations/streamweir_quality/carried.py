"""What a recomputation leaves in its run's bundle, so that the stream's later runs need no older messages."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from streamweir.contracts.formats import stored_format
from streamweir.contracts.runs import RECOMPUTED_FORMAT, Run
from streamweir.duck import put_rows
from streamweir.ledger.committed import once_again, read_commits, read_entries
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Offsets, Plan, offsets_from_json
from streamweir.replay.position import plans


@dataclass(frozen=True)
class Carried:
    """What is known of a stream's messages before the sequence `next_sequence`.

    max_ts: the largest ts of them. offsets: by input topic (short name) and partition, from where on the
    later messages lie. published: the same by output topic (full name) for what was made of the later ones.
    tables: parquet files by name, as the pipeline's `CARRIES` declares them.
    """

    next_sequence: int = 0
    max_ts: int = 0
    offsets: Offsets = field(default_factory=dict)
    published: Offsets = field(default_factory=dict)
    tables: Mapping[str, Path] = field(default_factory=dict)


BEGINNING = Carried()
"""What is known before a stream's first message."""


def offers_recompute(pipeline: str) -> bool:
    """Whether the tables of this pipeline can be worked out again."""
    return files(__package__).joinpath(pipeline, "recompute.py").is_file()


def recompute_of(pipeline: str) -> Any:
    """The pipeline's module that works its tables out again (`streamweir_quality.recompute.Recompute`)."""
    return importlib.import_module(f"{__package__}.{pipeline}.recompute")


def carries_of(pipeline: str) -> Mapping[str, pa.Schema]:
    """What the pipeline's recomputation carries on (`Recompute`): tables by name."""
    if not offers_recompute(pipeline):
        return {}
    carries: Mapping[str, pa.Schema] = recompute_of(pipeline).CARRIES
    return carries


def carried_before(store: ObjectStore, run: Run, plan: Plan, folder: Path) -> Carried:
    """What the nearest run before this one left, its tables in `folder`; BEGINNING when none left anything.

    A run that never was validated left nothing, and one may have left more than the run begins with.
    """
    before = plan.before
    while before is not None:
        earlier = Run(run.stream, before)
        found = store.get_json(earlier.recomputed)
        if found is not None and found["next_sequence"] <= plan.first_sequence:
            return _left_by(store, earlier, found, folder)
        said = store.get_json(earlier.plan)
        before = Plan.from_json(said).before if said else None
    return BEGINNING


def last_to_carry(store: ObjectStore, run: Run, plan: Plan, until: int) -> int:
    """The sequence before which messages are carried on: `until`, but none of the run that comes next."""
    later = takewhile(lambda other: other.run != run.id, plans(store, run.stream))
    starts = (other.first_sequence for other in later)
    return min([until, *(start for start in starts if start > plan.first_sequence)])


def after(carried: Carried, messages: Mapping[str, Path], next_sequence: int) -> Carried:
    """What is known before `next_sequence`, once these messages are too; without tables and `published`.

    messages: files of `MESSAGES`, by input topic.
    """
    offsets, largest = {topic: dict(known) for topic, known in carried.offsets.items()}, [carried.max_ts]
    with duckdb.connect() as sql:
        for topic, file in messages.items():
            rows = sql.read_parquet(str(file)).filter(f"sequence < {next_sequence}")
            ends = rows.aggregate('partition, max("offset") + 1, max(ts)', "partition").fetchall()
            offsets.setdefault(topic, {}).update({partition: end for partition, end, _ in ends})
            largest += [ts for _, _, ts in ends]
    return Carried(next_sequence, max(largest), offsets)


def leave(
    store: ObjectStore,
    run: Run,
    left: Carried,
    tables: Mapping[str, tuple[duckdb.DuckDBPyRelation, pa.Schema]],
    folder: Path,
) -> None:
    """Put what is known before `left.next_sequence` into the run's bundle."""
    for name, (rows, schema) in tables.items():
        put_rows(store, run.recomputed_table(name, left.next_sequence), rows, schema, folder)
    known = replace(left, published=_published_before(store, run, left.next_sequence))
    # Last, so that it never names a table that is not there.
    store.put_json(run.recomputed, {**vars(known), "tables": sorted(tables), "format": RECOMPUTED_FORMAT})


@once_again
def _published_before(store: ObjectStore, run: Run, sequence: int) -> Offsets:
    entries = read_entries(run.stream, store, sequence)
    return offsets_from_json(read_commits(run.stream, store, entries, sequence).published)


def _left_by(store: ObjectStore, run: Run, found: Mapping[str, Any], folder: Path) -> Carried:
    stored_format(found, RECOMPUTED_FORMAT, str(run.recomputed), f"validate run {run.id} again")
    folder.mkdir(parents=True, exist_ok=True)
    tables = {name: folder / f"{name}.parquet" for name in found["tables"]}
    for name, file in tables.items():
        store.download(run.recomputed_table(name, found["next_sequence"]), file)
    return Carried(
        next_sequence=found["next_sequence"],
        max_ts=found["max_ts"],
        offsets=offsets_from_json(found["offsets"]),
        published=offsets_from_json(found["published"]),
        tables=tables,
    )
