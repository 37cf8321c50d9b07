"""The frames of `card_fraud`, its console lines, and training when frauds are few."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from streamweir.contracts.card_fraud import ALERT_COLUMNS, MODEL_COLUMNS, SCORED
from streamweir.contracts.card_fraud.dataset import NUMBER_NAMES
from streamweir.contracts.tables import Column, Type
from streamweir.datagen import generator, settings_of
from streamweir.errors import DatasetUnusable
from streamweir.progress import no_progress
from streamweir_spark.card_fraud.domain import SCORED_COLUMNS, Domain
from streamweir_spark.card_fraud.query import CardResults
from streamweir_spark.card_fraud.train import NUMBERS, examples
from streamweir_spark.columns import core_arrow_schema
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.outputs import SCORED_AT, scored_columns
from streamweir_spark.training.examples import LABEL, Examples, split
from streamweir_spark.training.selection import Selected, select
from tests.support.card_files import at, write_cards


def core_rows(probabilities: list[float]) -> pa.Table:
    """Scored rows as the core gives them; Amount stands for the probability."""
    schema = core_arrow_schema((*scored_columns(Domain(ModelNeeds())), SCORED_AT))
    plain = {"run": "r1", "topic": "transactions", "event_time": 1_700_000_000_000_000, "Class": None}
    lines = [
        dict.fromkeys(NUMBER_NAMES, 0.5)
        | dict.fromkeys(
            ("batch_index", "sequence", "partition", "offset", "row", "appended_at", "ts", "scored_at"),
            number,
        )
        | {"transaction_id": number, "Amount": probability}
        | plain
        for number, probability in enumerate(probabilities)
    ]
    return pa.Table.from_pylist(lines, schema)


def results(*, console_alerts: bool = True) -> CardResults:
    def predict(rows: pa.Table) -> pa.Table:
        scores = rows["Amount"].to_pylist()
        return (
            rows.append_column("fraud_probability", rows["Amount"])
            .append_column("prediction", pa.array([int(score >= 0.5) for score in scores]))
            .append_column("own_prediction", pa.array([int(score >= 0.9) for score in scores]))
            .append_column("model_version", pa.array(["v1"] * len(scores)))
        )

    return CardResults(predict, console_alerts=console_alerts)


@pytest.fixture(scope="module")
def scored() -> pa.Table:
    return results().score(core_rows([0.1, 0.5, 0.93])).select(SCORED.names)


def test_every_transaction_gets_a_row_and_alerts_reach_the_threshold(scored: pa.Table) -> None:
    assert scored["transaction_id"].to_pylist() == [0, 1, 2]
    assert scored["fraud_prob"].to_pylist() == [0.1, 0.5, 0.93]
    assert scored["is_alert"].to_pylist() == [False, True, True]
    # The prediction is the model's own, whatever the run's threshold says.
    assert scored["prediction"].to_pylist() == [0, 0, 1]
    assert scored["event_time"].to_pylist()[0].isoformat() == "2023-11-14T22:13:20+00:00"
    assert set(ALERT_COLUMNS) < set(SCORED.names)


def test_the_console_shows_the_alerts_and_only_them(
    scored: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    results().figures(None, scored, None, ())
    assert capsys.readouterr().out.splitlines() == [
        "ALERT transaction=1 time=2023-11-14T22:13:20Z amount=0.50 fraud_prob=0.5000 model=v1",
        "ALERT transaction=2 time=2023-11-14T22:13:20Z amount=0.93 fraud_prob=0.9300 model=v1",
    ]
    results(console_alerts=False).figures(None, scored, None, ())
    assert capsys.readouterr().out == ""


def test_examples_are_the_transactions_that_can_be_scored_in_the_order_of_time(tmp_path: Path) -> None:
    rows = at("9", "1", "x", "5", "7")
    rows[3]["V4"] = ""
    rows[4]["Class"] = "1"
    found = examples(write_cards(tmp_path, rows))
    assert found.rows["transaction_id"].to_pylist() == [1, 4, 0]
    assert found.rows[LABEL].to_pylist() == [0.0, 1.0, 0.0]
    assert found.numbers == NUMBERS
    assert set(NUMBERS) == set(NUMBER_NAMES) - {"Time"}
    assert found.rows.column_names == [*(column.name for column in MODEL_COLUMNS), LABEL]


COLUMNS = (Column("a", Type.DOUBLE), Column("b", Type.DOUBLE))


def made_up(frauds: range, count: int = 500) -> Examples:
    """Frauds at these places, with a large `a`; `b` says nothing."""
    draw = np.random.default_rng(3)
    label = np.zeros(count)
    label[frauds] = 1
    table = pa.table({"a": draw.random(count) + 2 * label, "b": draw.random(count), LABEL: label})
    return Examples(table, ("a", "b"), ())


@pytest.fixture(scope="module")
def sparse(spark: SparkSession) -> tuple[Selected, list[str]]:
    said: list[str] = []
    return select(spark, split(made_up(range(0, 60, 5)), sparse_ok=True), COLUMNS, said.append), said


def test_a_part_without_frauds_is_said_and_selection_is_by_cross_validation(
    sparse: tuple[Selected, list[str]],
) -> None:
    selected, said = sparse
    summary = selected.card.selection()
    assert "second part of the history holds no fraud" in said[0]
    assert "cannot be measured" in said[1]
    assert summary["recommended_threshold"] == 0.5
    assert "cross-validation" in summary["selection_rule"]
    assert summary["threshold_rule"].startswith("0.5, because")
    assert set(summary["candidates"]) == {"logistic regression", "random forest", "gradient-boosted trees"}
    assert all(one["pr_auc"] > 0.8 and one["recall"] > 0.5 for one in summary["candidates"].values())
    assert summary["selected_model"] in summary["candidates"]
    assert summary["held_out"]["pr_auc"] is None


def test_a_history_whose_first_part_holds_no_fraud_teaches_nothing() -> None:
    with pytest.raises(DatasetUnusable, match="the first 60 % of the time"):
        split(made_up(range(400, 420)), sparse_ok=True)


def test_a_summary_tells_each_candidates_figures(spark: SparkSession) -> None:
    card = select(spark, split(made_up(range(0, 500, 10))), COLUMNS, lambda line: None).card
    summary = card.selection()
    best = max(summary["candidates"].values(), key=lambda one: one["pr_auc"])
    assert summary["candidates"][summary["selected_model"]] == best
    assert set(best) == {"pr_auc", "roc_auc", "best_threshold", "precision", "recall"}
    assert summary["recommended_threshold"] == best["best_threshold"]


def test_generated_transactions_can_be_learnt_from(tmp_path: Path) -> None:
    asked = settings_of("card_fraud", {"batches": 300, "fraud_share": 0.05})
    generator("card_fraud")(tmp_path, seed=1, progress=no_progress, **asked)
    found = examples(tmp_path)
    assert (len(found.rows), found.labels.sum()) == (300, 15)
    assert len(SCORED_COLUMNS) == len(MODEL_COLUMNS) + 1
