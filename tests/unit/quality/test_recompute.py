"""Stream equals batch: what the recomputation lets pass, and that it finds every row that differs."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from streamweir.broker.records import Record
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.rejected import BY_MODEL, REJECTED
from streamweir_quality.carried import offers_recompute
from streamweir_quality.checks import CRITICAL
from streamweir_quality.inputs import Inputs
from streamweir_quality.runner import Outcome, validate
from tests.support.checked_run import replayed_as, table_of, with_table
from tests.unit.quality.made_up_inputs import (
    LATE_BATCH,
    RUN,
    SECONDS,
    START_TS,
    made_up_inputs,
    made_up_records,
    put_back,
    recomputed,
    with_frame,
)  # fmt: skip

NONSENSE: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda row: row | {"customer_id": "nobody"},
    lambda row: row | {"customer_id": ""},
    lambda row: row | {"created_at": "9999-12-31 23:59:59"},
    lambda row: row | {"created_at": "2024-02-30 10:00:00"},
    lambda row: row | {"total_amount": "1_0"},
    lambda row: row | {"promo_amount": "NaN"},
    lambda row: row | {"shipment_fee": 5},
    lambda row: row | {"shipment_fee": "1e400"},
    lambda row: row | {"ts": row["ts"] + 1},
    lambda row: row | {"product_metadata": "[{'product_id': 1, 'quantity': 0, 'item_price': 1}]"},
    lambda row: row | {"product_metadata": "[]"},
    lambda row: row | {"promo_code": {"of": ["nobody"]}},
    lambda row: row | {"created_at": "2024-04-07T02:30:00.1234567+10:30"},
    lambda row: {name: value for name, value in row.items() if name != "session_id"},
    lambda row: {name: value for name, value in row.items() if name not in ("promo_code", "clear_payment")},
]


BROKEN = [b"\xff", b"", b"{}", b"[1]", b"null", b"[NaN]", b'["\\ud800"]', b"[" * 100_000]
"""Messages that are no list of objects."""
DAYS_60 = 60 * 86_400
TWICE = (b'"session_id"', b'"session_id": "x", "session_id"')
"""A name, and the same name twice in an object."""


def differing(inputs: Inputs) -> dict[str, list[str]]:
    """By table how its rows differ, where they do."""
    found = {subject.table: subject.frame.difference.dropna().tolist() for subject in recomputed(inputs)}
    assert set(found) == {table.name for table in PIPELINE.tables} - {REJECTED.name}
    return {table: rows for table, rows in found.items() if rows}


def edited(inputs: Inputs, table: str, edit: Callable[[pd.DataFrame], Any]) -> Inputs:
    frame = inputs.frame(table)
    edit(frame)
    return with_frame(inputs, table, frame)


def test_every_pipeline_is_worked_out_again() -> None:
    assert "ecommerce_fraud" in pipeline_names()
    assert [name for name in pipeline_names() if not offers_recompute(name)] == []


def test_a_sound_run_equals_its_batch_in_every_table(inputs: Inputs) -> None:
    assert differing(inputs) == {}
    assert {subject.table: len(subject.frame) for subject in recomputed(inputs)} == {
        table.name: inputs.rows(table.name) for table in PIPELINE.tables if table != REJECTED
    }
    assert min(map(inputs.rows, inputs.tables)) > 10
    assert inputs.frame(REJECTED.name).reason.eq("late").sum() > 10
    assert inputs.frame("predictions").session_events.gt(1).sum() > 100


def test_the_number_of_differing_rows_is_an_expectation_that_must_be_0(inputs: Inputs) -> None:
    rows = inputs.rows("sold_quantity")
    assert (said(inputs).success, said(inputs).observed) == (True, f"0 of {rows} unexpected")
    wrong = edited(
        inputs, "sold_quantity", lambda frame: frame.__setitem__("quantity", frame["quantity"] + 1)
    )
    assert (said(wrong).success, said(wrong).severity) == (False, CRITICAL)
    was = inputs.frame("sold_quantity").quantity[0]
    assert said(wrong).observed.startswith(
        f"{rows} of {rows} unexpected, e.g. window_start 2023-11-14 22:13:30"
    )
    assert f"quantity is {was + 1} in the stream and {was} in the batch" in said(wrong).observed


def said(inputs: Inputs) -> Outcome:
    """What is published of one of the tables."""
    subjects = [subject for subject in recomputed(inputs) if subject.table == "sold_quantity"]
    return validate(subjects)[0].outcomes[0]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("L1_ratio", 12.5),
        ("time_of_day", "noon"),
        ("num_purchase", 99),
        ("age", None),
        ("gender", "X"),
        ("session_events", 77),
        ("total_amount", 0.001),
        ("created_at", pd.Timestamp("2020-01-01", tz="UTC")),
        ("promo_code", None),
        ("batch_index", 399),
    ],
)
def test_one_other_value_in_the_predictions_is_found_and_shown(
    inputs: Inputs, column: str, value: Any
) -> None:
    was = inputs.frame("predictions").iloc[30]
    found = differing(edited(inputs, "predictions", lambda frame: frame.__setitem__(column, [
        value if number == 30 else other for number, other in enumerate(frame[column])
    ])))  # fmt: skip
    (line,) = found["predictions"]
    name = f"session_id {was.session_id}, transaction_id {was.transaction_id}, ts {was.ts}"
    assert line.startswith(f"{name}: {column} is {value}")
    assert f"in the stream and {was[column]}" in line


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("fraud_windows", "frauds"),
        ("fraud_windows", "scored"),
        ("sold_quantity", "quantity"),
        ("sold_quantity", "quantity_so_far"),
        ("top_products", "product_id"),
        ("top_products", "name"),
        ("top_categories", "quantity"),
    ],
)
def test_one_other_value_in_a_figure_is_found(inputs: Inputs, table: str, column: str) -> None:
    found = differing(edited(inputs, table, lambda frame: frame.__setitem__(column, [
        (other + 1 if isinstance(other, int) else f"{other}1") if number == 7 else other
        for number, other in enumerate(frame[column])
    ])))  # fmt: skip
    assert set(found) == {table}
    assert any(f"{column} is " in line or "in the stream only" in line for line in found[table])


@pytest.mark.parametrize("table", [table.name for table in PIPELINE.tables if table != REJECTED])
def test_a_row_too_many_and_a_row_too_few_are_found(inputs: Inputs, table: str) -> None:
    frame, other = inputs.frame(table), inputs.frame(table).iloc[[3]]
    (fewer,) = differing(with_frame(inputs, table, frame.drop(index=3)))[table]
    assert fewer.endswith("the row is in the batch only")
    key = PIPELINE.table(table).key[0]
    other[key] = "nobody's" if key == "session_id" else other[key] + pd.Timedelta("1h")
    (more,) = differing(with_frame(inputs, table, pd.concat([frame, other])))[table]
    assert more.endswith("the row is in the stream only")


def test_a_row_that_only_the_model_refuses_is_the_models_word(inputs: Inputs) -> None:
    predictions, record = inputs.frame("predictions"), inputs.frame(REJECTED.name).iloc[0]
    place = place_of(inputs, predictions.transaction_id[3])
    said = {"reason": "unscorable", "topic": "transactions", "id": predictions.transaction_id[3], **place}
    for detail, differs in ((f"age is missing, which {BY_MODEL} refuses", False), ("somehow unlucky", True)):
        line = pa.Table.from_pylist(
            [{**record.to_dict(), **said, "detail": detail}], table_of(inputs, REJECTED.name).schema
        )
        refused = pa.concat_tables([table_of(inputs, REJECTED.name), line])
        fewer = with_frame(inputs, "predictions", predictions.drop(index=3))
        fewer = with_table(fewer, REJECTED.name, refused)
        assert ("predictions" in differing(fewer)) is differs


def place_of(inputs: Inputs, transaction: str) -> dict[str, int]:
    for message in inputs.replayed.of(PIPELINE.leading.topic):
        for number, row in enumerate(json.loads(message.value)):
            if row["transaction_id"] == transaction:
                return {"partition": message.partition, "offset": message.offset, "row": number}
    raise AssertionError(transaction)


def test_bad_records_are_judged_as_the_stream_judges_them(dataset_folder: Path) -> None:
    inputs = made_up_inputs(dataset_folder, spoilt(made_up_records(dataset_folder)))
    reasons = inputs.frame(REJECTED.name).reason.value_counts()
    assert min(reasons[["malformed", "unscorable", "duplicate", "late"]]) >= 3
    assert inputs.rows("predictions") > 100
    assert differing(inputs) == {}


def spoilt(records: Iterable[Record]) -> list[Record]:
    """The records with nonsense in many rows, some transactions twice, and some messages broken."""
    chance, found = Random(5), []
    for record in records:
        rows = json.loads(record.value)
        if record.topic == "transactions":
            rows = [chance.choice(NONSENSE)(row) if chance.random() < 0.3 else row for row in rows]
            rows += [rows[0]] if rows and chance.random() < 0.2 else []
        elif rows:
            rows[0] |= chance.choice([{}, {"event_time": "soon"}, {"event_type": ""}, {"event_type": "??"}])
        value = json.dumps(rows).encode()
        if chance.random() < 0.05:
            value = chance.choice(
                [*BROKEN, value[:-1], value.replace(b"[", b"[{},", 1), *[value.replace(*TWICE, 1)] * 3]
            )
        assert record.headers is not None
        headers = record.headers._replace(rows=len(rows)).encode()
        found.append(replace(record, value=value, raw_headers=headers))
    return found


def test_records_that_were_put_back_are_compared_too(dataset_folder: Path) -> None:
    records = made_up_records(dataset_folder)
    inputs = made_up_inputs(dataset_folder, [*records, *put_back(records)], lookback_s=600)
    again = inputs.frame("predictions").query("batch_index == @LATE_BATCH")
    assert len(again) == 3
    assert again.ts.min() > START_TS + SECONDS
    assert again.session_events.max() > 0
    assert differing(inputs) == {}


def test_a_later_run_reaches_into_what_the_stream_did_before(dataset_folder: Path) -> None:
    inputs = made_up_inputs(dataset_folder, two_runs(dataset_folder, later=RETENTION_S))
    assert inputs.frame(REJECTED.name).reason.eq("duplicate").sum() > 50
    assert inputs.frame("sold_quantity").quantity_so_far[0] > inputs.frame("sold_quantity").quantity[0]
    assert inputs.rows("predictions") > 50
    assert differing(inputs) == {}
    alone = replayed_as(
        RUN,
        {
            topic.name: (one for one in inputs.replayed.of(topic) if one.headers.run == RUN)
            for topic in PIPELINE.inputs
        },
    )
    assert set(differing(replace(inputs, replayed=alone))) >= {"predictions", "sold_quantity", "top_products"}


def test_the_same_ids_are_scored_again_after_the_retention(dataset_folder: Path) -> None:
    inputs = made_up_inputs(dataset_folder, two_runs(dataset_folder))
    assert "duplicate" not in set(inputs.frame(REJECTED.name).reason)
    assert inputs.rows("predictions") > 100
    assert differing(inputs) == {}
    longer = replace(inputs, parameters={**inputs.parameters, "retention_s": 2 * DAYS_60})
    assert "predictions" in differing(longer)


def test_a_later_run_has_no_window_before_its_first_row(dataset_folder: Path) -> None:
    inputs = made_up_inputs(dataset_folder, two_runs(dataset_folder))
    windows = inputs.frame("fraud_windows")
    assert windows.window_end.min() > pd.Timestamp(START_TS + DAYS_60, unit="s", tz="UTC")
    assert len(windows) == (windows.window_start.max() - windows.window_start.min()).seconds // 10 + 1 > 10
    one_before = windows.iloc[[0]].assign(
        window_start=windows.window_start.min() - pd.Timedelta("10s"),
        window_end=windows.window_end.min() - pd.Timedelta("10s"),
        frauds=0,
        scored=0,
    )
    more = with_frame(inputs, "fraud_windows", pd.concat([one_before, windows]))
    assert differing(more)["fraud_windows"] == [
        f"window_start {one_before.window_start[0]}: the row is in the stream only"
    ]


def two_runs(folder: Path, later: int = DAYS_60) -> list[Record]:
    """Half of a run, and so many seconds later, sixty days by default, another one on the same stream."""
    before = made_up_records(folder, "before", batches=SECONDS // 2)
    sequence = before[-1].headers.sequence + 1 if before[-1].headers else 0
    return [*before, *made_up_records(folder, first_sequence=sequence, start_ts=START_TS + later)]


def test_a_late_batch_is_left_out_and_repeated_messages_are_too(dataset_folder: Path, inputs: Inputs) -> None:
    records = made_up_records(dataset_folder)
    strays = [replace(one, offset=10_000) for one in records[:40]]
    again = made_up_inputs(dataset_folder, [*records, *strays])
    for topic in PIPELINE.inputs:
        found, alone = (list(one.replayed.of(topic)) for one in (again, inputs))
        assert [one.headers for one in found] == [one.headers for one in alone]
        batches = {one.headers.batch for one in found}
        assert batches == set(range(SECONDS + 1)) - {LATE_BATCH}
