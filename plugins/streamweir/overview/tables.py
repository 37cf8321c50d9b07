"""Looking into a run's result table, page by page: DuckDB sorts and filters, with little memory and time."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb

from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.tables import Column, Table, Type
from streamweir.duck import BY_STATISTICS, quoted
from streamweir.errors import BadConfiguration

MEMORY = "256MB"
SECONDS = 5.0
ROWS = 50
"""On a page."""
MOST_EXPORTED = 100_000
"""Rows of a download."""
_AGAIN_S = 0.01
_NUMBERS = (Type.INT, Type.DOUBLE)


class Op(StrEnum):
    """How a column is compared with what was asked for."""

    IS = "is"
    CONTAINS = "contains"
    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True)
class Filter:
    """Rows whose value, as text, is or contains `value`, or, of a number, is at least or at most that."""

    column: str
    op: Op
    value: str


@dataclass(frozen=True)
class View:
    """What is asked of a table. sort: a column; the table's key breaks ties. page: 1 is the first."""

    filters: tuple[Filter, ...] = ()
    sort: str = ""
    descending: bool = False
    page: int = 1


@dataclass(frozen=True)
class Rows:
    """Some rows, in the order of the columns, and how many fulfil the filters in all.

    keys: of each row the columns of the table's key as text; a `Filter` with `Op.IS` for each finds the row.
    """

    rows: Sequence[tuple[Any, ...]]
    keys: Sequence[Mapping[str, str]]
    count: int


class TooMuch(BadConfiguration):
    """The question takes more memory or time than a page may take."""


def tables_of(word: str) -> dict[str, Table]:
    """The result tables of a pipeline's runs, by their names in the bundle."""
    return {stage.named(table.name): table for stage in pipeline(word).stages for table in stage.tables}


def rows_of(file: Path, columns: Sequence[Column], table: Table, view: View) -> Rows:
    """A page of the table's parquet file.

    Raises BadConfiguration for a column that the table has not or a value that is no number, and TooMuch
    where it takes too long or too much memory.
    """
    where, values = _where(columns, view.filters)
    names = [column.name for column in columns]
    texts = [f"cast({quoted([name])} as varchar)" for name in table.key]
    with _looking(file) as sql:
        count = sql.execute(f"select count(*) from looked_at {where}", values).fetchall()[0][0]
        query = _query([quoted(names), *texts], names, table, view, where)
        found = sql.execute(f"{query} limit {ROWS} offset {(view.page - 1) * ROWS}", values).fetchall()
    keys = [dict(zip(table.key, row[len(names) :], strict=True)) for row in found]
    return Rows([row[: len(names)] for row in found], keys, count)


def all_rows(file: Path, columns: Sequence[Column], table: Table, view: View) -> Sequence[tuple[Any, ...]]:
    """The rows of all pages, for a download, the first `MOST_EXPORTED`; errors as in `rows_of`."""
    where, values = _where(columns, view.filters)
    names = [column.name for column in columns]
    with _looking(file) as sql:
        query = _query([quoted(names)], names, table, view, where)
        return sql.execute(f"{query} limit {MOST_EXPORTED}", values).fetchall()


def _query(what: Sequence[str], names: Sequence[str], table: Table, view: View, where: str) -> str:
    """Rows by the column to sort by and the key; without one as the file has them, which is by the key."""
    if view.sort and view.sort not in names:
        raise BadConfiguration(f"table {table.name} has no column {view.sort!r}; it has {', '.join(names)}")
    way = "desc" if view.descending else "asc"
    order = f"order by {quoted([view.sort])} {way} nulls last, {quoted(table.key)}" if view.sort else ""
    return f"select {', '.join(what)} from looked_at {where} {order}"


def _where(columns: Sequence[Column], filters: Sequence[Filter]) -> tuple[str, list[str | float]]:
    """The condition, and what it compares with. Names are a contract's; values are never in the text."""
    found = [_condition(columns, one) for one in filters]
    text = " and ".join(condition for condition, _ in found)
    return text and f"where {text}", [value for _, value in found]


def _condition(columns: Sequence[Column], one: Filter) -> tuple[str, str | float]:
    types = {column.name: column.type for column in columns}
    if one.column not in types:
        raise BadConfiguration(f"there is no column {one.column!r}; there are {', '.join(types)}")
    name = quoted([one.column])
    if one.op is Op.IS:
        return f"cast({name} as varchar) = ?", one.value
    if one.op is Op.CONTAINS:
        return f"contains(lower(cast({name} as varchar)), lower(?))", one.value
    if types[one.column] not in _NUMBERS:
        raise BadConfiguration(f"{one.column} is no number: ask for what it is or contains")
    try:
        return f"{name} {'>=' if one.op is Op.AT_LEAST else '<='} ?", float(one.value)
    except ValueError as error:
        raise BadConfiguration(f"{one.column}: {one.value!r} is no number") from error


@contextmanager
def _looking(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees the file as `looked_at`, and is interrupted when it takes too long."""
    with duckdb.connect(config={"memory_limit": MEMORY, "threads": 1, "temp_directory": ""}) as sql:
        sql.execute("set TimeZone = 'UTC'")
        sql.execute(f"set disabled_optimizers = '{BY_STATISTICS}'")
        ended = threading.Event()
        threading.Thread(target=_interrupt, args=(sql, ended), daemon=True).start()
        try:
            sql.read_parquet(str(file)).create_view("looked_at")
            yield sql
        except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
            limits = f"{SECONDS:.0f} s or {MEMORY}"
            raise TooMuch(f"this takes more than {limits}: filter more, or take the file itself") from error
        except duckdb.Error as error:
            raise BadConfiguration(f"the table cannot be read: {error}") from error
        finally:
            ended.set()


def _interrupt(sql: duckdb.DuckDBPyConnection, ended: threading.Event) -> None:
    """End what takes too long; again and again, for between two questions nobody hears it."""
    if not ended.wait(SECONDS):
        # It may have been closed just now.
        with suppress(duckdb.ConnectionException):
            while not ended.wait(_AGAIN_S):
                sql.interrupt()
