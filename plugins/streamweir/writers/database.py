"""Rows of a stage in a PostgreSQL table: each step one transaction, in which its commit record is written.

The table `streamweir_steps` has a row for each stage: the number of its newest step, and that step's commit
record. A transaction begins with a compare-and-set on the number: of two writers of a stage the second one
waits for the row, then finds another number there and has written nothing. So a step is in the database whole
or not at all, and how far a stage is, the database itself says.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import parse_dsn
from psycopg2.extras import Json
from pyarrow import csv

from streamweir.arrow import cast, schema_of
from streamweir.commits import Commit
from streamweir.connections import DatabaseConnection
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Table, Type
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamHeld

_TYPES = {
    Type.STRING: "text",
    Type.INT: "bigint",
    Type.DOUBLE: "double precision",
    Type.BOOL: "boolean",
    Type.TIMESTAMP: "timestamp with time zone",
    Type.DATE: "date",
}
"""The types that a table in a database may have, as PostgreSQL names them."""

# A writer that stands still in its transaction would hold its successor up for ever.
_OPTIONS = "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('streamweir_steps'))"
_STEPS = (
    "CREATE TABLE IF NOT EXISTS streamweir_steps (stage text PRIMARY KEY, step bigint NOT NULL, record jsonb)"
)
_FIRST = "INSERT INTO streamweir_steps VALUES (%s, -1, NULL) ON CONFLICT DO NOTHING"
_STANDS = "SELECT record FROM streamweir_steps WHERE stage = %s"
_ADVANCE = "UPDATE streamweir_steps SET step = %s, record = %s WHERE stage = %s AND step = %s"
_COLUMNS = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = quote_ident(%s)::regclass AND attnum > 0 AND NOT attisdropped"
)

_FINAL = (
    psycopg2.DataError,
    psycopg2.IntegrityError,
    psycopg2.NotSupportedError,
    psycopg2.ProgrammingError,
)
"""What PostgreSQL answers again and again. Anything else may pass: a restart, a full disk, an outage."""
_REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry")
"""The same on connecting, where there is no class for it."""


class DatabaseTable:
    """A table of the contract's name and columns, which a stage adds rows to; made when it is not there.

    Every method raises DependencyUnreachable when PostgreSQL does not answer or cannot serve at present, and
    BadConfiguration, with table and column, when it refuses for good or its table is not the contract's.
    """

    def __init__(self, connection: DatabaseConnection, stream: Stream, table: Table) -> None:
        said = parse_dsn(connection.url)
        self._at = f"database {said.get('dbname')} on {said.get('host')}"
        self._stage, self._table = str(stream), table
        names = sql.SQL(", ").join(map(sql.Identifier, table.names))
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv)").format(
            sql.Identifier(table.name), names
        )
        with self._errors("be opened"):
            self._connection = psycopg2.connect(
                connection.url, connect_timeout=10, options=_OPTIONS, client_encoding="utf8"
            )
        with self._errors(f"make table {table.name}"), self._connection, self._connection.cursor() as cursor:
            self._prepare(cursor)

    def stands(self) -> Commit | None:
        """The commit record of the stage's newest step; None before the first.

        Raises BadConfiguration for a record of a format that is not known.
        """
        with (
            self._errors(f"say where {self._stage} stands"),
            self._connection,
            self._connection.cursor() as cursor,
        ):
            cursor.execute(_STANDS, (self._stage,))
            [record] = cursor.fetchone() or [None]
        return None if record is None else Commit.from_json(record)

    def write(self, commit: Commit, rows: pa.Table, check: Callable[[], None]) -> None:
        """Write a step: its rows, which have the table's columns, and its commit record.

        PostgreSQL keeps no U+0000 in a text: a row with one is malformed, and must not come here.
        check: as in `Work.step`; called once more when only the commit is left. Raises StreamHeld when the
        stage's newest step is not the one before: another process writes it.
        """
        step, lines = commit.batch_id, self._lines(rows)
        check()
        what = f"write step {step} of {self._stage} into table {self._table.name}"
        with self._errors(what), self._connection, self._connection.cursor() as cursor:
            cursor.execute(_ADVANCE, (step, Json(commit.to_json()), self._stage, step - 1))
            if not cursor.rowcount:
                raise StreamHeld(f"step {step} of {self._stage} was written to {self._at} by another process")
            cursor.copy_expert(self._copy, lines)
            check()

    def close(self) -> None:
        """Let go of the connection; what was not committed is gone."""
        self._connection.close()

    def _lines(self, rows: pa.Table) -> io.BytesIO:
        """The rows as COPY reads them. An empty field is null, and an empty text has quotation marks."""
        whole = cast(rows.select(self._table.names), schema_of(self._table), self._table.name)
        lines = io.BytesIO()
        csv.write_csv(whole, lines, csv.WriteOptions(include_header=False))
        lines.seek(0)
        return lines

    def _prepare(self, cursor: Any) -> None:
        declared = {column.name: _TYPES[column.type] for column in self._table.columns}
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in declared.items()
        ]
        key = sql.SQL(", ").join(map(sql.Identifier, self._table.key))
        # Stages that start at the same moment make the tables one after the other.
        cursor.execute(_ALONE)
        cursor.execute(_STEPS)
        cursor.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({}))").format(
                sql.Identifier(self._table.name), sql.SQL(", ").join(columns), key
            )
        )
        cursor.execute(_COLUMNS, (self._table.name,))
        found = dict(cursor.fetchall())
        for name, kind in declared.items():
            if found.get(name) != kind:
                raise BadConfiguration(
                    f"{self._at}: column {name} of table {self._table.name} is "
                    f"{found.get(name, 'missing')}, not {kind}: alter or rename the table"
                )
        cursor.execute(_FIRST, (self._stage,))

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            said = " ".join(str(error).split())
            if isinstance(error, _FINAL) or any(words in said for words in _REFUSED):
                raise BadConfiguration(f"{self._at} refused to {what}: {said}") from error
            raise DependencyUnreachable(f"{self._at} could not {what}: {said}") from error
