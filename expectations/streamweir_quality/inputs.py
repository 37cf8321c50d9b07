"""What the suites look at: the bundle's tables, the ledger, the dataset's files, the model's card."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.connections import KafkaConnection
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import DATASET_TASK, MODEL_TASK, Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.contracts.tables import Pipeline
from streamweir.datasets.store import download, load
from streamweir.errors import BadConfiguration
from streamweir.models.card import Card
from streamweir.models.rule import deciding
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Plan
from streamweir_quality.carried import Carried, carried_before, carries_of, last_to_carry
from streamweir_quality.replayed import Replayed, Stretch, read_replayed


@dataclass(frozen=True)
class Stored:
    """A result table of which memory holds no more than the columns that are asked for.

    worked_out: columns beside those of the file, as long as the table. few: columns with few different texts,
    each of which is then in memory once.
    """

    file: Path
    worked_out: Mapping[str, Any] = field(default_factory=dict)
    few: Sequence[str] = ()

    def __len__(self) -> int:
        return pq.read_metadata(self.file).num_rows

    def __getitem__(self, columns: Sequence[str]) -> pd.DataFrame:
        """These columns."""
        own = [name for name in columns if name not in self.worked_out]
        beside = {name: self.worked_out[name] for name in columns if name in self.worked_out}
        return _frame(self.file, own, self.few).assign(**beside)[list(columns)]


@dataclass(frozen=True)
class Inputs:
    """Everything about a run that is checked. tables: parquet files by their names in the bundle.

    dataset: the folder with the dataset's files. card, version: of the run's model; None for a pipeline
    without one. first: whether the run is the first of its stream, so that `so far` starts with it.
    parameters: of the run, by their lower-case names. replayed: the messages, as Kafka holds them. store,
    stream: where the files lie that a suite reads itself; None for a made-up run, which has none.
    """

    pipeline: Pipeline
    tables: Mapping[str, Path]
    ledger: Mapping[str, Any]
    dataset: Path
    card: Card | None
    version: str | None
    first: bool
    parameters: Mapping[str, Any]
    replayed: Replayed
    store: ObjectStore | None = None
    stream: Stream | None = None

    def frame(self, table: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A result table for pandas, or these of its columns."""
        return _frame(self.tables[table], columns)

    def each(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The values of these columns of a result table, row by row."""
        with pq.ParquetFile(self.tables[table]) as file:
            for rows in file.iter_batches(columns=list(columns)):
                yield from zip(*(rows[name].to_pylist() for name in columns), strict=True)

    def rows(self, table: str) -> int:
        """How many rows a result table has."""
        return len(Stored(self.tables[table]))

    @property
    def threshold(self) -> float | None:
        """From which probability on a row is called fraud; None when the model's own prediction decides."""
        return deciding(self.parameters.get("threshold"), self.card).threshold if self.card else None

    @property
    def fraud_share(self) -> Mapping[str, float]:
        """What the card says of the share of fraud; empty where it says nothing, or for another threshold."""
        return self.card.fraud_share if self.card and self.card.threshold == self.threshold else {}


def gather(store: ObjectStore, kafka: KafkaConnection, run: Run, folder: Path) -> Inputs:
    """Fetch what is checked, files into `folder`; raises BadConfiguration for what is missing."""
    files = folder / "tables"
    files.mkdir(parents=True)
    declared = pipeline(run.stream.pipeline)
    said = _required(store, run.task(DATASET_TASK))["result"]
    model = store.get_json(run.task(MODEL_TASK))
    version = model["result"]["version"] if model else None
    keys = ModelKeys(declared.name)
    ledger = _required(store, run.ledger)
    plan = Plan.from_json(_required(store, run.plan))
    stretch = stretch_of(store, run, plan, ledger["next_sequence"], folder / "carried")
    return Inputs(
        pipeline=declared,
        tables={
            name: _table(store, run.table_file(name), files / f"{name}.parquet")
            for stage in declared.stages
            for name in (stage.named(table.name) for table in stage.tables)
        },
        ledger=ledger,
        dataset=download(store, load(store, declared.name, said["fingerprint"]), folder / "dataset"),
        card=Card.from_json(_required(store, keys.card(version))) if version else None,
        version=version,
        first=plan.first_sequence == 0,
        parameters=_required(store, run.parameters),
        replayed=read_replayed(
            kafka, store, run, declared, stretch, _lateness(store, run), folder / "messages"
        ),
        store=store,
        stream=run.stream,
    )


def stretch_of(store: ObjectStore, run: Run, plan: Plan, until: int, folder: Path) -> Stretch:
    """From where an earlier run left off, or from the run's first message when it asks nothing of others."""
    left_before = last_to_carry(store, run, plan, until)
    if carries_of(run.stream.pipeline):
        return Stretch(carried_before(store, run, plan, folder), until, left_before, alone=False)
    own = Carried(plan.first_sequence, offsets=plan.offsets if plan.first_sequence else {})
    return Stretch(own, until, left_before, alone=True)


def _lateness(store: ObjectStore, run: Run) -> Callable[[str], int]:
    """What each run of the stream allows, in seconds; one that no DAG started allows what is declared."""

    @cache
    def allowed(run_id: str) -> int:
        asked = store.get_json(Run(run.stream, run_id).parameters) or {}
        return int(asked.get("lateness_s", pipeline(run.stream.pipeline).lateness_s))

    return allowed


def _table(store: ObjectStore, key: ObjectKey, file: Path) -> Path:
    if not store.exists(key):
        raise BadConfiguration(f"{key} is missing: reconcile the run first")
    store.download(key, file)
    return file


def _frame(file: Path, columns: Sequence[str] | None, few: Sequence[str] = ()) -> pd.DataFrame:
    rows = pq.read_table(file, columns=None if columns is None else list(columns), read_dictionary=list(few))
    frame = rows.to_pandas(integer_object_nulls=True)
    del rows
    # Arrow would keep what it read into, beside the frame: for numbers, 20 bytes of each.
    pa.default_memory_pool().release_unused()
    return frame


def _required(store: ObjectStore, key: ObjectKey) -> Any:
    value = store.get_json(key)
    if value is None:
        raise BadConfiguration(f"{key} is missing: this is not a run that got as far as its quality checks")
    return value
