"""From a finished run one click leads to what it left, and Airflow's assets know what it made."""

from collections.abc import Iterator

import httpx
import pytest

from infra.stack import Stack
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from tests.drills.airflow import Airflow
from tests.support.dag_runs import signed_in

DAG = "ecommerce_fraud"


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with signed_in(stack) as client:
        yield client


def test_each_task_links_to_report_docs_and_files_and_the_links_open(
    run: Run, airflow: Airflow, client: httpx.Client, store: ObjectStore, stack: Stack
) -> None:
    tasks = airflow.tasks(DAG, run.id)
    links = {
        task.task: client.get(f"/api/v2/dags/{DAG}/dagRuns/{run.id}/taskInstances/{task.task}/links").json()
        for task in tasks
    }
    wanted = {"Report": run.report, "Data Docs": run.data_docs}
    assert len(links) == 12
    for task, said in links.items():
        assert set(said["extra_links"]) == {*wanted, "Run", "Files"}, task
    found = links["replay"]["extra_links"]
    for name, key in wanted.items():
        assert client.get(found[name]).content == store.get(key), name
        assert httpx.get(f"{stack.settings.airflow_url}{found[name]}").status_code == 401, name
    files = client.get(found["Files"]).text
    assert f"s3://{store.bucket(run.bundle)}/{run.bundle.key}" in files
    assert found["Report"] in files
    assert run.id in client.get(f"/streamweir/dags/{DAG}").text
    page = client.get(found["Run"]).text
    assert f'src="{found["Report"]}"' in page
    assert "publish_report" in page


def test_airflow_shows_the_pages_where_it_was_asked_to(client: httpx.Client, run: Run) -> None:
    plugins = {plugin["name"]: plugin for plugin in client.get("/api/v2/plugins").json()["plugins"]}
    views = {view["destination"]: view["href"] for view in plugins["streamweir"]["external_views"]}
    for href in views.values():
        address = href.replace("{DAG_ID}", DAG).replace("{RUN_ID}", run.id)
        assert client.get(f"/{address}").status_code == 200, href
    assert set(views) == {"nav", "dag", "dag_run"}


def test_a_log_ends_with_a_link_that_opens(run: Run, airflow: Airflow, client: httpx.Client) -> None:
    (said,) = [
        str(line["event"])
        for line in airflow.log(DAG, run.id, "reconcile", 1)
        if str(line["event"]).startswith("the result lies at")
    ]
    address = said.partition("(")[2].removesuffix(")")
    assert client.get(address).json()["run"] == run.id


def test_what_the_run_made_is_told_once_with_what_is_new(
    run: Run, client: httpx.Client, store: ObjectStore
) -> None:
    answer = client.get("/api/v2/assets/events", params={"source_dag_id": DAG, "source_run_id": run.id})
    events = {event["source_task_id"]: event for event in answer.json()["asset_events"]}
    assert answer.json()["total_entries"] == len(events)
    dataset, champion, ran = (
        events[task]["extra"] for task in ("ensure_dataset", "ensure_model", "publish_report")
    )
    assert dataset["fingerprint"] == store.get_json(run.task("ensure_dataset"))["result"]["fingerprint"]
    assert sum(dataset["rows"].values()) > 1000
    assert champion["version"] == store.get_json(ModelKeys(DAG).champion)["version"]
    assert (ran["run"], ran["outcome"]) == (run.id, store.get_json(run.summary)["outcome"])
    assert ran["rows"] == store.get_json(run.ledger)["totals"]
    assert client.get(ran["report"]).content == store.get(run.report)
