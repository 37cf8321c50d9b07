"""The plugin's pages: who may open them, what they show, and that nothing of the data is code in them."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.errors import DependencyUnreachable
from tests.support.memory_store import MemoryStore

DAG, DENIED = "card_fraud", "clickstream_anomaly"
RUN_ID = "manual__2026-11-30T13:00:00+00:00"
RUN = Run(Stream(DAG, stream_id_of(RUN_ID)), RUN_ID)
NAMED = Run(Stream(DAG, "prod"), "scheduled__1")
LOST = Run(Stream(DENIED, stream_id_of("r")), "r")
IN_AIRFLOW = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
"""What Airflow 3.3.2 finds plugins with is called deprecated."""
TRAINED = Run(Stream(DAG, stream_id_of("t")), "t")
SCRIPT = "<script>alert(1)</script>"
REPORT = f"/streamweir/dags/{DAG}/runs/manual__2026-11-30T13%3A00%3A00%2B00%3A00/report.html"


@pytest.fixture(scope="module", autouse=True)
def known(database: None) -> None:
    """What Airflow knows of runs."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    runs = [(DAG, RUN, {"stream": None}), (DAG, NAMED, {"stream": "prod"}), (DENIED, LOST, {})]
    runs += [(f"{DAG}_train", TRAINED, {}), (f"{DENIED}_train", LOST, {})]
    with create_session() as session:
        for dag_id, run, conf in runs:
            at = datetime(2026, 11, 30, 13, tzinfo=UTC)
            session.add(
                DagRun(dag_id=dag_id, run_id=run.id, run_type=DagRunType.MANUAL, conf=conf, start_date=at)
            )


@pytest.fixture
def store(store: MemoryStore) -> MemoryStore:
    store.put(RUN.report, f"<h1>{SCRIPT}</h1>".encode())
    store.put(RUN.data_docs, b"docs")
    store.put(RUN.summary, b"{}")
    store.put(RUN.plot("ledger"), b"png")
    store.put(RUN.table_file("rejected"), SCRIPT.encode())
    store.put(NAMED.report, b"named")
    store.put(LOST.report, b"denied")
    store.put(TRAINED.training, b"{}")
    return store


def address(route: str, dag: str, run: str = "r", name: str = "report.html") -> str:
    return "/streamweir" + route.replace("{name:path}", name).format(dag_id=dag, run_id=run)


@pytest.mark.parametrize("route", ["/dags/{dag_id}", "/dags/{dag_id}/runs/{run_id}/{name:path}"])
class TestEveryRoute:
    def test_without_a_session_nothing_is_shown(self, stranger: TestClient, route: str) -> None:
        for dag in (DAG, DENIED, "nothing"):
            assert stranger.get(address(route, dag)).status_code == 401

    def test_a_session_that_is_none_is_refused(self, stranger: TestClient, route: str) -> None:
        stranger.cookies.set("_token", "made up")
        assert stranger.get(address(route, DAG)).status_code == 403

    def test_a_dag_that_is_denied_is_not_shown_and_one_that_is_allowed_is(
        self, client: TestClient, route: str
    ) -> None:
        refused = client.get(address(route, DENIED))
        assert (refused.status_code, refused.json()) == (403, {"detail": "Forbidden"})
        # Its bundles lie among those of the pipeline.
        assert client.get(address(route, f"{DENIED}_train")).status_code == 403
        assert client.get(address(route, DAG, RUN_ID)).status_code == 200

    def test_a_dag_cannot_be_named_a_second_time(self, client: TestClient, route: str) -> None:
        for dag in (DENIED, "~"):
            assert client.get(address(route, dag), params={"dag_id": DAG}).status_code == 403

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_it_is_for_reading(self, client: TestClient, route: str, method: str) -> None:
        assert client.request(method, address(route, DAG)).status_code == 405


def test_there_is_no_description_of_the_routes(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/"):
        assert client.get(f"/streamweir{path}").status_code == 404


def test_a_report_is_shown_as_it_is_and_nothing_in_it_is_code(client: TestClient) -> None:
    answer = client.get(REPORT)
    assert answer.content == f"<h1>{SCRIPT}</h1>".encode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"].split("; ")
    assert "sandbox allow-popups" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("quality/index.html", "text/html; charset=utf-8"),
        ("summary.json", "application/json"),
        ("plots/ledger.png", "image/png"),
    ],
)
def test_what_people_look_at_is_shown(client: TestClient, name: str, kind: str) -> None:
    answer = client.get(REPORT.replace("report.html", name))
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


def test_the_bundle_of_a_named_stream_is_found(client: TestClient) -> None:
    assert client.get(f"/streamweir/dags/{DAG}/runs/scheduled__1/report.html").content == b"named"


def test_a_runs_page_lists_its_files_with_links_and_the_buckets_name(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "bucket", lambda key: f"prefix-{key.bucket}")
    text = client.get(REPORT.removesuffix("report.html")).text
    assert f"s3://prefix-runs/{RUN.bundle.key}" in text
    assert f'<a href="{REPORT}">report.html</a>' in text
    # The bytes of rejected records are not for everybody who may read.
    assert "<td>rejected/data.parquet</td>" in text
    assert f'<a href="/streamweir/dags/{DAG}">All runs</a>' in text


def test_a_part_of_the_bundle_is_listed(client: TestClient) -> None:
    text = client.get(REPORT.replace("report.html", "plots")).text
    assert "plots/ledger.png</a>" in text
    assert "report.html</a>" not in text


def test_a_table_is_named_and_not_shown(client: TestClient) -> None:
    answer = client.get(REPORT.replace("report.html", "rejected/data.parquet"))
    assert f"s3://runs/{RUN.table_file('rejected').key}" in answer.text
    assert "alert(1)" not in answer.text


def test_what_is_not_there_yet_is_said_to_be_missing(client: TestClient, store: MemoryStore) -> None:
    store.delete(RUN.report)
    answer = client.get(REPORT)
    assert answer.status_code == 404
    assert "nothing is there. The run is queued; its report is written last" in answer.text


def test_a_training_has_its_own_files(client: TestClient) -> None:
    text = client.get(f"/streamweir/dags/{DAG}_train/runs/t/").text
    assert f'href="/streamweir/dags/{DAG}_train/runs/t/training.json"' in text


@pytest.mark.parametrize(
    "path",
    [
        f"/{DAG}/runs/unknown/report.html",
        f"/{DAG}/runs/{RUN_ID}/%2e%2e/%2e%2e/x/report.html",
        f"/{DAG}/runs/{RUN_ID}/..%2f..%2fx/report.html",
        "/clean_airflow",
        "/clean_airflow/runs/r/report.html",
    ],
)
def test_what_is_no_run_of_a_pipeline_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(f"/streamweir/dags{path}").status_code == 404


def test_a_dags_page_lists_its_runs(client: TestClient) -> None:
    text = client.get(f"/streamweir/dags/{DAG}").text
    assert f'<a href="{REPORT}">Report</a>' in text
    assert "2026-11-30 13:00:00" in text
    assert "scheduled__1" in text
    assert f"s3://runs/{DAG}/" in text


def test_names_are_texts_in_a_page(client: TestClient, store: MemoryStore) -> None:
    store.put(RUN.bundle / f"{SCRIPT}.json", b"{}")
    text = client.get(REPORT.removesuffix("report.html")).text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text


def test_a_store_that_is_away_is_said_in_a_sentence(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DependencyUnreachable("the object store does not answer: see `make status`")

    monkeypatch.setattr(store, "get", away)
    answer = client.get(REPORT)
    assert (answer.status_code, answer.text) == (503, "the object store does not answer: see `make status`")


def links(dag: Any, run_id: str) -> dict[str, dict[str, str]]:
    """What Airflow's api-server makes of the stored DAG and the plugin: by task, its links."""
    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.serialization.serialized_objects import DagSerialization

    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    found: dict[str, dict[str, str]] = {}
    for name, task in stored.task_dict.items():
        of_task = TaskInstanceKey(dag.dag_id, name, run_id)
        said = {link: task.get_extra_links(SimpleNamespace(key=of_task), link) for link in task.extra_links}
        found[name] = {link: address for link, address in said.items() if address}
    return found


@IN_AIRFLOW
@pytest.mark.parametrize(
    "dag_id", ["card_fraud", "clickstream_anomaly", "ecommerce_fraud", "merchant_patterns"]
)
def test_every_task_of_a_run_links_to_its_page_report_docs_and_files(dags, dag_id: str) -> None:
    run = f"/streamweir/dags/{dag_id}/runs/manual__2026-11-30T13%3A00%3A00%2B00%3A00/"
    wanted = {
        "Run": run.removesuffix("/"),
        "Report": f"{run}report.html",
        "Data Docs": f"{run}quality/index.html",
        "Files": run,
    }
    assert links(dags[dag_id], RUN_ID) == dict.fromkeys(dags[dag_id].task_ids, wanted)


@IN_AIRFLOW
def test_a_training_links_to_its_page_and_files(dags) -> None:
    there = f"/streamweir/dags/{DAG}_train/runs/t"
    files = {"Run": there, "Files": f"{there}/"}
    assert links(dags[f"{DAG}_train"], "t") == {"ensure_dataset": files, "train_model": files}


def test_a_dags_page_links_to_its_runs_and_to_the_streams(dags) -> None:
    for dag_id in (DAG, f"{DAG}_train", DENIED):
        assert f"(/streamweir/dags/{dag_id})" in dags[dag_id].doc_md
        assert "(/streamweir/streams)" in dags[dag_id].doc_md


def test_all_addresses_are_below_airflows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamweir_airflow.addresses import page, url

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/team/airflow/")
    assert page(DAG) == f"/team/airflow/streamweir/dags/{DAG}"
    assert (
        url(DAG, "r", "report.html")
        == f"https://example.org/team/airflow/streamweir/dags/{DAG}/runs/r/report.html"
    )
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080")
    assert url(DAG, "r") == f"http://127.0.0.1:8080/streamweir/dags/{DAG}/runs/r/"
