"""The page of a run's table: who sees what, a link per row, and a download that runs nothing."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from streamweir.arrow import parquet, schema_of
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from tests.support.memory_store import MemoryStore

DAG, RUN_ID = "card_fraud", "tables__1"
RUN = Run(Stream(DAG, stream_id_of(RUN_ID)), RUN_ID)
PAGE = f"/streamweir/dags/{DAG}/tables/{RUN_ID}/rejected"
SCRIPT = "<script>alert(1)</script>"
DETAILS = ["=1+1", "+2", "-3", "@sum", "\tx", SCRIPT, "plain"]


@pytest.fixture(scope="module", autouse=True)
def known(database: None) -> None:
    """What Airflow knows of runs."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    at = datetime(2026, 11, 30, 13, tzinfo=UTC)
    with create_session() as session:
        session.add(
            DagRun(
                dag_id=DAG, run_id=RUN_ID, run_type=DagRunType.MANUAL, conf={}, start_date=at, state="success"
            )
        )


@pytest.fixture
def store(store: MemoryStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryStore:
    """The run's rejected records; files that were fetched lie in a folder of the test's own."""
    monkeypatch.setattr("streamweir_airflow.pages.tables._folder", lambda: tmp_path)
    store.put(RUN.table_file("rejected"), parquet(table(DETAILS)))
    return store


def table(details: list[str]) -> pa.Table:
    rows = [
        {
            **dict.fromkeys(REJECTED.names),
            "topic": "transactions",
            "partition": 0,
            "offset": -place,
            "row": 0,
            "detail": detail,
            "raw": f"secret {place}".encode(),
        }
        for place, detail in enumerate(details)
    ]
    return pa.Table.from_pylist(rows, schema_of(REJECTED))


def test_a_table_is_shown_and_its_texts_are_texts(client: TestClient) -> None:
    text = client.get(PAGE).text
    assert "7 rows" in text
    assert "<td>plain</td>" in text
    assert "&lt;script&gt;alert(1)" in text
    assert SCRIPT not in text
    assert f'href="{PAGE}?_sort=detail"' in text
    assert f'href="{PAGE}?_sort=-detail"' in client.get(PAGE, params={"_sort": "detail"}).text


def test_each_row_has_a_link_that_shows_it_alone(client: TestClient) -> None:
    text = client.get(PAGE, params={"_column": "detail", "_op": "is", "_value": "plain"}).text
    assert "1 row," in text
    (link,) = [part.split('"')[0] for part in text.split('<td><a href="')[1:]]
    alone = client.get(link.replace("&amp;", "&")).text
    assert "1 row," in alone
    assert "<td>plain</td>" in alone


def test_bytes_of_rejected_records_take_more_than_the_right_to_read(client: TestClient, manager: Any) -> None:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    for address in (PAGE, f"{PAGE}/csv"):
        assert "secret" not in client.get(address).text
        by_bytes = {"_column": "raw", "_op": "contains", "_value": "secret"}
        assert client.get(address, params=by_bytes).status_code == 422
        assert client.get(address, params={"_sort": "raw"}).status_code == 422
    client.cookies.set("_token", manager.generate_jwt(SimpleAuthManagerUser(username="op", role="op")))
    for address in (PAGE, f"{PAGE}/csv"):
        assert "secret 6" in client.get(address).text


def test_a_download_holds_no_formulas(client: TestClient) -> None:
    answer = client.get(f"{PAGE}/csv", params={"_sort": "-offset"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="rejected.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["detail"] for row in rows] == ["'=1+1", "'+2", "'-3", "'@sum", "'\tx", SCRIPT, "plain"]
    assert [row["offset"] for row in rows] == ["0", "-1", "-2", "-3", "-4", "-5", "-6"], "a number is none"
    plain = client.get(f"{PAGE}/csv", params={"_column": "detail", "_op": "contains", "_value": "LAI"}).text
    assert plain.count("\n") == 2


@pytest.mark.parametrize(
    "asked",
    [
        {"nonsense": "x"},
        {"_sort": "nonsense"},
        {"_page": "0"},
        {"_page": "x"},
        {"_column": "detail", "_op": "is like"},
        {"_column": "offset", "_op": "at least", "_value": "much"},
    ],
)
def test_what_cannot_be_asked_is_said(client: TestClient, asked: dict[str, str]) -> None:
    for address in (PAGE, f"{PAGE}/csv"):
        assert client.get(address, params=asked).status_code == 422


def test_what_is_no_table_of_the_run_is_not_found(client: TestClient, store: MemoryStore) -> None:
    assert client.get(PAGE.replace("rejected", "nonsense")).status_code == 404
    assert client.get(PAGE.replace("rejected", "scored")).status_code == 404
    assert client.get(PAGE.replace(RUN_ID, "unknown")).status_code == 404


def test_a_file_is_fetched_once_while_it_stays_the_same(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fetched: list[str] = []
    download = store.download
    monkeypatch.setattr(store, "download", lambda key, path: (fetched.append(str(key)), download(key, path)))
    monkeypatch.setattr("streamweir_airflow.pages.tables.KEPT", 1)
    for _ in range(3):
        client.get(PAGE)
    assert len(fetched) == 1
    store.put(RUN.table_file("rejected"), parquet(table(["another"])))
    assert "<td>another</td>" in client.get(PAGE).text
    assert len(fetched) == 2
    assert len(list(tmp_path.iterdir())) == 1, "older files go"


def test_a_file_that_is_too_large_is_named_and_not_fetched(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("streamweir_airflow.pages.tables.MOST_BYTES", 10)
    answer = client.get(PAGE)
    assert answer.status_code == 422
    assert f"s3://runs/{RUN.table_file('rejected').key}" in answer.json()["detail"]
    assert list(tmp_path.iterdir()) == []


def test_a_runs_page_leads_to_its_tables(client: TestClient) -> None:
    text = client.get(f"/streamweir/dags/{DAG}/runs/{RUN_ID}").text
    assert f'<a href="{PAGE}">rejected</a>' in text
    assert "/scored" not in text
