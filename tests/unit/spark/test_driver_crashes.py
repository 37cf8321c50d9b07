"""Drivers that die at some write, one after the other: they leave what one leaves undisturbed."""

import io
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir_spark.columns import UNSCORABLE
from streamweir_spark.core import Received
from streamweir_spark.ecommerce_fraud.figures import Figures, Product
from streamweir_spark.ecommerce_fraud.query import ShopResults
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.placement import InDriver
from streamweir_spark.publish import Offsets, Outgoing, Publisher
from streamweir_spark.sink import Sink
from tests.support.crashing_store import Crash, CrashingStore
from tests.unit.core.ecommerce_stream import START, batch, browsing, domain, message, transaction

STREAM = Stream("ecommerce_fraud", "s")
RETENTION_S = 5
ENDLESS = 1 << 30
MESSAGES = pa.schema(
    [
        *(("topic", pa.string()), ("partition", pa.int64()), ("offset", pa.int64())),
        ("appended_at", pa.int64()),
        ("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
        ("value", pa.binary()),
    ]
)


class Messages:
    """Takes the place of what Spark read."""

    def __init__(self, messages: Sequence[Received]) -> None:
        self._messages = messages

    def toArrow(self) -> pa.Table:
        rows = [
            {**one._asdict(), "headers": [{"key": key, "value": value} for key, value in one.headers or ()]}
            for one in self._messages
        ]
        return pa.Table.from_pylist(rows, MESSAGES)


class Published:
    """Takes the place of the publisher."""

    def publish(self, batch_id: int, messages: list[Outgoing], since: Offsets) -> Offsets:
        return {"topic": {"0": batch_id}}


def scores(rows: pa.Table) -> pa.Table:
    """No row is a fraud."""
    count = rows.num_rows
    columns = {
        "rawPrediction": pa.array([[0.0, 0.0]] * count, pa.list_(pa.float64())),
        "probability": pa.array([[1.0, 0.0]] * count, pa.list_(pa.float64())),
        "fraud_probability": pa.array([0.0] * count),
        "prediction": pa.array([0] * count, pa.int64()),
        "model_version": pa.array(["m1"] * count),
        UNSCORABLE: pa.nulls(count, pa.string()),
    }
    for name, values in columns.items():
        rows = rows.append_column(name, values)
    return rows


def driver(store: CrashingStore) -> Sink:
    """One that has nothing but the store."""
    dom = domain(retention_s=RETENTION_S, lateness_s=2)
    place = InDriver(cast(DataFrame, None), READER, dom, STREAM)
    return Sink(
        STREAM,
        PIPELINE,
        cast(ObjectStore, store),
        cast(Publisher, Published()),
        place,
        ShopResults(scores, Figures({"3231": Product("A shoe", "Footwear")})),
        lambda: None,
        lateness_s=2,
        retention_s=RETENTION_S,
    )


def stream() -> list[list[Received]]:
    """Micro-batches with ids that repeat, within the retention or not, and a message that waits."""
    found = []
    for number in range(8):
        bought = [transaction(name, "s") for name in (f"t{number}", f"t{number // 2}", f"t{number - 3}")]
        found.append(batch(number, [browsing("s")], bought))
    found[6].append(message("transactions", 8, [transaction("waits", "s")]))
    found.append([message("browsing", 8, [browsing("s")])])
    end = START + 1000
    found.append([message(topic, 9, [], ts=end, value=b"[]") for topic in ("browsing", "transactions")])
    return found


def run(store: CrashingStore, sent: Sequence[Sequence[Received]], first: int) -> Iterator[int]:
    """A driver's work from a micro-batch on; gives each that is done."""
    sink = driver(store)
    for number in range(first, len(sent)):
        sink.write(cast(DataFrame, Messages(sent[number])), number)
        yield number


def left(store: CrashingStore) -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables, without their times of writing."""
    rows = {
        name: pq.read_table(io.BytesIO(data)).to_pylist()
        for name, data in store.objects.items()
        if name.endswith(".parquet")
    }
    for found in rows.values():
        for row in found:
            row.pop("scored_at", None)
    return rows


@pytest.mark.parametrize("each", [1, 2, 3, 5, 7, 11])
def test_drivers_that_die_leave_what_one_leaves_undisturbed(each: int) -> None:
    sent, undisturbed = stream(), CrashingStore({}, ENDLESS)
    assert list(run(undisturbed, sent, 0)) == list(range(len(sent)))
    tables = left(undisturbed)
    reasons = [row["reason"] for name, rows in tables.items() if "/rejected/" in name for row in rows]
    assert reasons.count("duplicate") >= 5
    assert sum(len(rows) for name, rows in tables.items() if "/predictions/" in name) >= 10
    store, first, crashes = CrashingStore({}, each), 0, 0
    while first < len(sent):
        try:
            for number in run(store, sent, first):
                first = number
            break
        except Crash:
            crashes += 1
        # Each lives a little longer, so that some write is always new.
        store.left = each + crashes
    assert crashes >= 3
    assert left(store) == tables
    last = STREAM.commit(len(sent) - 1)
    assert undisturbed.get_json(last)["next_sequence"] == 10
    kept = ("blocks", "totals_sha256", "next_sequence", "max_ts")
    assert {name: store.get_json(last)[name] for name in kept} == {
        name: undisturbed.get_json(last)[name] for name in kept
    }
