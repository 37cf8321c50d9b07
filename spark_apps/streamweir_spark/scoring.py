"""Scoring a micro-batch: from the core's scored rows to the rows of the scored table and their messages.

The core judges which rows are duplicates before the model has seen them. A row that the model cannot score
was not scored: another one with its id, in the same micro-batch or in a later one, is no duplicate then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from streamweir.contracts.rejected import BY_MODEL, Reason
from streamweir.contracts.tables import OutputTopic, Pipeline, Table
from streamweir_spark import commit as commits
from streamweir_spark.columns import quoted, struct
from streamweir_spark.decode import canonical
from streamweir_spark.evaluating import RowByRow
from streamweir_spark.model import UNSCORABLE
from streamweir_spark.parts import Output, OutputKind
from streamweir_spark.results import Results
from streamweir_spark.tables import stored_schema
from streamweir_spark.transform import PLACE, SCORED_AT, Lines, table_of

_JSON = "json of {}"
"""The column that holds a scored row's message for an output topic."""
_JSON_OPTIONS = "map('ignoreNullFields', 'false', 'timeZone', 'UTC')"

Key = tuple[object, ...]
"""The values of a record's identity (`Pipeline.identity`)."""


@dataclass(frozen=True)
class Scored:
    """What became of a micro-batch. rows: of the scored table, with MESSAGE, ts and their messages.

    lines: the other outputs, with the rows that the model could not score. unscored: the keys that the core
    takes for scored, and that are not, with the ts of their rows.
    """

    rows: pa.Table
    lines: Lines
    unscored: Mapping[Key, int]


class Scoring:
    """Scores the micro-batches of a pipeline; schema: of the core's scored rows."""

    def __init__(self, pipeline: Pipeline, table: Table, results: Results, schema: pa.Schema) -> None:
        self._results, self._identity = results, pipeline.identity
        self._schema = schema.append(pa.field(SCORED_AT.name, pa.int64()))
        self._topics = [topic for topic in pipeline.outputs if topic.table == table]
        names = tuple(dict.fromkeys((*table.names, *commits.MESSAGE, "ts", "row")))
        self._select = (*map(quoted, names), *map(_message, self._topics), UNSCORABLE)
        self._empty = _columns(names, schema, table, self._topics).empty_table()
        self._row_by_row = RowByRow(self._transformed)
        self._spark: SparkSession | None = None

    @property
    def evaluations(self) -> int:
        """How often rows were given to the model."""
        return self._row_by_row.evaluations

    def score(self, spark: SparkSession, scored: pa.Table, lines: Lines, before: Mapping[Key, int]) -> Scored:
        """Score the rows, and the duplicates of those that turn out to have no score.

        before: `unscored` of the micro-batch before.
        """
        self._spark = spark
        now, parts, others, unscored = commits.now_us(), list[pa.Table](), list(lines), dict(before)
        fresh = scored.append_column(SCORED_AT.name, pa.array([now] * scored.num_rows, pa.int64()))
        while True:
            rows, failed = self._evaluated(fresh)
            parts += [rows] if rows.num_rows else []
            for key in self._keys(fresh):
                unscored.pop(key, None)
            odd = fresh.take(pa.array(failed, pa.int64()))
            unscored.update(zip(self._keys(odd), odd["ts"].to_pylist(), strict=True))
            others += [self._rejected(fresh.slice(place, 1), why) for place, why in failed.items()]
            again, others = self._again(others, unscored)
            if not again:
                break
            plain = [(*(line[name] for name in PLACE), *line["values"], now) for line in again]
            fresh = table_of(plain, self._schema)
        found = pa.concat_tables(parts or [self._empty])
        if len(parts) > 1:
            found = found.sort_by([("sequence", "ascending"), ("row", "ascending")])
        return Scored(found, others, unscored)

    def _evaluated(self, rows: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """The scored rows, and by place why the others have no score."""
        if not rows.num_rows:
            return self._empty, {}
        found = self._row_by_row(rows, self._probes())
        failed = {place: f"{BY_MODEL} fails on the row: {why}" for place, why in found.failed.items()}
        places = [place for place in range(rows.num_rows) if place not in failed]
        reasons = zip(places, found.rows[UNSCORABLE].to_pylist(), strict=True)
        failed |= {place: why for place, why in reasons if why is not None}
        kept = found.rows.filter(found.rows[UNSCORABLE].is_null())
        return kept.drop_columns(UNSCORABLE), dict(sorted(failed.items()))

    def _transformed(self, rows: pa.Table) -> pa.Table:
        if self._spark is None or not rows.num_rows:
            return self._empty.append_column(UNSCORABLE, pa.array([], pa.string()))
        return self._results.score(self._spark.createDataFrame(rows)).selectExpr(*self._select).toArrow()

    def _probes(self) -> list[pa.Table]:
        return [pa.Table.from_pylist([dict(probe)], self._schema) for probe in self._results.probes]

    def _keys(self, rows: pa.Table) -> list[Key]:
        return list(zip(*(rows[name].to_pylist() for name in self._identity), strict=True))

    def _again(self, lines: Lines, unscored: Mapping[Key, int]) -> tuple[Lines, Lines]:
        """The first duplicate of each key that was not scored after all, by sequence; and the other lines."""
        if not unscored:
            return [], lines
        again: dict[Key, dict[str, Any]] = {}
        others: Lines = []
        for line in sorted(lines, key=_sequence_and_row):
            key = self._key_of_duplicate(line)
            if key is not None and key in unscored and key not in again:
                again[key] = line
            else:
                others.append(line)
        return list(again.values()), others

    def _key_of_duplicate(self, line: Mapping[str, Any]) -> Key | None:
        if line["kind"] != OutputKind.REJECTED or line["reason"] != Reason.DUPLICATE or not line["values"]:
            return None
        values = dict(zip(self._schema.names[len(PLACE) :], line["values"], strict=False))
        return tuple({**line, **values}[name] for name in self._identity)

    def _rejected(self, row: pa.Table, why: str) -> dict[str, Any]:
        """The line of a row without a score. Its bytes are those of the values that the core made of it."""
        (found,) = row.to_pylist()
        values = {name: found[name] for name in self._schema.names[len(PLACE) : -1]}
        return dict.fromkeys(Output._fields) | {
            **{name: found[name] for name in PLACE},
            "kind": OutputKind.REJECTED.value,
            "rows": 1,
            "id": str(found[self._identity[-1]]),
            "reason": Reason.UNSCORABLE.value,
            "detail": why,
            "raw": canonical(values),
        }


def messages_of(topic: OutputTopic, rows: pa.Table) -> pa.ChunkedArray:
    """The messages that a topic gets of scored rows; null for a row that is not repeated there."""
    return rows[_JSON.format(topic.name)].cast(pa.binary())


def _sequence_and_row(line: Mapping[str, Any]) -> tuple[int, int]:
    return line["sequence"] or 0, line["row"] or 0


def _message(topic: OutputTopic) -> str:
    """The SQL that makes a scored row's message, null for a row that is not repeated."""
    value = f"to_json({struct(topic.fields)}, {_JSON_OPTIONS})"
    wanted = value if topic.where is None else f"CASE WHEN {quoted(topic.where)} THEN {value} END"
    return f"{wanted} AS {quoted(_JSON.format(topic.name))}"


def _columns(
    names: Iterable[str], schema: pa.Schema, table: Table, topics: Iterable[OutputTopic]
) -> pa.Schema:
    types = {field.name: field.type for known in (schema, stored_schema(table)) for field in known}
    messages = ((_JSON.format(topic.name), pa.string()) for topic in topics)
    return pa.schema([*((name, types[name]) for name in names), *messages])
