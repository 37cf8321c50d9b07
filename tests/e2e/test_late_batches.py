"""Delayed batches on real servers: late are the records of those that come too late, and no others."""

from pathlib import Path
from typing import Any

import pytest

from infra.demo.airflow_api import AirflowApi
from streamweir.contracts.ecommerce_fraud import FRAUD_SLIDE_S, FRAUD_WINDOW_S
from streamweir.contracts.runs import Run
from streamweir.objectstore import ObjectStore
from tests.oracle import ecommerce_fraud as oracle
from tests.support.dag_runs import finished_run, table
from tests.support.hostile_dataset import START_TS

LATENESS_S = 200
IN_TIME, LATE, ALSO_LATE = 5, 1, 34
ROWS = 25


@pytest.fixture(scope="module")
def delayed(airflow: AirflowApi, run: Run, dataset: Path) -> Run:
    """A run with another lateness than the default, and the model that the first run has trained."""
    late = f"{IN_TIME}:{LATENESS_S},{LATE}:{LATENESS_S + 1},{ALSO_LATE}:{LATENESS_S + 60}"
    parameters = {"late": late, "lateness_s": LATENESS_S, "batch_rows": ROWS}
    return finished_run(
        airflow, "ecommerce_fraud", {"dataset": str(dataset), "start_ts": START_TS, "speed": 0, **parameters}
    )


@pytest.fixture(scope="module")
def ledger(store: ObjectStore, delayed: Run) -> dict[str, Any]:
    found: dict[str, Any] = store.get_json(delayed.ledger)
    return found


def test_the_late_records_are_exactly_those_of_the_batches_that_came_too_late(
    store: ObjectStore, delayed: Run, dataset: Path, ledger: dict[str, Any]
) -> None:
    batch = oracle.compute(dataset, START_TS, batch_rows=ROWS)
    sent = {index: batch.sent(index) for index in (LATE, ALSO_LATE)}
    found = table(store, delayed, "rejected").query("reason == 'late'")
    for topic in ("browsing", "transactions"):
        expected = {index: len(rows[topic]) for index, rows in sent.items()}
        assert sum(expected.values()) > 0
        said = {line["batch_index"]: line["topics"][topic]["late"] for line in ledger["batches"]}
        assert {index: rows for index, rows in said.items() if rows} == {
            k: n for k, n in expected.items() if n
        }
        assert found[found.topic == topic].groupby("batch_index").rows.sum().to_dict() == {
            index: rows for index, rows in expected.items() if rows
        }
    transactions = [name for rows in sent.values() for name in rows["transactions"]]
    assert sorted(found[found.topic == "transactions"].id) == sorted(transactions)


def test_what_came_late_is_in_no_other_table_and_all_is_accounted_for(
    store: ObjectStore, delayed: Run, ledger: dict[str, Any]
) -> None:
    assert (ledger["outcome"], ledger["unexplained"]) == ("success", 0)
    batches = set(table(store, delayed, "predictions").batch_index)
    assert IN_TIME in batches
    assert not {LATE, ALSO_LATE} & batches


def test_every_window_closes_although_more_lateness_is_allowed(store: ObjectStore, delayed: Run) -> None:
    predictions, windows = (table(store, delayed, name) for name in ("predictions", "fraud_windows"))
    assert len(predictions) > 500
    assert windows.scored.sum() == len(predictions) * FRAUD_WINDOW_S // FRAUD_SLIDE_S
