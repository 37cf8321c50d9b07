"""Two runs chosen in the list and set side by side, and the lines over all runs of the list."""

import re
from datetime import UTC, datetime
from typing import cast

import pytest
from fastapi.testclient import TestClient

from streamweir.comparison import put_comparison
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from tests.support.made_up_pair import made_up_run
from tests.support.memory_store import MemoryStore

DAG, TRAIN = "card_fraud", "card_fraud_train"
FIRST, SECOND, THIRD, OTHER = "side-1", "side~2", "side-3", "side-4"
NOTHING = "\N{EN DASH}"
COMPARE = f"/streamweir/dags/{DAG}/compare"


@pytest.fixture(scope="module", autouse=True)
def known(database: None) -> None:
    """What Airflow knows of runs."""
    from airflow.models import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    with create_session() as session:
        for name in (FIRST, SECOND, THIRD, OTHER):
            run = DagRun(
                dag_id=DAG,
                run_id=name,
                run_type=DagRunType.MANUAL,
                conf={},
                start_date=datetime(2026, 11, 30, 13, tzinfo=UTC),
                state=DagRunState.SUCCESS,
            )
            session.add(run)


@pytest.fixture
def runs(store: MemoryStore) -> dict[str, Run]:
    """Three finished runs of the same messages and one of others, with summaries."""
    made = {name: made_up_run(store, DAG, name) for name in (FIRST, SECOND, THIRD)}
    made[OTHER] = made_up_run(store, DAG, OTHER, start_ts=7)
    for at, run in enumerate(made.values(), start=1):
        store.put_json(run.summary, summary(at))
    return made


def summary(at: int) -> dict[str, object]:
    """What the report of a run says: its scorer was `at` times as fast, its latency and rejects `at` times as
    large, its precision 0.`at`."""
    counts = {"produced": 1_000, "scored": 1_000 - 10 * at, "malformed": 4 * at, "late": 6 * at}
    judged = [{"measure": "precision", "value": at / 10}, {"measure": "recall", "value": None}]
    return {
        "outcome": "success",
        "rows": {"transactions": {**counts, "unexplained": 0}, "tables": {"scored": 1_000}},
        "scorer": {"rows_per_second": 1_000.0 * at},
        "latency_s": {"p50": 0.5, "p95": 1.0 * at},
        "analysis": {"judgement": judged, "by_size": [{"size": 1}]},
    }


def compared(client: TestClient, baseline: str, candidate: str) -> str:
    answer = client.get(COMPARE, params={"baseline": baseline, "candidate": candidate})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_two_runs_are_chosen_in_the_list(client: TestClient, runs: dict[str, Run]) -> None:
    text = client.get(f"/streamweir/dags/{DAG}").text
    assert f'<form method="get" action="{COMPARE}" id="compare"' in text
    for name in ("baseline", "candidate"):
        chosen = re.findall(f'name="{name}" value="([^"]+)" form="compare"', text)
        assert {FIRST, THIRD, OTHER} <= set(chosen)
    assert "compare" not in client.get(f"/streamweir/dags/{TRAIN}").text.split("</style>")[1]


def test_their_figures_stand_side_by_side(client: TestClient, runs: dict[str, Run]) -> None:
    text = compared(client, FIRST, THIRD)
    for label, first, second in (
        ("rows scored a second", "1,000", "3,000"),
        ("latency, 95 % within", "1.00 s", "3.00 s"),
        ("rejected, of the rows sent", "1.00%", "3.00%"),
        ("precision of the alerts", "10.00%", "30.00%"),
        ("recall of the alerts", NOTHING, NOTHING),
    ):
        row = f'<th scope="row">{label}</th><td>{first}</td><td>{second}</td>'
        assert row in text, label


def test_tables_that_were_not_compared_are_by_a_command(client: TestClient, runs: dict[str, Run]) -> None:
    text = compared(client, FIRST, SECOND)
    assert "<pre>streamweir compare side-1 &#39;side~2&#39; --pipeline card_fraud</pre>" in text


def test_a_comparison_that_is_stored_is_shown_for_its_own_baseline_only(
    client: TestClient, store: MemoryStore, runs: dict[str, Run]
) -> None:
    found = put_comparison(cast(ObjectStore, store), FIRST, runs[THIRD])
    assert found["outcome"] == "equal"
    text = compared(client, FIRST, THIRD)
    assert "All tables are equal, to the bit, to those of the baseline, side-1." in text
    assert "<h2>Tables</h2>" in text
    assert "<pre>" not in text
    for baseline, candidate in ((SECOND, THIRD), (THIRD, FIRST)):
        assert "<pre>streamweir compare" in compared(client, baseline, candidate)


def test_runs_of_other_messages_are_refused_with_what_differs(
    client: TestClient, store: MemoryStore, runs: dict[str, Run]
) -> None:
    text = compared(client, FIRST, OTHER)
    assert "did not replay the same messages: start_ts is 1767225600 in the first and 7 in the second" in text
    assert "<pre>" not in text
    store.delete(runs[SECOND].ledger)
    store.delete(runs[SECOND].summary)
    text = compared(client, FIRST, SECOND)
    assert "is not finished" in text
    assert "no report yet" in text


@pytest.mark.parametrize(
    ("dag", "baseline", "candidate", "code"),
    [
        (DAG, FIRST, FIRST, 422),
        (DAG, FIRST, "", 422),
        (DAG, FIRST, "unknown", 404),
        (DAG, "unknown", FIRST, 404),
        (TRAIN, FIRST, THIRD, 404),
    ],
)
def test_nothing_else_is_compared(
    client: TestClient, runs: dict[str, Run], dag: str, baseline: str, candidate: str, code: int
) -> None:
    asked = {"baseline": baseline, "candidate": candidate}
    assert client.get(f"/streamweir/dags/{dag}/compare", params=asked).status_code == code


def test_figures_of_the_listed_runs_are_lines_the_newest_on_the_right(
    client: TestClient, store: MemoryStore, runs: dict[str, Run]
) -> None:
    store.delete(runs[SECOND].summary)
    text = client.get(f"/streamweir/dags/{DAG}").text
    charts = dict(re.findall(r"<figcaption>(.*?) <b>.*?</figcaption>\s*<svg[^>]*>(.*?)</svg>", text, re.S))
    assert set(charts) == {
        "rows scored a second",
        "latency, 95 % within",
        "rejected, of the rows sent",
        "precision of the alerts",
    }, "and no recall, which is not known"
    for drawn in charts.values():
        stretches = re.findall('points="([^"]+)"', drawn)
        heights = [
            [round((118 - 2 - float(point.split(",")[1])) / 112 * 4, 1) for point in stretch.split()]
            for stretch in stretches
        ]
        assert heights == [[1, 1], [3, 4]], "a run without a report is a gap"
    assert "at most 4.00%" in text
