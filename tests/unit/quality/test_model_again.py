"""The model a second time: which rows are compared, what counts as equal, and how a difference reads."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from streamweir.arrow import arrow_schema
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS, PREDICTIONS
from streamweir.contracts.models import ROW, SCORES
from streamweir.contracts.pipelines import pipeline
from streamweir.duck import sorting
from streamweir.errors import ModelUnusable, StreamweirError
from streamweir.scorer.spec import Servers
from streamweir_quality import score_again as app
from streamweir_quality.inputs import Inputs
from streamweir_quality.model_again import Sample, Score, compared, model_again, sample, scores_again
from streamweir_quality.recompute import recompute_subjects
from tests.support.checked_run import new_folder, table_of

SERVERS = Servers(
    KafkaConnection("nowhere:1"), StoreConnection("nowhere:1", "", ""), SparkConnection("k8s://elsewhere")
)
SCORING = app.Scoring("ecommerce_fraud", "v1", "UTC")
COLUMNS = {
    "probability": Score.PROBABILITIES,
    "fraud_prob": Score.FRAUD,
    "own": Score.OWN,
    "alert": Score.DECIDED,
}
STREAM = {"id": 7, "probability": [0.25, 0.75], "fraud_prob": 0.75, "own": 1, "alert": False}
SCORE = {ROW: 0, "probability": [0.25, 0.75], "fraud_probability": 0.75, "prediction": 1, "refusal": None}


def difference(*batch: dict[str, Any], threshold: float | None = 0.9, **stream: Any) -> str | None:
    """What is said of one row that was scored again, with these scores of stream and batch."""
    chosen = Sample(pa.Table.from_pylist([{"id": 7}]), of=1)
    scores = pa.Table.from_pylist([SCORE | one for one in batch], arrow_schema(SCORES))
    frame = compared(chosen, scores, pa.Table.from_pylist([STREAM | stream]), ["id"], COLUMNS, threshold)
    (line,) = frame["difference"]
    return line


def chosen(inputs: Inputs, at_most: int) -> Sample:
    with sorting(new_folder()) as sql:
        list(recompute_subjects(inputs, sql))
        found = sample(inputs, sql, at_most)
    assert found is not None
    return found


def test_the_same_scores_are_no_difference() -> None:
    assert difference({}) is None


def test_sums_may_run_in_another_order() -> None:
    assert difference({}, probability=[0.25 + 1e-13, 0.75 - 1e-13], fraud_prob=0.75 - 1e-13) is None


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ({"fraud_prob": 0.75 + 1e-9}, "fraud_prob is 0.750000001 in the stream and 0.75 in the batch"),
        ({"probability": [0.25, 0.75 - 1e-9]}, "probability is [0.25, 0.749999999] in the stream and"),
        ({"probability": [0.25]}, "probability is [0.25] in the stream and [0.25, 0.75] in the batch"),
        ({"fraud_prob": float("nan")}, "fraud_prob is nan in the stream and 0.75 in the batch"),
        ({"own": 0}, "own is 0 in the stream and 1 in the batch"),
        ({"alert": True}, "alert is True in the stream and 0 in the batch"),
    ],
)
def test_another_score_is_shown_with_both_values(stream: dict[str, Any], said: str) -> None:
    assert str(difference({}, **stream)).startswith(f"id 7: {said}")


def test_the_runs_rule_decides_or_the_models_own() -> None:
    assert difference({}, threshold=0.5, alert=True) is None
    assert (
        difference({}, threshold=0.5, alert=False) == "id 7: alert is False in the stream and 1 in the batch"
    )
    assert difference({}, threshold=None, alert=True) is None
    assert difference({"prediction": 0}, threshold=None, own=0, alert=True) is not None


@pytest.mark.parametrize("apart", [-1e-13, 0.0, 1e-13])
@pytest.mark.parametrize("alert", [True, False])
def test_nearer_to_the_threshold_than_two_sums_may_lie_apart_both_decisions_are_right(
    apart: float, alert: bool
) -> None:
    assert difference({}, threshold=0.75 + apart, alert=alert) is None


def test_a_score_that_the_batch_or_the_stream_lacks_is_a_difference() -> None:
    assert difference({"probability": None, "fraud_probability": None}) == (
        "id 7: probability is [0.25, 0.75] in the stream and None in the batch, "
        "fraud_prob is 0.75 in the stream and None in the batch, "
        "alert is False in the stream and None in the batch"
    )
    assert difference({"prediction": None}, threshold=None, alert=True) == (
        "id 7: own is 1 in the stream and None in the batch, "
        "alert is True in the stream and None in the batch"
    )
    near = difference({}, threshold=0.75, alert=None)
    assert near == "id 7: alert is None in the stream and 0 in the batch"


def test_as_many_rows_come_out_as_went_in() -> None:
    assert difference() == "id 7: the model's own transform makes 0 rows of it"
    assert difference({}, {}) == "id 7: the model's own transform makes 2 rows of it"


def test_a_row_that_the_model_refuses_is_a_difference_with_its_reason() -> None:
    refused = {
        "probability": None,
        "fraud_probability": None,
        "prediction": None,
        "refusal": "Unseen label: OVO.",
    }
    assert difference(refused) == "id 7: the model's own transform refuses the row: Unseen label: OVO."


def test_a_row_that_the_stream_lacks_is_a_difference() -> None:
    assert difference({}, id=8) == "id 7: the row is in the batch only"


def test_all_rows_up_to_the_limit_are_compared_as_the_model_takes_them(inputs: Inputs) -> None:
    found = chosen(inputs, inputs.rows(PREDICTIONS.name))
    assert found.rows.schema.names == [column.name for column in MODEL_COLUMNS]
    assert found.rows.schema.types == arrow_schema(MODEL_COLUMNS).types
    stream = table_of(inputs, PREDICTIONS.name).select(found.rows.schema.names)
    assert in_order(found.rows) == in_order(stream)
    assert str(found) == f"{stream.num_rows} of {stream.num_rows} rows"
    assert stream.num_rows > 100


@pytest.mark.parametrize("name", ["card_fraud", "ecommerce_fraud"])
def test_a_pipeline_with_a_model_says_which_of_its_columns_the_model_makes(name: str) -> None:
    table = pipeline(name).table(str(pipeline(name).scored_table))
    scores = import_module(f"streamweir_quality.{name}.recompute").SCORES
    assert set(scores) < set(table.names)
    assert {Score.FRAUD, Score.DECIDED} <= set(scores.values())


def in_order(rows: pa.Table) -> list[dict[str, Any]]:
    return rows.sort_by([(key, "ascending") for key in PREDICTIONS.key]).to_pylist()


def test_above_the_limit_a_sample_is_compared_the_same_each_time(inputs: Inputs) -> None:
    many, few = chosen(inputs, 99), chosen(inputs, 33)
    assert many.rows.slice(0, 33).equals(few.rows)
    assert str(few) == f"33 of {few.of} rows ({3300 / few.of:.1f} %, a seeded sample)"
    first = in_order(table_of(inputs, PREDICTIONS.name))[:33]
    assert {row["transaction_id"] for row in first} != set(few.rows["transaction_id"].to_pylist())


def test_a_run_without_a_model_compares_and_starts_nothing(inputs: Inputs) -> None:
    without = replace(inputs, version=None)
    with duckdb.connect() as sql:
        assert sample(without, sql, 10) is None
    assert scores_again(without, None, SERVERS, Path("nowhere")) is None
    assert model_again(without, None, None) == []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], pa.Table]:
    """Runs a line of Python in the app's place."""
    monkeypatch.setattr(app.package, "build", lambda folder: folder)
    monkeypatch.setattr(app, "locate", lambda *_: None)

    def run(code: str) -> pa.Table:
        monkeypatch.setattr(app, "command", lambda *_, **__: [sys.executable, "-c", code])
        return app.score_again(SCORING, pa.table({"age": [33]}), SERVERS, tmp_path)

    return run


def test_the_app_reads_the_rows_and_its_file_is_the_answer(
    run: Callable[[str], pa.Table], tmp_path: Path
) -> None:
    copy = "import shutil; shutil.copy('{0}/rows.parquet', '{0}/scores.parquet')"
    assert run(copy.format(tmp_path))["age"].to_pylist() == [33]


def test_the_app_works_in_one_small_jvm_here_wherever_the_scorer_works(
    run: Callable[[str], pa.Table],
) -> None:
    with pytest.raises(StreamweirError, match=r"local\[1\]"):
        run("import os, sys; print('error: ' + os.environ['STREAMWEIR_SPARK_MASTER']); sys.exit(1)")


def test_an_app_that_gives_up_fails_the_checks_with_its_own_sentence_and_type(
    run: Callable[[str], pa.Table], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ModelUnusable, match=r"^model v1 was tampered with$"):
        run("import sys; print('one'); print('error: model v1 was tampered with'); print('two'); sys.exit(3)")
    assert "one" in caplog.text
    with pytest.raises(StreamweirError, match="scoring the rows again was killed by signal SIGKILL"):
        run("import os; os.kill(os.getpid(), 9)")
