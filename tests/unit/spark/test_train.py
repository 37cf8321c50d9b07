"""Training: examples from a history, the selection, the card, the gate at work."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS
from streamweir.contracts.tables import Column, Type
from streamweir.datagen import generator
from streamweir.errors import DatasetUnusable, ModelUnusable
from streamweir.models import metrics
from streamweir.models.card import Card
from streamweir.models.registry import Champion, Decision, Registry
from streamweir.progress import no_progress
from streamweir_spark.ecommerce_fraud.train import CATEGORIES, FILES, NUMBERS, examples
from streamweir_spark.model import ScoringModel, prepare
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.training.candidates import fit_all, frame_of, fraud_probabilities
from streamweir_spark.training.examples import LABEL, Examples, split
from streamweir_spark.training.promotion import promote_if_not_worse
from streamweir_spark.training.selection import Selected, select
from tests.support.file_store import FileStore

COLUMNS = (Column("age", Type.INT), Column("amount", Type.DOUBLE), Column("method", Type.STRING))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    generator("ecommerce_fraud")(folder, seed=5, batches=1, history_batches=20, progress=no_progress)
    return folder


@pytest.fixture(scope="module")
def found(history: Path) -> Examples:
    return examples(history)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_every_transaction_of_the_history_is_an_example_in_order_of_time(
    history: Path, found: Examples
) -> None:
    transactions = read(history / "transactions.csv")
    assert len(found.rows) == len(transactions) > 100
    assert set(found.rows["transaction_id"].to_pylist()) == {row["transaction_id"] for row in transactions}
    created = found.rows["created_at"].to_pylist()
    assert created == sorted(created)
    assert found.rows.column_names == [*(column.name for column in MODEL_COLUMNS), LABEL]


def test_only_what_the_file_calls_fraud_is_fraud(history: Path, found: Examples) -> None:
    listed = {
        row["transaction_id"]: float(row["is_fraud"]) for row in read(history / "fraud_transaction.csv")
    }
    ids = found.rows["transaction_id"].to_pylist()
    assert set(ids) - set(listed)
    assert found.labels.tolist() == [listed.get(name, 0.0) for name in ids]


def test_history_has_sessions_as_a_stream_has(found: Examples) -> None:
    events = found.rows["session_events"].to_pylist()
    ts = found.rows["ts"].to_pylist()
    assert ts == sorted(ts)
    # Twenty batches of 200 rows, a second apart: every transaction sees the rows of its session before it.
    assert max(ts) - min(ts) == 19
    assert sum(count > 0 for count in events) > len(events) / 2


def test_a_label_that_is_none_is_named_by_file_and_line(history: Path, tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_bytes((history / name).read_bytes())
    labels = read(history / "fraud_transaction.csv")
    labels[3]["is_fraud"] = "maybe"
    write(tmp_path / "fraud_transaction.csv", labels)
    with pytest.raises(DatasetUnusable, match=r"fraud_transaction\.csv line 5, column is_fraud: 'maybe'"):
        examples(tmp_path)


def made_up(count: int = 900) -> Examples:
    """Fraud follows from age and method, with noise; amount says nothing."""
    draw = np.random.default_rng(3)
    age, amount = draw.integers(18, 80, count), draw.random(count)
    method = draw.choice(["OVO", "Gopay"], count)
    fraud = (age > 60) & (method == "OVO") & (draw.random(count) < 0.8) | (draw.random(count) < 0.01)
    table = pa.table({"age": age, "amount": amount, "method": method, LABEL: fraud.astype(float)})
    return Examples(table, ("age", "amount"), ("method",))


def test_an_empty_category_is_a_missing_one(spark: SparkSession) -> None:
    found = made_up()
    names = found.rows["method"].to_pylist()
    odd = pa.array([("", None, " ", "NA")[n % 4] if n % 3 == 0 else name for n, name in enumerate(names)])
    rows = found.rows.set_column(found.rows.column_names.index("method"), "method", odd)
    learnt = replace(found, rows=rows)
    model = next(fit_all(frame_of(spark, learnt), learnt)).model
    assert set(model.stages[0].labelsArray[0]) == {"OVO", "Gopay", " ", "NA"}
    asked = spark.createDataFrame(
        [(70, 0.5, ""), (70, 0.5, None), (70, 0.5, "OVO")], "age int, amount double, method string"
    )
    empty, missing, named = [row.probability[1] for row in model.transform(asked).collect()]
    assert empty == missing != named


@pytest.fixture(scope="module")
def selected(spark: SparkSession) -> Selected:
    return select(spark, split(made_up()), COLUMNS, lambda line: None)


def test_the_card_says_how_the_model_was_chosen(selected: Selected) -> None:
    card = selected.card
    assert card.features == ("age", "amount", "method")
    assert [one["algorithm"] for one in card.candidates] == [
        "logistic regression", "random forest", "gradient-boosted trees",
    ]  # fmt: skip
    best = max(card.candidates, key=lambda one: one["pr_auc"])
    assert [one for one in card.candidates if one["selected"]] == [best]
    assert card.algorithm == best["algorithm"]
    assert (card.rows["train"], card.rows["select"], card.rows["report"]) == (540, 180, 180)
    assert card.libraries["spark"].startswith("4.")
    assert Card.from_json(card.to_json()) == card


def test_the_figures_are_those_of_the_last_part_at_the_threshold(selected: Selected) -> None:
    report, scores, card = split(made_up()).report, selected.report_scores, selected.card
    counts = metrics.confusion(report.labels, scores, card.threshold)
    assert sum(counts) == 180
    assert counts.tp > 0
    assert card.metrics["confusion_matrix"] == counts._asdict()
    assert card.metrics["pr_auc"] == metrics.pr_auc(report.labels, scores) > 0.5
    assert card.metrics["alerts_per_thousand"] == pytest.approx(1000 * (counts.tp + counts.fp) / 180)


def test_importances_go_by_feature_and_add_up(selected: Selected) -> None:
    importances = {one["feature"]: one["importance"] for one in selected.card.feature_importances}
    assert set(importances) == {"age", "amount", "method"}
    assert sum(importances.values()) == pytest.approx(1)
    assert importances["amount"] < min(importances["age"], importances["method"])


def test_shares_of_training_are_in_their_ranges(selected: Selected) -> None:
    fraud, methods = selected.card.fraud_share, selected.card.category_shares["method"]
    assert fraud["low"] <= fraud["predicted"] <= fraud["high"]
    assert 0 < fraud["labelled"] < 1
    assert set(methods) == {"OVO", "Gopay"}
    assert sum(one["share"] for one in methods.values()) == pytest.approx(1)


def test_the_model_takes_new_categories_and_asks_for_its_numbers(
    spark: SparkSession, selected: Selected
) -> None:
    ready = prepare(spark, selected.model, Card(source="trained"), COLUMNS)
    assert ready.needs == ModelNeeds(present=frozenset({"age", "amount"}))
    new = {
        "age": pa.array([70, None], pa.int64()),
        "amount": [0.1, 0.1],
        "method": pa.array([None, "Bitcoin"]),
    }
    strange = Examples(pa.table(new), ("age", "amount"), ("method",))
    known, refused = fraud_probabilities(spark, ready, strange)
    assert known > 0
    assert refused == 0


def test_probabilities_come_in_the_rows_order(spark: SparkSession, selected: Selected) -> None:
    ready = prepare(spark, selected.model, Card(source="trained"), COLUMNS)
    report = split(made_up()).report
    backwards = replace(report, rows=report.rows.take(list(reversed(range(len(report.rows))))))
    scores = fraud_probabilities(spark, ready, backwards)
    assert isinstance(ready, ScoringModel)
    assert scores[::-1] == pytest.approx(selected.report_scores)


def publish(registry: Registry, folder: Path, pr_auc: float) -> Card:
    path = folder / f"{pr_auc}.zip"
    path.write_bytes(str(pr_auc).encode())
    return registry.publish(path, Card(source="trained", metrics={"pr_auc": pr_auc}))


@pytest.fixture
def registry() -> Registry:
    return Registry(FileStore(), "ecommerce_fraud")  # type: ignore[arg-type]


def test_the_first_version_is_promoted_because_there_is_no_other(registry: Registry, tmp_path: Path) -> None:
    card = publish(registry, tmp_path, 0.3)
    decision = promote_if_not_worse(registry, card, 10, lambda version: 1.0)
    assert (decision.promoted, decision.champion, decision.champion_pr_auc) == (True, None, None)
    assert decision.reason == "there was no champion"
    champion = registry.champion()
    assert champion is not None
    assert champion.version == card.version


@pytest.mark.parametrize(("own", "promoted"), [(0.4, True), (0.5, True), (0.39, False)])
def test_a_later_version_must_not_be_worse_on_the_same_rows(
    registry: Registry, tmp_path: Path, own: float, promoted: bool
) -> None:
    first = publish(registry, tmp_path, 0.9)
    promote_if_not_worse(registry, first, 10, lambda version: 1.0)
    card = publish(registry, tmp_path, own)
    # What the champion had on the rows of its own time plays no part.
    judged = {first.version: 0.4}
    decision = promote_if_not_worse(registry, card, 10, judged.__getitem__)
    assert decision.promoted is promoted
    assert (decision.pr_auc, decision.champion_pr_auc, decision.champion) == (own, 0.4, first.version)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == (card if promoted else first).version
    assert registry.decision(card.version) == decision.to_json()


def test_a_champion_that_cannot_score_gives_way_and_the_reason_is_kept(
    registry: Registry, tmp_path: Path
) -> None:
    promote_if_not_worse(registry, publish(registry, tmp_path, 0.9), 10, lambda version: 1.0)

    def judge(version: str) -> float:
        raise ModelUnusable("it was tampered with")

    decision = promote_if_not_worse(registry, publish(registry, tmp_path, 0.1), 10, judge)
    assert decision.promoted
    assert "it was tampered with" in decision.reason


def test_who_loses_the_race_is_compared_with_the_winner(registry: Registry, tmp_path: Path) -> None:
    first, rival, late = (publish(registry, tmp_path, pr_auc) for pr_auc in (0.1, 0.8, 0.5))
    promote_if_not_worse(registry, first, 10, lambda version: 0.0)
    asked = []

    def judge(version: str) -> float:
        asked.append(version)
        if version == first.version:
            seen = registry.champion()
            assert isinstance(seen, Champion)
            registry.promote(Decision(rival.version, True, "faster", "now"), seen)
        return {first.version: 0.1, rival.version: 0.8}[version]

    decision = promote_if_not_worse(registry, late, 10, judge)
    assert asked == [first.version, rival.version]
    assert not decision.promoted
    champion = registry.champion()
    assert champion is not None
    assert champion.version == rival.version


def test_the_pipelines_own_models_use_declared_columns() -> None:
    assert set(NUMBERS) | set(CATEGORIES) <= {column.name for column in MODEL_COLUMNS}
