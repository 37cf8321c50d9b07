"""Hostile messages among good ones: the good ones fare as without them, every bad one is named."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamweir.contracts.ecommerce_fraud import PIPELINE, dataset
from streamweir.contracts.messages import Kind, partition_of
from streamweir.datagen import generator
from streamweir.progress import no_progress
from streamweir.replay.csvfile import CsvFile
from streamweir.replay.deliveries import Delivery, deliveries, messages
from streamweir.replay.ecommerce_fraud import recording, value
from streamweir.replay.plan import Plan
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.parts import Message, Output
from tests.support.hostile import FIRST_BATCH, FOREIGN, SPOILT_MESSAGES, SPOILT_ROWS, Hostile, raw_or
from tests.unit.core.ecommerce_stream import rejected, run_apart, scored

PLAN = Plan(
    **{"run": "r", "pipeline": PIPELINE.name, "stream": "s", "dataset": "", "start_ts": 1_700_000_000},
    **{"interval_s": 1, "speed": 0, "batches": None, "batch_rows": 10, "first_sequence": 0, "late": {}},
    **{"offsets": {}, "planned_at": ""},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dataset")
    generator(PIPELINE.name)(made, seed=11, batches=2, history_batches=20, progress=no_progress)
    return made


def good_deliveries(folder: Path) -> Iterator[Delivery]:
    return deliveries(recording(folder, batch_rows=20).batches(), PLAN, PIPELINE)


def on_the_wire(found: Iterator[Delivery], hostile: Hostile | None = None) -> Iterator[list[Message]]:
    """The messages as Kafka holds them, a micro-batch for each delivery."""
    ends: Counter[tuple[str, int]] = Counter()

    def held(topic: str, partition: int, headers: list, text: bytes) -> Message:
        ends[topic, partition] += 1
        return Message(topic, partition, ends[topic, partition], 0, headers, text)

    for delivery in found:
        micro_batch = []
        for one in messages(delivery, PIPELINE, "r", raw_or(value)):
            micro_batch.append(held(one.topic, partition_of(delivery.sequence, 4), one.headers, one.value))
            for partition, other in hostile.foreign_after(one) if hostile else ():
                micro_batch.append(held(other.topic, partition, other.headers, other.value))
        yield micro_batch


def outputs_of(folder: Path, micro_batches: Iterator[list[Message]]) -> tuple[Domain, list[Output]]:
    customers = CsvFile(folder / dataset.CUSTOMERS.name, ())
    rows = (dict(zip(customers.names, row, strict=True)) for row in customers.rows())
    domain = Domain(customers_of(rows), ModelNeeds())
    return domain, run_apart(micro_batches, domain, 2)


def what_was_scored(domain: Domain, outputs: list[Output]) -> list[dict]:
    """Scored rows by key; where they were found in their messages is left out."""
    where = ("sequence", "partition", "offset", "row", "values")
    rows = [{n: v for n, v in row.items() if n not in where} for row in scored(outputs, domain)]
    return sorted(rows, key=lambda row: (row["session_id"], row["transaction_id"]))


@pytest.mark.parametrize("seed", range(5))
def test_good_rows_fare_as_without_hostile_ones_and_every_bad_one_is_named(folder: Path, seed: int) -> None:
    expected = what_was_scored(*outputs_of(folder, on_the_wire(good_deliveries(folder))))
    hostile = Hostile(PIPELINE, seed, hostile_per_batch=12, foreign_per_batch=8)
    mixed = hostile.mixed(good_deliveries(folder), value, 0)
    domain, outputs = outputs_of(folder, on_the_wire(mixed, hostile))
    found = Counter[tuple]()
    for one in rejected(outputs):
        found[one.topic, one.batch_index, one.reason] += one.rows or 0
        assert one.detail
    foreign = sum(rows for cell, rows in found.items() if cell[2] == "foreign")
    assert foreign == hostile.foreign.total() > 50
    assert {cell: rows for cell, rows in found.items() if cell[2] != "foreign" and rows} == +hostile.expected
    assert what_was_scored(domain, outputs) == expected
    assert len(expected) > 30


def test_all_kinds_are_sent(folder: Path) -> None:
    hostile = Hostile(PIPELINE, 1, hostile_per_batch=60, foreign_per_batch=60)
    for _ in on_the_wire(hostile.mixed(good_deliveries(folder), value, 0), hostile):
        pass
    kinds = {*SPOILT_ROWS, *SPOILT_MESSAGES, "wrong number of rows", "late"}
    assert kinds <= set(hostile.messages)
    assert set(hostile.foreign) == set(FOREIGN)
    assert {batch >= FIRST_BATCH for _, batch, _ in hostile.expected} == {False, True}


def test_the_same_seed_gives_the_same_messages(folder: Path) -> None:
    def sent() -> list[list[Message]]:
        hostile = Hostile(PIPELINE, 3, hostile_per_batch=4, foreign_per_batch=4)
        return list(on_the_wire(hostile.mixed(good_deliveries(folder), value, 0), hostile))

    assert sent() == sent()
    mixed = Hostile(PIPELINE, 3, 1, 0).mixed(good_deliveries(folder), value, 0)
    assert [delivery.kind for delivery in mixed] == [Kind.BATCH] * 40 + [Kind.FLUSH]
