"""A made-up run with everything else that a report shows: task records, quality results, the model's card."""

from datetime import UTC, datetime, timedelta
from typing import Any

from streamweir.contracts.models import ModelKeys
from streamweir.models.card import Card
from streamweir.reporting import plot
from tests.support.made_up_ledger import reconcile_made_up
from tests.support.made_up_run import MadeUpRun
from tests.support.made_up_tables import THRESHOLD, VERSION

BEGAN = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
TASKS = {
    "provision_topics": 1.4,
    "ensure_dataset": 6.2,
    "ensure_model": 3.1,
    "start_scorer": 14.8,
    "replay": 33.2,
    "plot_live": 34.9,
    "await_drained": 2.6,
    "stop_scorer": 4.4,
    "reconcile": 3.3,
    "validate": 12.7,
    "plot": 4.1,
}
FEATURES = ["L1_ratio", "L2_ratio", "session_events", "total_amount", "promo_amount", "age", "num_purchase"]


def made_up_bundle(batches: int = 300) -> MadeUpRun:
    """A run that went well, up to its plots."""
    made_up = MadeUpRun(batches=batches)
    store, run = made_up.store, made_up.run
    store.put_json(
        run.parameters, {"pipeline": "ecommerce_fraud", "speed": 10, "batches": None, "start_ts": None}
    )
    put_card(made_up)
    put_tasks(made_up)
    store.put_json(run.quality / "results.json", quality())
    reconcile_made_up(made_up)
    plot(run, store)
    return made_up


def put_tasks(made_up: MadeUpRun, *, until: str | None = None, error: str | None = None) -> None:
    """Write the records of all tasks, or of those up to one that failed."""
    results: dict[str, Any] = {
        "ensure_dataset": {
            "pipeline": "ecommerce_fraud",
            "fingerprint": "f" * 64,
            "source": "generated",
            "files": [],
        },
        "ensure_model": {
            "version": VERSION,
            "sha256": "0badcafe" * 8,
            "origin": "champion",
            "rule": "card",
            "threshold": THRESHOLD,
            "own_rule": {},
        },
        "await_drained": {"flush_sequence": 48, "started_again": 0, "scoring": "numpy"},
    }
    at = BEGAN
    for name, seconds in TASKS.items():
        failed = name == until
        record = {
            "task": name,
            "started_at": at.isoformat(),
            "ended_at": (at + timedelta(seconds=seconds)).isoformat(),
            "seconds": seconds,
            "outcome": "failed" if failed else "success",
            "error": error if failed else None,
            "result": None if failed else results.get(name, {}),
        }
        made_up.store.put_json(made_up.run.task(name), record)
        if failed:
            return
        at += timedelta(seconds=0.4 if name == "replay" else seconds + 1.1)


def put_card(made_up: MadeUpRun) -> None:
    """Write the card of the run's model."""
    card = Card(
        pipeline="ecommerce_fraud",
        version=VERSION,
        sha256="0badcafe" * 8,
        source="trained",
        created_at="2026-01-01T00:00:00+00:00",
        features=tuple(FEATURES),
        label="is_fraud",
        threshold=THRESHOLD,
        threshold_rule="the largest F1 on the second part of the history",
        algorithm="gradient-boosted trees",
        metrics={
            "pr_auc": 0.7134,
            "roc_auc": 0.9571,
            "precision": 0.8021,
            "recall": 0.6215,
            "alerts_per_thousand": 13.4,
            "confusion_matrix": {"tp": 154, "fp": 38, "fn": 94, "tn": 14012},
        },
        candidates=(
            {"algorithm": "logistic regression", "pr_auc": 0.55},
            {"algorithm": "random forest", "pr_auc": 0.69},
            {"algorithm": "gradient-boosted trees", "pr_auc": 0.71},
        ),
        feature_importances=tuple(
            {"feature": name, "importance": 0.4 / (place + 1)} for place, name in enumerate(FEATURES)
        ),
        rows={"train": 42_000, "select": 14_000, "report": 14_298},
        libraries={"pyspark": "4.2.0"},
    )
    made_up.store.put_json(ModelKeys("ecommerce_fraud").card(VERSION), card.to_json())


def quality() -> list[dict[str, Any]]:
    """Results of expectations: one warning failed."""
    passed = [
        _check(
            "predictions",
            "expect_column_values_to_be_between",
            "fraud_probability",
            "critical",
            "lies in [0, 1]",
        ),
        _check(
            "predictions",
            "expect_compound_columns_to_be_unique",
            None,
            "critical",
            "session and id are unique",
        ),
        _check(
            "fraud_windows", "expect_column_values_to_be_between", "frauds", "critical", "is not negative"
        ),
        _check("customer.csv", "expect_column_values_to_be_unique", "customer_id", "critical", "is unique"),
    ]
    warning = _check(
        "predictions", "expect_share", "prediction", "warning", "the share of frauds is as in training"
    )
    return [*passed, {**warning, "success": False, "observed": "3.10 %, expected 1.2 % to 2.4 %"}]


def _check(table: str, expectation: str, column: str | None, severity: str, sentence: str) -> dict[str, Any]:
    return {
        "suite": table,
        "table": table,
        "expectation": expectation,
        "column": column,
        "severity": severity,
        "success": True,
        "observed": "0 unexpected",
        "sentence": f"{column}: {sentence}" if column else sentence,
    }
