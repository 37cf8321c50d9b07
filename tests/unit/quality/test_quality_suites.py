"""What the suites let pass, and what each of them finds."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pandas as pd
import pyarrow as pa
import pytest

from streamweir.arrow import schema_of
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.ecommerce_fraud.dataset import TRANSACTION_KEY
from streamweir.contracts.messages import RETENTION_S, Headers, Kind
from streamweir.ledger import reconciliation
from streamweir.values import parse_products
from streamweir_quality.checks import CRITICAL, WARNING
from streamweir_quality.ecommerce_fraud import subjects
from streamweir_quality.ecommerce_fraud.figures import figure_subjects
from streamweir_quality.ecommerce_fraud.predictions import (
    account_subjects,
    predictions_subject,
    share_subjects,
)
from streamweir_quality.ecommerce_fraud.static import static_subjects
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import Message
from streamweir_quality.rejected import rejected_subjects
from streamweir_quality.runner import Outcome, validate
from streamweir_quality.schema import schema_subject
from tests.support import made_up_stages
from tests.support.checked_run import replayed_as, table_files, table_of, with_table
from tests.support.made_up_ledger import reconcile_made_up
from tests.support.made_up_stages import MadeUpStages
from tests.unit.quality.made_up_inputs import made_up_inputs, made_up_records, put_back, with_frame

MOSTLY = "is given in at least 95% of the rows"
Edit = Callable[[pd.DataFrame], Any]


def outcomes_of(found: Any) -> list[Outcome]:
    return [outcome for suite in validate(found) for outcome in suite.outcomes]


def failures(found: Any) -> dict[str, str]:
    """Severity by sentence of what failed."""
    return {outcome.sentence: outcome.severity for outcome in outcomes_of(found) if not outcome.success}


def changed(inputs: Inputs, table: str, edit: Edit) -> Inputs:
    frame = inputs.frame(table)
    edit(frame)
    return with_frame(inputs, table, frame)


def test_a_sound_run_passes_everything(inputs: Inputs) -> None:
    outcomes = outcomes_of([*subjects(inputs), schema_subject(inputs)])
    assert [outcome for outcome in outcomes if not outcome.success] == []
    assert {outcome.table for outcome in outcomes} == {
        *(table.name for table in PIPELINE.tables), "columns", "customer.csv", "product.csv", "category.csv"
    }  # fmt: skip
    assert sum(outcome.severity == CRITICAL for outcome in outcomes) > 60
    assert sum(outcome.severity == WARNING for outcome in outcomes) > 10
    assert all(outcome.sentence and outcome.observed for outcome in outcomes)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            lambda f: f.drop(index=0, inplace=True),
            "the table has as many rows as the ledger counts as scored",
        ),
        (
            lambda f: f.loc.__setitem__((1, "transaction_id"), "of nobody"),
            "the transaction is a row of the dataset's live file, or was put back by hand",
        ),
        (
            lambda f: f.__setitem__("fraud_probability", f.fraud_probability + 1),
            "fraud_probability lies in [0, 1]",
        ),
        (
            lambda f: f.__setitem__("fraud_probability", f.fraud_probability.where(f.index != 2)),
            "fraud_probability is never empty",
        ),
        (lambda f: f.loc.__setitem__((3, "prediction"), 2), "prediction is 0 or 1"),
        (
            lambda f: f.__setitem__("prediction", 1 - f.prediction),
            "prediction is 1 exactly where the threshold 0.9 is reached",
        ),
        (lambda f: f.loc.__setitem__((4, "model_version"), "another"), "model_version is the run's model"),
        (lambda f: f.loc.__setitem__((5, "ts"), 7), "event_ts is ts as a timestamp"),
        (lambda f: f.loc.__setitem__((5, "L1_ratio"), 101.0), "L1_ratio is a percentage"),
        (lambda f: f.loc.__setitem__((6, "session_events"), -1), "session_events is not negative"),
        (lambda f: f.loc.__setitem__((6, "num_purchase"), 99), "num_purchase is the sum of the quantities"),
        (
            lambda f: f.__setitem__("probability", [[0.3, 0.3]] * len(f)),
            "the model's probabilities of a row sum up to 1",
        ),
    ],
)
def test_a_wrong_prediction_is_critical(inputs: Inputs, edit: Edit, sentence: str) -> None:
    assert failures([predictions_subject(changed(inputs, "predictions", edit))])[sentence] == CRITICAL


def test_a_mended_transaction_may_have_a_key_that_the_dataset_does_not_know(inputs: Inputs) -> None:
    def mend(frame: pd.DataFrame) -> None:
        frame.loc[0, "transaction_id"] = "mended"

    mended = changed(inputs, "predictions", mend)
    row = {name: str(mended.frame("predictions").loc[0, name]) for name in TRANSACTION_KEY} | {"ts": 1}
    said = Headers(mended.replayed.run, 0, 900, 1_800_000_000, Kind.REDRIVE, 1)
    message = Message(0, 0, said, orjson.dumps([row]))
    sent = {topic.name: mended.replayed.of(topic) for topic in PIPELINE.inputs}
    sent["transactions"] = chain(sent["transactions"], [message])
    replayed = replayed_as(mended.replayed.run, sent)
    assert failures([predictions_subject(replace(mended, replayed=replayed))]) == {}


def test_a_transaction_scored_twice_is_critical(inputs: Inputs) -> None:
    frame = inputs.frame("predictions")
    frame = pd.concat([frame, frame.iloc[[0]]])
    found = failures([predictions_subject(with_frame(inputs, "predictions", frame))])
    assert found["session_id and transaction_id and ts come together only once"] == CRITICAL
    said = "a session_id and transaction_id is scored again only after the retention"
    for seconds, severity in ((RETENTION_S, CRITICAL), (RETENTION_S + 1, None)):
        frame.iloc[-1, frame.columns.get_loc("ts")] = frame["ts"].iloc[0] + seconds
        found = failures([predictions_subject(with_frame(inputs, "predictions", frame))])
        assert found.get(said) == severity


def test_amounts_that_do_not_add_up_are_a_warning(inputs: Inputs) -> None:
    def edit(frame: pd.DataFrame) -> None:
        frame.loc[7, "total_amount"] += 1

    found = failures([predictions_subject(changed(inputs, "predictions", edit))])
    assert found == {"total_amount is what the products, the fee and the promo add up to": WARNING}


def test_batches_are_compared_with_the_ledger_one_by_one(inputs: Inputs) -> None:
    def edit(frame: pd.DataFrame) -> None:
        frame.loc[0, "batch_index"] = frame.batch_index.max()

    found = failures(account_subjects(changed(inputs, "predictions", edit)))
    assert found == {"each batch has as many predictions as the ledger says": CRITICAL}
    unexplained = {**inputs.ledger["batches"][9], "unexplained": 1}
    ledger = {**inputs.ledger, "batches": [*inputs.ledger["batches"][:-1], unexplained]}
    assert "no row of the batch is unexplained" in failures(account_subjects(replace(inputs, ledger=ledger)))


def test_a_ledger_that_sums_up_batches_is_compared_line_by_line(inputs: Inputs) -> None:
    lines = [
        {
            **inputs.ledger["batches"][at],
            "topics": {"transactions": {"scored": sum(
                batch["topics"]["transactions"]["scored"] for batch in inputs.ledger["batches"][at : at + 10]
            )}},
        }
        for at in range(0, len(inputs.ledger["batches"]), 10)
    ]  # fmt: skip
    summed = replace(inputs, ledger={**inputs.ledger, "batches": lines, "batches_per_line": 10})
    assert failures(account_subjects(summed)) == {}

    def edit(frame: pd.DataFrame) -> None:
        frame.loc[0, "batch_index"] = frame.batch_index.max()

    found = failures(account_subjects(changed(summed, "predictions", edit)))
    assert found == {"each batch has as many predictions as the ledger says": CRITICAL}


def test_rejected_records_are_compared_with_the_ledger(inputs: Inputs) -> None:
    def edit(frame: pd.DataFrame) -> None:
        frame.loc[0, "reason"] = "duplicate"

    found = failures(account_subjects(changed(inputs, "rejected", edit)))
    assert found == {"as many records were rejected for each reason as the ledger says": CRITICAL}
    assert inputs.rows("rejected") > 10


def test_each_stages_tables_are_checked_against_its_own_lines(inputs: Inputs, tmp_path: Path) -> None:
    made_up = MadeUpStages()
    with mock.patch.object(reconciliation, "find_pipeline", return_value=made_up_stages.PIPELINE):
        reconcile_made_up(made_up)
    names = ("db.rejected", "features.rejected", "features.windows", "online.rejected")
    files = {name: tmp_path / name for name in names}
    for name, file in files.items():
        file.write_bytes(made_up.store.objects[str(made_up.run.table_file(name))])
    ledger = made_up.store.get_json(made_up.run.ledger)
    of_stages = replace(inputs, pipeline=made_up_stages.PIPELINE, tables=files, ledger=ledger)
    outcomes = outcomes_of([*rejected_subjects(of_stages), schema_subject(of_stages)])
    assert [outcome for outcome in outcomes if not outcome.success] == []
    assert {outcome.table for outcome in outcomes} == {*names, "columns"} - {"features.windows"}
    ledger["totals"]["db.events"]["malformed"] += 1
    found = [outcome.table for outcome in outcomes_of(rejected_subjects(of_stages)) if not outcome.success]
    assert found == ["db.rejected"]


@pytest.mark.parametrize(
    ("table", "edit", "sentence"),
    [
        (
            "fraud_windows",
            lambda f: f.loc.__setitem__((3, "frauds"), f.frauds[3] + 1),
            "frauds is the number of predictions 1 in the window",
        ),
        (
            "fraud_windows",
            lambda f: f.loc.__setitem__((3, "scored"), -1),
            "scored is not negative",
        ),
        (
            "fraud_windows",
            lambda f: f.drop(index=9, inplace=True),
            "a window begins 10 s after the one before",
        ),
        (
            "fraud_windows",
            lambda f: f.drop(index=f.index[-1], inplace=True),
            "every window from the first to the last scored row is there",
        ),
        (
            "fraud_windows",
            lambda f: f.__setitem__("window_start", f.window_start + pd.Timedelta(seconds=5)),
            "windows begin at whole multiples of 10 s",
        ),
        (
            "fraud_windows",
            lambda f: f.__setitem__("window_end", f.window_end + pd.Timedelta(seconds=5)),
            "windows are 120 s long",
        ),
        (
            "sold_quantity",
            lambda f: f.loc.__setitem__((2, "quantity"), f.quantity[2] + 1),
            "quantity is what the window's non-fraud predictions sold",
        ),
        (
            "sold_quantity",
            lambda f: f.loc.__setitem__((2, "quantity_so_far"), f.quantity_so_far[2] + 1),
            "quantity_so_far is the sum of all windows up to this one",
        ),
        (
            "top_products",
            lambda f: f.loc.__setitem__((21, "quantity"), f.quantity[21] + 1),
            "quantity is what non-fraud predictions sold so far",
        ),
        (
            "top_products",
            lambda f: f.loc.__setitem__(([4, 5], "rank"), [6, 5]),
            "products are ranked by quantity, ties by product id",
        ),
        (
            "top_products",
            lambda f: f.loc.__setitem__((21, "name"), "Something else"),
            "name is productDisplayName of product.csv",
        ),
        (
            "top_categories",
            lambda f: f.drop(index=f.index[-1], inplace=True),
            "every window lists all categories that were sold",
        ),
    ],
)
def test_a_wrong_figure_is_critical(inputs: Inputs, table: str, edit: Edit, sentence: str) -> None:
    assert failures(figure_subjects(changed(inputs, table, edit)))[sentence] == CRITICAL


def test_a_product_that_is_left_out_of_the_top_is_found(inputs: Inputs) -> None:
    honest = inputs.frame("predictions").query("prediction == 0").product_metadata
    sold = Counter()
    for line in chain.from_iterable(map(parse_products, honest)):
        sold[line.product_id] += line.quantity
    worst, quantity = min(sold.items(), key=lambda item: (item[1], -item[0]))

    def replace_the_last(frame: pd.DataFrame) -> None:
        last = frame.index[-1]
        assert frame.quantity[last] > quantity
        frame.loc[last, ["product_id", "quantity"]] = [str(worst), quantity]

    found = failures(figure_subjects(changed(inputs, "top_products", replace_the_last)))
    assert found["no product that sold better is left out"] == CRITICAL
    assert "quantity is what non-fraud predictions sold so far" not in found


def test_a_later_run_of_a_stream_begins_with_what_was_sold_before(inputs: Inputs) -> None:
    def more(frame: pd.DataFrame) -> None:
        for column in ("quantity_so_far", "quantity"):
            if column in frame and not (column == "quantity" and "quantity_so_far" in frame):
                frame[column] += 1_000

    later = replace(inputs, first=False)
    for table in ("sold_quantity", "top_products", "top_categories"):
        later = changed(later, table, more)
    assert failures(figure_subjects(later)) == {}
    assert len(failures(figure_subjects(replace(later, first=True)))) >= 2

    def uneven(frame: pd.DataFrame) -> None:
        frame.loc[5, "quantity_so_far"] += 1

    found = failures(figure_subjects(changed(later, "sold_quantity", uneven)))
    assert "quantity_so_far is the sum of all windows up to this one" in found


def test_a_stretch_behind_an_end_begins_anew_and_is_whole(dataset_folder: Path) -> None:
    records = made_up_records(dataset_folder)
    inputs = made_up_inputs(dataset_folder, [*records, *put_back(records)], lookback_s=600)
    windows = inputs.frame("fraud_windows")
    steps = windows.window_start.diff().dropna()
    assert steps[steps > pd.Timedelta("10s")].tolist() == [pd.Timedelta("190s")]
    assert failures(figure_subjects(inputs)) == {}
    fewer = with_frame(inputs, "fraud_windows", windows.drop(index=windows.index[-1]))
    assert "every window from the first to the last scored row is there" in failures(figure_subjects(fewer))


def test_a_table_with_another_type_or_order_is_found(inputs: Inputs) -> None:
    sold = table_of(inputs, "sold_quantity")
    reordered = sold.select([1, 0, 2, 3])
    retyped = sold.set_column(2, "quantity", sold["quantity"].cast(pa.int32()))
    for table in (reordered, retyped, sold.select([0, 1, 2]), sold.append_column("run", sold["quantity"])):
        found = failures([schema_subject(with_table(inputs, "sold_quantity", table))])
        assert found == {"sold_quantity has the declared columns and types, in order": CRITICAL}


def test_a_run_that_scored_nothing_is_checked_too(inputs: Inputs) -> None:
    tables = table_files({table.name: schema_of(table).empty_table() for table in PIPELINE.tables})
    batches = [{"batch_index": 0, "topics": {"transactions": {"scored": 0}}, "unexplained": 0}]
    ledger = {"totals": {"transactions": {"scored": 0}}, "batches": batches, "batches_per_line": 1}
    assert failures(subjects(replace(inputs, tables=tables, ledger=ledger))) == {}
    wrong = {**ledger, "totals": {"transactions": {"scored": 1}}}
    assert failures(subjects(replace(inputs, tables=tables, ledger=wrong))) == {
        "the table has as many rows as the ledger counts as scored": CRITICAL
    }


@pytest.mark.parametrize(
    ("name", "change", "sentence", "severity"),
    [
        ("customer.csv", lambda f: pd.concat([f, f.iloc[[0]]]), "customer_id comes only once", CRITICAL),
        ("customer.csv", lambda f: f.assign(customer_id=""), "customer_id is never empty", CRITICAL),
        ("product.csv", lambda f: f.assign(category_id="9"), "category_id is in category.csv", CRITICAL),
        ("product.csv", lambda f: f.assign(usage="NA"), f"usage {MOSTLY}", WARNING),
        ("category.csv", lambda f: f.assign(cat_level1=""), f"cat_level1 {MOSTLY}", WARNING),
    ],
)  # fmt: skip
def test_static_files_are_checked(
    inputs: Inputs, tmp_path: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame], sentence: str,
    severity: str,
) -> None:  # fmt: skip
    for file in ("customer.csv", "product.csv", "category.csv"):
        frame = pd.read_csv(inputs.dataset / file, dtype=str, keep_default_na=False)
        (change(frame) if file == name else frame).to_csv(tmp_path / file, index=False)
    assert failures(static_subjects(replace(inputs, dataset=tmp_path)))[sentence] == severity


def test_shares_that_training_did_not_see_are_warnings(inputs: Inputs) -> None:
    def edit(frame: pd.DataFrame) -> None:
        frame["prediction"] = 1
        frame["payment_method"] = "Barter <b>$x</b>"

    found = failures(share_subjects(changed(inputs, "predictions", edit)))
    assert set(found.values()) == {WARNING}
    assert "training has seen every payment_method" in found
    assert any(sentence.startswith("the share of 'called fraud'") for sentence in found)


def test_a_card_without_shares_asks_for_none(inputs: Inputs) -> None:
    assert inputs.card is not None
    external = replace(inputs.card, source="external", fraud_share={}, category_shares={})
    assert list(share_subjects(replace(inputs, card=external))) == []
    assert list(share_subjects(inputs)) != []
