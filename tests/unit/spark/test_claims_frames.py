"""Messages that name an object, in Spark: the workers fetch it, and what ends them ends the stream."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from streamweir.claims import Claim
from streamweir.connections import StoreConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import DatasetUnusable, DependencyUnreachable
from streamweir_spark.core import Received
from streamweir_spark.decode import unpack
from streamweir_spark.failures import as_error
from streamweir_spark.source import claiming, cut_into_parts, open_bundles
from tests.unit.core.test_claims import CHUNKS, LINES, PIPELINE, Lines
from tests.unit.spark.test_scorer_frames import as_file

HELD, GONE = ObjectKey("datasets", "drop/held.csv"), ObjectKey("datasets", "drop/gone.csv")


class OneObject(BaseHTTPRequestHandler):
    """A store that holds one object."""

    def do_GET(self) -> None:
        found = self.path == f"/w-{HELD}"
        body = LINES if found else b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/csv" if found else "application/xml")
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def connection() -> Iterator[StoreConnection]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OneObject) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield StoreConnection(f"127.0.0.1:{server.server_port}", "a", "b", secure=False, bucket_prefix="w-")
        server.shutdown()


def rows_read(
    spark: SparkSession, folder: Path, connection: StoreConnection, *keys: ObjectKey
) -> list[object]:
    messages = [
        Received(
            CHUNKS.name,
            0,
            place,
            0,
            Headers("run", place, place, 0, Kind.BATCH, 3).encode(),
            orjson.dumps(Claim.of(key, LINES).to_json()),
        )
        for place, key in enumerate(keys)
    ]
    as_file(messages, folder / "messages.parquet")
    reader = claiming(Lines(), PIPELINE, connection)
    bundles = cut_into_parts(spark.read.parquet(str(folder / "messages.parquet")), reader, 1).toArrow()
    return [unpack(part.blob)[1] for part in open_bundles(bundles["parts"].to_pylist())]


def test_a_worker_fetches_what_the_messages_name(
    spark: SparkSession, tmp_path: Path, connection: StoreConnection
) -> None:
    assert rows_read(spark, tmp_path, connection, HELD, HELD) == [[("a", 1), ("c", 3)]] * 2


def test_an_object_that_is_gone_ends_the_scorer_with_its_own_kind_of_error(
    spark: SparkSession, tmp_path: Path, connection: StoreConnection
) -> None:
    with pytest.raises(PySparkException) as raised:
        rows_read(spark, tmp_path, connection, HELD, GONE)
    error = as_error(raised.value)
    assert type(error) is DatasetUnusable
    assert str(error).startswith(f"object {GONE} was announced and is gone: put back")
    assert str(error).endswith("it goes on there")


def test_a_store_that_is_away_is_worth_another_try(spark: SparkSession, tmp_path: Path) -> None:
    away = StoreConnection("127.0.0.1:1", "a", "b", secure=False)
    with pytest.raises(PySparkException) as raised:
        rows_read(spark, tmp_path, away, HELD)
    assert type(as_error(raised.value)) is DependencyUnreachable
