"""Writers on real servers: stages that kill themselves between their writes, and what PostgreSQL answers."""

import csv
import io
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2 import sql
from tenacity import Retrying, retry_if_result, stop_after_delay

from infra import postgres
from infra.stack import Stack
from streamweir.commits import Commit
from streamweir.connections import DatabaseConnection, KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Column, Table, Type
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamHeld
from streamweir.ledger import reconcile
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Request
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay
from streamweir.scorer.launch import start
from streamweir.scorer.spec import Servers
from streamweir.scorer.status import drained
from streamweir.writers.database import DatabaseTable
from tests.support.ticking import STEP, await_, spec

STAGES = ("files", "rows", "lake")
BATCHES = 900
THINGS = Table(
    "things",
    (
        Column("offset", Type.INT),
        Column("text", Type.STRING),
        Column("CPC", Type.DOUBLE),
        Column("good", Type.BOOL),
        Column("at", Type.TIMESTAMP),
        Column("day", Type.DATE),
    ),
    key=("offset",),
)
AT = datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=UTC)
STAGE = Stream("ticks", "s", "rows")


@pytest.fixture
def database(stack: Stack) -> Iterator[DatabaseConnection]:
    """A database and its role, of which nothing is left afterwards."""
    name = sql.Identifier(f"test-{uuid.uuid4().hex[:12]}")
    with closing(postgres.connect(stack.layout, postgres.USER)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        cursor.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(name))
        yield DatabaseConnection(
            f"host={stack.layout.sockets} user={name.strings[0]} dbname={name.strings[0]}"
        )
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        cursor.execute(sql.SQL("DROP ROLE {}").format(name))


def query(database: DatabaseConnection, text: str) -> list[tuple[Any, ...]]:
    in_utc = "-c timezone=UTC"
    with closing(psycopg2.connect(database.url, options=in_utc)) as connection, connection.cursor() as cursor:
        cursor.execute(text)
        connection.commit()
        return cursor.fetchall() if cursor.description else []


def things(*offsets: int, text: str | None = "x") -> pa.Table:
    values = {"text": text, "CPC": 0.1, "good": True, "at": AT, "day": AT.date()}
    return pa.Table.from_pylist([{"offset": offset, **values} for offset in offsets])


def unchecked() -> None:
    """The stage is nobody else's."""


def numbers(manifest: Manifest) -> list[tuple[int, int, int, datetime]]:
    """Sequence, place, number and time of all numbers that were sent."""
    assert manifest.batches == BATCHES
    return [
        (k, place, manifest.start_ts + k * STEP, datetime.fromtimestamp(manifest.start_ts + k, UTC))
        for k in range(BATCHES)
        for place in range(k % 5)
    ]


def assert_files(store: ObjectStore, stream: Stream, sent: list[tuple[int, int, int, datetime]]) -> None:
    """All files but the last are full, and named by the number of their first line."""
    files = {key: store.get(key) or b"" for key in store.list(stream.root / "files")}
    parsed = [list(csv.reader(io.StringIO(data.decode()))) for data in files.values()]
    assert {tuple(rows[0]) for rows in parsed} == {("line", "sequence", "place", "number", "worked_at")}
    firsts = range(1, len(sent) + 1, 50)
    assert [key.key.split("/")[-1] for key in files] == [f"lines_{first:08d}.csv" for first in firsts]
    found = [tuple(map(int, row[:4])) for rows in parsed for row in rows[1:]]
    assert found == [(line, *row[:3]) for line, row in enumerate(sent, 1)]


def assert_lake(store: ObjectStore, stream: Stream, sent: list[tuple[int, int, int, datetime]]) -> None:
    """What lies there is all that was sent, each row in the folder of its minute."""
    found = []
    for key in store.list(stream.root / "lake"):
        [day, minute, name] = key.key.split("/")[-3:]
        rows = pq.read_table(io.BytesIO(store.get(key) or b"")).to_pylist()
        assert name.endswith(".parquet")
        assert {
            (f"date={row['at']:%Y-%m-%d}", f"minute={row['at']:%H}%3A{row['at']:%M}") for row in rows
        } == {(day, minute)}
        found += [(row["sequence"], row["place"], row["number"], row["at"]) for row in rows]
    assert sorted(found) == sent


def test_stages_that_are_killed_between_their_writes_write_everything_once(
    kafka: KafkaConnection,
    store: ObjectStore,
    scorer_store_connection: StoreConnection,
    database: DatabaseConnection,
    ticking: Stream,
    tmp_path: Path,
) -> None:
    request = Request("recipe", speed=0, batches=BATCHES, options={"step": STEP})
    run = Run(ticking, "r1")
    manifest = replay(run, request, kafka=kafka, store=store, folder=tmp_path)
    servers = Servers(kafka, scorer_store_connection, SparkConnection(), database)
    stages = [ticking.of_stage(name) for name in STAGES]
    for stage in stages:
        start(spec(stage), servers, store, tmp_path)
    for stage in stages:
        found = await_(store, stage, lambda found: drained(found, manifest))
        assert found.restarts == len(store.list(stage.own / "kills")) == 4
        assert found.max_ts == manifest.flush_ts
    sent = numbers(manifest)
    assert len(sent) == 1800
    assert_files(store, ticking, sent)
    assert_lake(store, ticking, sent)
    order = 'SELECT "sequence", place, number, at FROM numbers ORDER BY 1, 2'
    assert query(database, order) == sent
    ledger = reconcile(run, kafka, store)
    assert ledger.ok
    assert {name: line.worked for name, line in ledger.totals.items()} == {
        f"{name}.ticks": len(sent) for name in STAGES
    }


def test_values_come_back_as_they_were(database: DatabaseConnection) -> None:
    texts = ["", 'a,"b"\r\n\\.\nc', "\\N", "ünï \U0001f600", None]
    numbers = [0.1 + 0.2, 1e-300, -0.0, float("inf"), None]
    flags = [True, False, None, True, None]
    rows = [
        {"offset": 2**62 + at, "text": text, "CPC": number, "good": good, "at": AT, "day": AT.date()}
        for at, (text, number, good) in enumerate(zip(texts, numbers, flags, strict=True))
    ]
    with closing(DatabaseTable(database, STAGE, THINGS)) as table:
        table.write(Commit(0), pa.Table.from_pylist(rows), unchecked)
    found = query(database, 'SELECT "offset", text, "CPC", good, at, day FROM things ORDER BY 1')
    # As text, because 0.0 equals -0.0.
    assert [repr(row) for row in found] == [repr(tuple(row.values())) for row in rows]


def test_a_step_that_was_not_committed_is_gone_with_its_rows(database: DatabaseConnection) -> None:
    with closing(DatabaseTable(database, STAGE, THINGS)) as table:
        assert table.stands() is None
        table.write(Commit(0, next_sequence=5), things(1, 2), unchecked)
        checks = iter([False, True])

        def cut() -> None:
            # The rows and the step are written; the connection goes before they are committed.
            if next(checks):
                query(
                    database,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )

        with pytest.raises(DependencyUnreachable, match=r"could not write step 1 of ticks.s.rows into table"):
            table.write(Commit(1, next_sequence=9), things(3, 4), cut)
    with closing(DatabaseTable(database, STAGE, THINGS)) as table:
        assert table.stands() == Commit(0, next_sequence=5)
        table.write(Commit(1, next_sequence=9), things(3, 4), unchecked)
        assert table.stands() == Commit(1, next_sequence=9)
    assert query(database, 'SELECT "offset" FROM things ORDER BY 1') == [(1,), (2,), (3,), (4,)]


def test_the_second_of_two_writers_waits_for_the_first_one_and_writes_nothing(
    database: DatabaseConnection,
) -> None:
    waits = Retrying(retry=retry_if_result(lambda found: not found), stop=stop_after_delay(25))
    with (
        closing(DatabaseTable(database, STAGE, THINGS)) as first,
        closing(DatabaseTable(database, STAGE, THINGS)) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        late: list[Future[None]] = []
        checks = iter([False, True])

        def other_comes() -> None:
            if next(checks):
                late.append(pool.submit(second.write, Commit(0), things(2), unchecked))
                waits(query, database, "SELECT 1 FROM pg_locks WHERE NOT granted")

        first.write(Commit(0), things(1), other_comes)
        with pytest.raises(StreamHeld, match=r"step 0 of ticks.s.rows was written to database .* another"):
            late[0].result()
    assert query(database, 'SELECT "offset" FROM things') == [(1,)]


def test_stages_share_a_table_and_stand_apart(database: DatabaseConnection) -> None:
    for at, name in enumerate(("one", "other")):
        with closing(DatabaseTable(database, Stream("ticks", name, "rows"), THINGS)) as table:
            assert table.stands() is None
            table.write(Commit(0, next_sequence=at), things(at), unchecked)
            assert table.stands() == Commit(0, next_sequence=at)
    assert query(database, 'SELECT "offset" FROM things ORDER BY 1') == [(0,), (1,)]


@pytest.mark.parametrize(
    ("made", "column"),
    [
        ("text varchar(12)", "text of table things is character varying(12), not text"),
        ("txt text", "text of table things is missing, not text"),
    ],
)
def test_a_table_that_is_not_the_contract_s_is_named_with_its_column(
    database: DatabaseConnection, made: str, column: str
) -> None:
    query(database, f'CREATE TABLE things ("offset" bigint, {made}, "CPC" double precision)')
    with pytest.raises(BadConfiguration, match=f"column {column.replace('(', '[(]').replace(')', '[)]')}"):
        DatabaseTable(database, STAGE, THINGS)


def test_what_the_database_refuses_for_good_is_said_with_table_and_column(
    database: DatabaseConnection,
) -> None:
    with closing(DatabaseTable(database, STAGE, THINGS)) as table:
        with pytest.raises(BadConfiguration, match=r"into table things: .*0x00 .*COPY things, line 2"):
            table.write(Commit(0), pa.concat_tables([things(1), things(2, text="a\0b")]), unchecked)
        with pytest.raises(
            BadConfiguration, match=r"into table things: duplicate key .*\(1\) already exists"
        ):
            table.write(Commit(0), things(1, 1), unchecked)
        query(database, "ALTER TABLE things ALTER text TYPE varchar(2)")
        with pytest.raises(BadConfiguration, match=r"into table things: .* line 1, column text: \"long\""):
            table.write(Commit(0), things(1, text="long"), unchecked)
        query(database, "ALTER TABLE things ADD COLUMN asked text NOT NULL")
        with pytest.raises(BadConfiguration, match=r'into table things: null value in column "asked"'):
            table.write(Commit(0), things(1), unchecked)
        assert table.stands() is None
    elsewhere = DatabaseConnection(database.url.replace("dbname=", "dbname=no-"))
    with pytest.raises(BadConfiguration, match=r"database no-test-\w+ on .* does not exist"):
        DatabaseTable(elsewhere, STAGE, THINGS)
    with pytest.raises(DependencyUnreachable, match=r"database d on /nowhere could not be opened"):
        DatabaseTable(DatabaseConnection("host=/nowhere dbname=d"), STAGE, THINGS)
