"""What came out of a run, freed of everything that two equal runs may differ in."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow.parquet as pq

from streamweir.broker.records import read_topic
from streamweir.connections import KafkaConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey
from streamweir.objectstore import ObjectStore
from tests.drills.subjects import Subject

_OWN = ("run", "stream", "offset")
"""What names the run or depends on Kafka's transaction markers."""
_SHOWN = 160

Rows = Counter[str]


@dataclass(frozen=True)
class Outcome:
    """The rows of a run by where they lie (`table x`, `topic x`, `files x`, `ledger`, ...); what was lost."""

    rows: Mapping[str, Rows]
    unexplained: int

    @property
    def count(self) -> int:
        """How many rows there are to compare."""
        return sum(rows.total() for rows in self.rows.values())

    def empty(self) -> list[str]:
        """Where there is nothing to compare."""
        return [place for place, rows in self.rows.items() if not rows]


def outcome(run: Run, subject: Subject, kafka: KafkaConnection, store: ObjectStore) -> Outcome:
    """Everything that the run left for its readers."""
    left_out = {*_OWN, *subject.wall}
    found: dict[str, Rows] = {}
    for table in subject.pipeline.tables:
        found[f"table {table.name}"] = _rows(_table(store, run.table_file(table.name)), left_out)
    for topic in subject.pipeline.outputs:
        records = read_topic(kafka, run.stream.topic(topic.name))
        found[f"topic {topic.name}"] = _rows((orjson.loads(record.value) for record in records), left_out)
    ledger = store.get_json(run.ledger)
    found["ledger"] = _rows([{**ledger, "batches": None}, *ledger["batches"]], left_out)
    for key in store.list(run.stream.root):
        if key.key.endswith(".csv"):
            text = io.StringIO((store.get(key) or b"").decode(), newline="")
            # A stop in between may cut a file in two.
            place = f"files {key.key.removeprefix(run.stream.root.key).rpartition('/')[0]}"
            found[place] = found.get(place, Rows()) + _rows(csv.DictReader(text, restkey="rest"), left_out)
    for key in store.list(run.plots):
        if key.key.endswith(".json"):
            found[f"plot {key.key.rpartition('/')[2]}"] = _rows(store.get_json(key)["points"], left_out)
    return Outcome(found, ledger["unexplained"])


def differences(expected: Outcome, found: Outcome) -> list[str]:
    """What is not equal, in words; empty when everything is."""
    said = [f"{found.unexplained} rows are unexplained"] if found.unexplained else []
    for place in sorted({*expected.rows, *found.rows}):
        wanted, there = expected.rows.get(place, Counter()), found.rows.get(place, Counter())
        for word, rows in (("lacks", wanted - there), ("has besides", there - wanted)):
            if rows:
                said.append(f"{place} {word} {rows.total()} rows, such as {next(iter(rows))[:_SHOWN]}")
    return said


def _table(store: ObjectStore, key: ObjectKey) -> Iterable[dict[str, Any]]:
    data = store.get(key)
    return [] if data is None else pq.read_table(io.BytesIO(data)).to_pylist()


def _rows(rows: Iterable[Mapping[str, Any]], left_out: set[str]) -> Rows:
    return Counter(
        repr(sorted((name, value) for name, value in row.items() if name not in left_out)) for row in rows
    )
