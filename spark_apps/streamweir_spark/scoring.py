"""Scoring a micro-batch: from the core's scored rows to the rows of the scored table and their messages.

The core judges which rows are duplicates before the model has seen them. A row that the model cannot score
was not scored: another one with its id, in the same micro-batch or in a later one, is no duplicate then.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamweir.contracts.rejected import BY_MODEL, Reason
from streamweir.contracts.tables import OutputTopic, Pipeline, Table
from streamweir_spark import micro_batch
from streamweir_spark.columns import UNSCORABLE
from streamweir_spark.core import Output, OutputKind
from streamweir_spark.decode import canonical
from streamweir_spark.doubts import DoubtedRow, Doubts, Key, SendOrder
from streamweir_spark.evaluating import RowByRow
from streamweir_spark.json_rows import json_rows
from streamweir_spark.micro_batch import Results, stored_schema
from streamweir_spark.outputs import PLACE, SCORED_AT, Lines, table_of

_JSON = "json of {}"
"""The column that holds a scored row's message for an output topic."""

_IN_ORDER = [("sequence", "ascending"), ("row", "ascending")]


@dataclass(frozen=True)
class Scored:
    """What became of a micro-batch. rows: of the scored table, with MESSAGE, ts and their messages.

    lines: the other outputs, with the rows that the model could not score.
    """

    rows: pa.Table
    lines: Lines


class Scoring:
    """Scores the micro-batches of a pipeline; schema: of the core's scored rows."""

    def __init__(self, pipeline: Pipeline, table: Table, results: Results, schema: pa.Schema) -> None:
        self._results, self._identity = results, pipeline.identity
        self._schema = schema.append(pa.field(SCORED_AT.name, pa.int64()))
        self._topics = [topic for topic in pipeline.outputs if topic.table == table]
        names = tuple(dict.fromkeys((*table.names, *micro_batch.MESSAGE, "ts", "row")))
        self._columns = _columns(names, schema, table)
        self._row_by_row = RowByRow(self._scores)

    @property
    def evaluations(self) -> int:
        """How often rows were given to the model."""
        return self._row_by_row.evaluations

    def score(self, scored: pa.Table, lines: Lines, doubts: Doubts) -> Scored:
        """Score the rows, and the duplicates of those that turn out to have no score.

        doubts: as the micro-batch before left them; they are brought up to date.
        """
        now = micro_batch.now_us()
        fresh = scored.append_column(SCORED_AT.name, pa.array([now] * scored.num_rows, pa.int64()))
        certain, _ = self._split(fresh, doubts.known)
        rows, failed = self._evaluated(certain)
        odd = doubts.known.keys() | set(self._keys(certain.take(pa.array(failed, pa.int64()))))
        if not odd:
            return Scored(rows, lines)
        doubts.wait(self._passed(self._split(fresh, odd)[1]))
        refused, others = self._refused(lines, odd, now)
        doubts.wait(refused)
        rows, known = self._split(rows, odd)
        outcomes = _outcomes(known, certain, failed)
        found, more = self._in_turn(doubts, outcomes)
        return Scored(pa.concat_tables([rows, *found]).sort_by(_IN_ORDER), others + more)

    def _in_turn(
        self, doubts: Doubts, outcomes: dict[SendOrder, pa.Table | str]
    ) -> tuple[list[pa.Table], Lines]:
        """The rows of ids in doubt that have a score, and the lines of those that have none.

        outcomes: of the rows that were tried already.
        """
        found, lines = list[pa.Table](), Lines()
        for tried, duplicates in doubts.turns():
            lines += [self._duplicate(row) for row in duplicates]
            left = table_of([row.content for _, row in tried if row.at not in outcomes], self._schema)
            rows, failed = self._evaluated(left)
            outcomes |= _outcomes(rows, left, failed)
            for key, row in tried:
                outcome = outcomes[row.at]
                doubts.tell(key, row, scored=not isinstance(outcome, str))
                if isinstance(outcome, str):
                    lines.append(self._rejected(row, Reason.UNSCORABLE, outcome))
                else:
                    found.append(outcome)
        return found, lines

    def _evaluated(self, rows: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """The scored rows, and by place why the others have no score."""
        if not rows.num_rows:
            return self._with_messages(self._columns.empty_table()), {}
        found = self._row_by_row(rows, self._probes())
        failed = {place: f"{BY_MODEL} fails on the row: {why}" for place, why in found.failed.items()}
        places = [place for place in range(rows.num_rows) if place not in failed]
        reasons = zip(places, found.rows[UNSCORABLE].to_pylist(), strict=True)
        failed |= {place: why for place, why in reasons if why is not None}
        kept = found.rows.filter(found.rows[UNSCORABLE].is_null())
        return self._with_messages(kept.drop_columns(UNSCORABLE)), dict(sorted(failed.items()))

    def _scores(self, rows: pa.Table) -> pa.Table:
        schema = self._columns.append(pa.field(UNSCORABLE, pa.string()))
        return (
            self._results.score(rows).select(schema.names).cast(schema)
            if rows.num_rows
            else schema.empty_table()
        )

    def _with_messages(self, rows: pa.Table) -> pa.Table:
        """The rows, and beside each its message for each topic; null where it is not repeated there."""
        for topic in self._topics:
            rows = rows.append_column(_JSON.format(topic.name), _messages(topic, rows))
        return rows

    def _probes(self) -> list[pa.Table]:
        return [pa.Table.from_pylist([dict(probe)], self._schema) for probe in self._results.probes]

    def _keys(self, rows: pa.Table) -> list[Key]:
        return list(zip(*(rows[name].to_pylist() for name in self._identity), strict=True))

    def _split(self, rows: pa.Table, odd: Collection[Key]) -> tuple[pa.Table, pa.Table]:
        """The rows of other ids, and those of these ids."""
        if not odd:
            return rows, rows.slice(0, 0)
        mask = pa.array([key in odd for key in self._keys(rows)], pa.bool_())
        return rows.filter(pc.invert(mask)), rows.filter(mask)

    def _passed(self, rows: pa.Table) -> Iterator[tuple[Key, DoubtedRow]]:
        contents = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        return zip(self._keys(rows), map(_row, contents), strict=True)

    def _refused(
        self, lines: Lines, odd: Collection[Key], now: int
    ) -> tuple[list[tuple[Key, DoubtedRow]], Lines]:
        """The lines of duplicates with these ids as rows, and the other lines."""
        refused, others = list[tuple[Key, DoubtedRow]](), Lines()
        for line in lines:
            key = self._key_of_duplicate(line)
            if key is not None and key in odd:
                content = (*(line[name] for name in PLACE), *line["values"], now)
                refused.append((key, _row(content, line)))
            else:
                others.append(line)
        return refused, others

    def _key_of_duplicate(self, line: Mapping[str, Any]) -> Key | None:
        if line["kind"] != OutputKind.REJECTED or line["reason"] != Reason.DUPLICATE or not line["values"]:
            return None
        values = dict(zip(self._schema.names[len(PLACE) :], line["values"], strict=False))
        return tuple({**line, **values}[name] for name in self._identity)

    def _duplicate(self, row: DoubtedRow) -> dict[str, Any]:
        """The line of a row that is a duplicate, although its shard may have let it pass."""
        detail = f"a record with the same {' and '.join(self._identity)} was scored before"
        return dict(row.line) if row.line else self._rejected(row, Reason.DUPLICATE, detail)

    def _rejected(self, row: DoubtedRow, reason: Reason, why: str) -> dict[str, Any]:
        """The line of a row without a score. Its bytes are those of the values that the core made of it."""
        found = dict(zip(self._schema.names, row.content, strict=True))
        values = {name: found[name] for name in self._schema.names[len(PLACE) : -1]}
        return dict.fromkeys(Output._fields) | {
            **{name: found[name] for name in PLACE},
            "kind": OutputKind.REJECTED.value,
            "rows": 1,
            "id": str(found[self._identity[-1]]),
            "reason": reason.value,
            "detail": why,
            "raw": canonical(values),
        }


def messages_of(topic: OutputTopic, rows: pa.Table) -> pa.ChunkedArray:
    """The messages that a topic gets of scored rows; null for a row that is not repeated there."""
    return rows[_JSON.format(topic.name)].cast(pa.binary())


def _outcomes(
    scored: pa.Table, tried: pa.Table, failed: Mapping[int, str]
) -> dict[SendOrder, pa.Table | str]:
    """What came of rows that were tried: a row of the scored table, or why there is none."""
    found = {place: scored.slice(number, 1) for number, place in enumerate(_places(scored))}
    places = _places(tried) if failed else []
    return {**found, **{places[number]: why for number, why in failed.items()}}


def _places(rows: pa.Table) -> list[SendOrder]:
    return list(zip(rows["sequence"].to_pylist(), rows["row"].to_pylist(), strict=True))


def _row(content: tuple[Any, ...], line: Mapping[str, Any] | None = None) -> DoubtedRow:
    sequence, place, ts = (content[PLACE.index(name)] for name in ("sequence", "row", "ts"))
    return DoubtedRow((sequence, place), ts, content, line)


def _messages(topic: OutputTopic, rows: pa.Table) -> pa.Array:
    if topic.where is None:
        return json_rows(rows, topic.fields)
    wanted = rows[topic.where].combine_chunks()
    messages = json_rows(rows.filter(wanted), topic.fields)
    found = np.full(rows.num_rows, None, dtype=object)
    found[wanted.to_numpy(zero_copy_only=False)] = messages.to_numpy(zero_copy_only=False)
    return pa.array(found, pa.string())


def _columns(names: Iterable[str], schema: pa.Schema, table: Table) -> pa.Schema:
    types = {field.name: field.type for known in (schema, stored_schema(table)) for field in known}
    return pa.schema([(name, types[name]) for name in names])
