"""What the suites look at: the bundle's tables, the ledger, the dataset's files, the model's card."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.connections import KafkaConnection
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.streams import ObjectKey, Run
from streamweir.contracts.tables import Pipeline
from streamweir.datasets.store import download, load
from streamweir.errors import BadConfiguration
from streamweir.models.card import Card
from streamweir.models.rule import deciding
from streamweir.objectstore import ObjectStore
from streamweir_quality.replayed import Replayed, read_replayed


@dataclass(frozen=True)
class Inputs:
    """Everything about a run that is checked. tables: by name, as they lie in the bundle.

    dataset: the folder with the dataset's files. card, version: of the run's model; None for a pipeline
    without one. first: whether the run is the first of its stream, so that `so far` starts with it.
    parameters: of the run, by their lower-case names. replayed: the messages, as Kafka holds them.
    """

    pipeline: Pipeline
    tables: Mapping[str, pa.Table]
    ledger: Mapping[str, Any]
    dataset: Path
    card: Card | None
    version: str | None
    first: bool
    parameters: Mapping[str, Any]
    replayed: Replayed

    def frame(self, table: str) -> pd.DataFrame:
        """A result table for pandas."""
        return self.tables[table].to_pandas(integer_object_nulls=True)

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
    declared = pipeline(run.stream.pipeline)
    said = _required(store, run.task("ensure_dataset"))["result"]
    model = store.get_json(run.task("ensure_model"))
    version = model["result"]["version"] if model else None
    keys = ModelKeys(declared.name)
    ledger = _required(store, run.ledger)
    return Inputs(
        pipeline=declared,
        tables={table.name: _table(store, run.table_file(table.name)) for table in declared.tables},
        ledger=ledger,
        dataset=download(store, load(store, declared.name, said["fingerprint"]), folder),
        card=Card.from_json(_required(store, keys.card(version))) if version else None,
        version=version,
        first=_required(store, run.manifest)["first_sequence"] == 0,
        parameters=_required(store, run.parameters),
        replayed=read_replayed(kafka, run, declared, ledger["next_sequence"], _lateness(store, run)),
    )


def _lateness(store: ObjectStore, run: Run) -> Callable[[str], int]:
    """What each run of the stream allows, in seconds; one that no DAG started allows what is declared."""

    @cache
    def allowed(run_id: str) -> int:
        asked = store.get_json(Run(run.stream, run_id).parameters) or {}
        return int(asked.get("lateness_s", pipeline(run.stream.pipeline).lateness_s))

    return allowed


def _table(store: ObjectStore, key: ObjectKey) -> pa.Table:
    data = store.get(key)
    if data is None:
        raise BadConfiguration(f"{key} is missing: reconcile the run first")
    return pq.read_table(io.BytesIO(data))


def _required(store: ObjectStore, key: ObjectKey) -> Any:
    value = store.get_json(key)
    if value is None:
        raise BadConfiguration(f"{key} is missing: this is not a run that got as far as its quality checks")
    return value
