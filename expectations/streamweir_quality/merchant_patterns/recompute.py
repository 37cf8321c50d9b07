"""`merchant_patterns` again, as one batch in DuckDB: the detections from the chunks."""

import csv
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from streamweir.arrow import schema_of
from streamweir.contracts.merchant_patterns import CHUNKS_TOPIC, DETECTIONS, HELD, Rules
from streamweir.contracts.merchant_patterns.dataset import (
    IMPORTANCE,
    TRANSACTION_KEY,
    importance_columns,
    parse_amount,
    parse_weight,
    plain,
)
from streamweir.contracts.messages import Kind
from streamweir.contracts.runs import Run
from streamweir.duck import put_rows
from streamweir.objectstore import ObjectStore
from streamweir.replay.csvfile import text_rows
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import Message, reader_of, rows

_PAYMENTS = pa.schema(
    [
        ("chunk", pa.int64()),
        ("again", pa.bool_()),
        ("customer", pa.string()),
        ("gender", pa.string()),
        ("merchant", pa.string()),
        ("units", pa.int64()),
    ]
)
_CHUNKS = pa.schema([("chunk", pa.int64()), ("run", pa.string())])

CARRIES = {
    "pairs": pa.schema(
        [
            ("merchant", pa.string()),
            ("customer", pa.string()),
            ("number", pa.int64()),
            ("units", pa.decimal128(38, 0)),
        ]
    ),
    "genders": pa.schema([("merchant", pa.string()), ("customer", pa.string()), ("gender", pa.string())]),
    "reported": pa.schema([("patternId", pa.string()), ("merchant", pa.string()), ("customer", pa.string())]),
}
"""All payments summed up, who of which gender went where, what was reported: a stream forgets nothing."""


def recompute(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> dict[str, duckdb.DuckDBPyRelation]:
    """All detections of the run, with their numbers."""
    rules = Rules.of(inputs.parameters)
    variables = {
        "run": inputs.replayed.run,
        "upgrade_above": rules.upgrade_above,
        "share_of": rules.share.numerator,
        "share_in": rules.share.denominator,
        "child_from": rules.child_from,
        "child_units": rules.child_mean.numerator,
        "child_in": rules.child_mean.denominator,
        "female_above": rules.female_above,
    }
    for name, value in variables.items():
        sql.execute(f"set variable {name} = $1", [value])
    sql.register("payment_rows", reader_of(_payments(inputs), _PAYMENTS))
    sql.execute("create table payments as from payment_rows")
    sql.register("chunk_rows", reader_of(_chunks(inputs), _CHUNKS))
    sql.execute("create table chunks as from chunk_rows")
    sql.register("weights", _weights(inputs.dataset / IMPORTANCE, rules))
    sql.execute((Path(__file__).parent / "recompute.sql").read_text(encoding="utf-8"))
    if inputs.store is not None and inputs.stream is not None:
        _tell_held(inputs.store, Run(inputs.stream, inputs.replayed.run), sql)
    return {DETECTIONS.name: sql.table("batch_detections")}


def _tell_held(store: ObjectStore, run: Run, sql: duckdb.DuckDBPyConnection) -> None:
    """Leave in the bundle how long each pattern held."""
    with TemporaryDirectory() as folder:
        rows, schema = sql.table("batch_held"), schema_of(HELD)
        put_rows(store, run.table_file(HELD.name), rows, schema, Path(folder))


def _chunks(inputs: Inputs) -> Iterator[tuple[Any, ...]]:
    """The chunks after which the patterns are looked at: those that can be read."""
    for message in inputs.replayed.of(CHUNKS_TOPIC):
        if message.headers.kind is Kind.BATCH and _table(message) is not None:
            yield message.headers.sequence, message.headers.run


def _payments(inputs: Inputs) -> Iterator[tuple[Any, ...]]:
    """The payments that can be read, of all chunks and of what was put back."""
    for message in inputs.replayed.of(CHUNKS_TOPIC):
        headers, again = message.headers, message.headers.kind is Kind.REDRIVE
        if headers.kind is Kind.FLUSH:
            continue
        found = (row for _, row in rows(message, ())) if again else _rows(message)
        for row in found:
            if (payment := _payment(row)) is not None:
                yield headers.sequence, again, *payment


def _payment(row: dict[str, Any]) -> tuple[str, str, str, int] | None:
    """Customer, gender, merchant and units; None for a row that cannot be read."""
    if any(name not in row for name in TRANSACTION_KEY):
        return None
    customer, gender, merchant, amount = (row[name] for name in TRANSACTION_KEY)
    try:
        units = parse_amount(amount)
    except ValueError:
        return None
    names = plain(customer), plain(gender), plain(merchant)
    return (*names, units) if names[0] and names[2] else None


def _rows(message: Message) -> Iterator[dict[str, Any]]:
    table = _table(message)
    if table is None:
        return
    names, lines = table
    for line in lines:
        values = _values(line)
        if values is not None and len(values) == len(names):
            yield dict(zip(names, values, strict=True))


def _table(message: Message) -> tuple[list[str], list[bytes]] | None:
    """A chunk's columns and the lines of its rows; None for one that is rejected as a whole."""
    lines = [line for one in message.value.split(b"\n") if (line := one.rstrip(b"\r"))]
    header = _values(lines[0].removeprefix(b"\xef\xbb\xbf")) if lines else None
    if header is None or len(lines) - 1 != message.headers.rows:
        return None
    names = [plain(name) for name in header]
    return (names, lines[1:]) if all(names.count(name) == 1 for name in TRANSACTION_KEY) else None


def _values(line: bytes) -> list[str] | None:
    try:
        return next(csv.reader([line.decode()], strict=True), None)
    except (UnicodeDecodeError, csv.Error):
        return None


def _weights(path: Path, rules: Rules) -> pa.Table:
    """By pair the place of its weight among all weights: DuckDB has no fractions."""
    found: dict[tuple[str, str], list[int]] = {}
    importance = text_rows(path)
    first = next(importance)
    customer, merchant, weight = importance_columns(list(first))
    for row in chain([first], importance):
        found.setdefault((plain(row[merchant]), plain(row[customer])), []).append(parse_weight(row[weight]))
    weights = {
        pair: Fraction(sum(each)) / (1 if rules.total_weight else len(each)) for pair, each in found.items()
    }
    places = {value: place for place, value in enumerate(sorted(set(weights.values())))}
    return pa.table(
        {
            "merchant": pa.array([pair[0] for pair in weights], pa.string()),
            "customer": pa.array([pair[1] for pair in weights], pa.string()),
            "place": pa.array([places[value] for value in weights.values()], pa.int64()),
        }
    )
