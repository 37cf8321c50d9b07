"""A made-up run as the suites see it: generated data, scored by the core, predictions as of a small model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from streamweir.arrow import arrow_schema, schema_of
from streamweir.broker.records import Record
from streamweir.contracts.ecommerce_fraud import (
    BROWSING_TOPIC,
    LATENESS_S,
    MODEL_COLUMNS,
    PIPELINE,
    PREDICTIONS,
    dataset,
)
from streamweir.contracts.messages import Kind, partition_of
from streamweir.contracts.models import ROW, SCORES
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import Table
from streamweir.datagen import generator
from streamweir.duck import sorting
from streamweir.models.card import Card
from streamweir.progress import no_progress
from streamweir.replay.csvfile import text_rows
from streamweir.replay.deliveries import deliveries
from streamweir.replay.ecommerce_fraud import recording, value
from streamweir.replay.plan import Plan
from streamweir_quality.checks import Subject
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import write_published
from streamweir_quality.recompute import recompute_subjects
from streamweir_quality.replayed import Replayed, in_turn, leave_out_late
from streamweir_spark.core import Output, Received
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.ecommerce_fraud.figures import Figures, ScoredRow, products_of
from streamweir_spark.needs import ModelNeeds
from tests.support.checked_run import new_folder, replayed_as, table_files, table_of, with_table
from tests.support.made_up_tables import conform
from tests.support.wire import messages
from tests.unit.core.ecommerce_stream import rejected, run, scored

RUN = "made-up"
START_TS = 1_700_000_017
SECONDS = 400
LATE_BATCH, DELAYED_BATCH = 82, 20
LOOKBACK_S = 60
VERSION = "20260101T000000Z-0badcafe"
THRESHOLD = 0.9
SLOPE, INTERCEPT = 0.3, -32.4
"""Of tests/fixtures/small_model.zip, which says fraud of one transaction in ten by that threshold."""


def made_up_dataset(folder: Path) -> Path:
    """A small dataset in `folder`."""
    generator(PIPELINE.name)(folder, seed=11, batches=20, history_batches=60, progress=no_progress)
    return folder


def made_up_inputs(
    folder: Path, records: Sequence[Record] = (), run_id: str = RUN, lookback_s: int = LOOKBACK_S
) -> Inputs:
    """A run of that dataset in which everything is right: one batch late, the others scored.

    records: what the stream's topics hold, by default of that run alone.
    """
    held = records or made_up_records(folder)
    domain = Domain(customers_of(_csv(folder, dataset.CUSTOMERS)), ModelNeeds(), lookback_s=lookback_s)
    outputs = run([_message(record) for record in held], domain)
    every = _predictions(scored(outputs, domain))
    predictions = every[every["run"] == run_id]
    refused = [_rejected(output) for output in rejected(outputs) if output.run == run_id]
    others = every.loc[every["run"] != run_id, [*PREDICTIONS.key, "prediction"]].to_dict("records")
    replayed = _replayed(held, run_id, others)
    return Inputs(
        pipeline=PIPELINE,
        tables=table_files(
            {
                PREDICTIONS.name: _conform(predictions, PREDICTIONS),
                REJECTED.name: conform(pa.Table.from_pylist(refused), REJECTED),
                **_figures(folder, every, run_id, replayed.ends(BROWSING_TOPIC)),
            }
        ),
        ledger=_ledger(predictions, refused),
        dataset=folder,
        card=_card(predictions),
        version=VERSION,
        first=held[0].headers is not None and held[0].headers.run == run_id,
        parameters={"lateness_s": LATENESS_S, "lookback_s": lookback_s},
        replayed=replayed,
    )


def made_up_plan(run_id: str = RUN, first_sequence: int = 0, **more: Any) -> Plan:
    """The plan of a replay with one late batch, and one that only comes after its successors."""
    return Plan(
        **{
            **{"run": run_id, "pipeline": PIPELINE.name, "stream": "made-up", "dataset": "f" * 64},
            **{"start_ts": START_TS, "interval_s": 1, "speed": 0, "batches": None, "batch_rows": 10},
            **{
                "first_sequence": first_sequence,
                "late": {LATE_BATCH: LATENESS_S + 30, DELAYED_BATCH: LATENESS_S - 10},
                "offsets": {},
            },
            **{"planned_at": "", **more},
        }
    )


def made_up_records(folder: Path, run_id: str = RUN, first_sequence: int = 0, **more: Any) -> list[Record]:
    """What a replay by that plan leaves on the topics."""
    plan = made_up_plan(run_id, first_sequence, **more)
    batches = islice(recording(folder, batch_rows=plan.batch_rows).batches(), plan.batches)
    sent = [
        (delivery.sequence, message)
        for delivery in deliveries(batches, plan, PIPELINE, value)
        for message in messages(delivery, run_id)
    ]
    return [
        Record(one.topic, partition_of(sequence, 4), sequence // 4, 0, one.headers, one.value)
        for sequence, one in sent
    ]


def put_back(records: Sequence[Record]) -> Iterator[Record]:
    """The late batch's records once more, as an operator would send them after the run's flush."""
    flush = records[-1].headers
    assert flush is not None
    for record in records:
        if record.headers is not None and record.headers.batch == LATE_BATCH:
            again = record.headers._replace(kind=Kind.REDRIVE, sequence=flush.sequence + 1, ts=flush.ts + 1)
            place = {"partition": again.sequence % 4, "offset": again.sequence // 4}
            yield replace(record, **place, raw_headers=again.encode())


def with_frame(inputs: Inputs, table: str, frame: pd.DataFrame) -> Inputs:
    """The same run with another table."""
    arrow = pa.Table.from_pandas(frame, schema=schema_of(inputs.pipeline.table(table)), preserve_index=False)
    return with_table(inputs, table, arrow)


def scores_of(inputs: Inputs, rows: pa.Table) -> pa.Table:
    """What the app that scores the rows again gives for a run whose scores are right."""
    predictions = table_of(inputs, PREDICTIONS.name).to_pylist()
    said = {(one["session_id"], one["transaction_id"]): one for one in predictions}
    asked = zip(rows["session_id"].to_pylist(), rows["transaction_id"].to_pylist(), strict=True)
    scores = [
        {
            ROW: number,
            "probability": said[key]["probability"],
            "fraud_probability": said[key]["fraud_probability"],
            "prediction": int(said[key]["fraud_probability"] > 0.5),
        }
        for number, key in enumerate(asked)
    ]
    return pa.Table.from_pylist(scores, arrow_schema(SCORES))


def recomputed(inputs: Inputs) -> list[Subject]:
    """What `recompute_subjects` finds."""
    with sorting(new_folder()) as sql:
        return list(recompute_subjects(inputs, sql))


def _replayed(records: Sequence[Record], run_id: str, others: list[dict[str, Any]]) -> Replayed:
    sent = {
        topic.name: in_turn(topic, [record for record in records if record.topic == topic.name])
        for topic in PIPELINE.inputs
    }
    found, folder = replayed_as(run_id, sent), new_folder()
    leave_out_late(found.messages.values(), lambda run_id: LATENESS_S, folder)
    rows = (("another", orjson.dumps(row)) for row in others)
    published = write_published(folder / "published.parquet", rows)
    return replace(found, published={PREDICTIONS.name: published})


def _message(record: Record) -> Received:
    return Received(record.topic, record.partition, record.offset, 0, record.raw_headers, record.value)


def _predictions(rows: list[dict[str, Any]]) -> pd.DataFrame:
    found = pd.DataFrame(rows)[[column.name for column in MODEL_COLUMNS] + ["batch_index", "run"]]
    probability = 1 / (1 + np.exp(-(SLOPE * found["shipment_location_long"] + INTERCEPT)))
    return found.assign(
        created_at=pd.to_datetime(found["created_at"], unit="us", utc=True),
        event_ts=pd.to_datetime(found["ts"], unit="s", utc=True),
        rawPrediction=[[-value, value] for value in probability],
        probability=[[1 - value, value] for value in probability],
        fraud_probability=probability,
        prediction=(probability >= THRESHOLD).astype(int),
        model_version=VERSION,
        scored_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _rejected(output: Output) -> dict[str, Any]:
    return {name: getattr(output, name) for name in REJECTED.names}


def _conform(frame: pd.DataFrame, table: Table) -> pa.Table:
    return conform(pa.Table.from_pandas(frame, preserve_index=False), table)


def _figures(
    folder: Path, predictions: pd.DataFrame, run_id: str, ends: Sequence[int]
) -> dict[str, pa.Table]:
    """The windows that meet the run's rows, after those of the runs before it."""
    figures = Figures(products_of(_csv(folder, dataset.PRODUCTS), _csv(folder, dataset.CATEGORIES)))
    values = predictions[["ts", "prediction", "product_metadata"]].itertuples(index=False, name=None)
    end = int(predictions["ts"].max()) + PIPELINE.flush_after_s
    _, tables = figures.advance(None, [ScoredRow(*row) for row in values], end, ends)
    own = predictions.loc[predictions["run"] == run_id, "ts"] * 1_000_000
    return {
        table: _table(
            PIPELINE.table(table), [line for line in lines if line[1] > own.min() and line[0] <= own.max()]
        )
        for table, lines in tables.items()
    }


def _csv(folder: Path, file: dataset.File) -> list[dict[str, str]]:
    return list(text_rows(folder / file.name))


def _table(table: Table, lines: list[tuple[object, ...]]) -> pa.Table:
    columns = zip(*lines, strict=True)
    schema = schema_of(table)
    arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, schema, strict=True)]
    return conform(pa.Table.from_arrays(arrays, schema=schema), table)


def _ledger(predictions: pd.DataFrame, refused: list[dict[str, Any]]) -> dict[str, Any]:
    scored_in = Counter(predictions.batch_index)
    batches = [
        {
            "batch_index": index,
            "ts": START_TS + index,
            "topics": {"transactions": {"scored": scored_in[index]}},
            "unexplained": 0,
        }
        for index in range(SECONDS)
    ]
    late = Counter(line["topic"] for line in refused)
    totals = {topic: {"late": rows} for topic, rows in late.items()}
    totals["transactions"]["scored"] = len(predictions)
    return {"totals": totals, "batches": batches, "batches_per_line": 1, "next_sequence": SECONDS + 1}


def _card(predictions: pd.DataFrame) -> Card:
    found = predictions.payment_method.value_counts(normalize=True)
    shares = {
        name: {"share": share, "low": share - 0.01, "high": share + 0.01} for name, share in found.items()
    }
    return Card(
        source="trained",
        version=VERSION,
        threshold=THRESHOLD,
        fraud_share={"labelled": 0.0165, "predicted": 0.1, "low": 0.05, "high": 0.15},
        category_shares={"payment_method": shares},
    )
