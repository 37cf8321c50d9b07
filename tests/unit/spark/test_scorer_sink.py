"""What a micro-batch leaves behind: tables, messages and a commit record, once, whole, and the same again."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamweir.arrow import arrow_schema
from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS, PIPELINE, PREDICTIONS
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, DependencyUnreachable
from streamweir.models.archive import unpack
from streamweir.models.card import Card
from streamweir.objectstore import ObjectStore
from streamweir_spark import micro_batch
from streamweir_spark.columns import UNSCORABLE, core_arrow_schema
from streamweir_spark.core import Output, Received
from streamweir_spark.ecommerce_fraud.figures import Figures, Product
from streamweir_spark.ecommerce_fraud.query import ShopResults
from streamweir_spark.micro_batch import Predict
from streamweir_spark.model import load
from streamweir_spark.numpy_model import proven
from streamweir_spark.outputs import scored_columns
from streamweir_spark.proving import prove
from streamweir_spark.publish import Offsets, Outgoing, Publisher
from streamweir_spark.sink import Sink
from tests.support.crashing_store import Crash, CrashingStore
from tests.support.given_outputs import Given, frame_of
from tests.support.memory_store import MemoryStore
from tests.unit.core.ecommerce_stream import START, batch, browsing, domain, message, run_apart, transaction

FIXTURE = Path(__file__).parents[2] / "fixtures" / "small_model.zip"
STREAM = Stream("ecommerce_fraud", "s")
SCHEMA = core_arrow_schema(scored_columns(domain()))


class Published:
    """Takes the place of the publisher; remembers what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, list[Outgoing], Offsets]] = []

    def publish(self, batch_id: int, messages: list[Outgoing], since: Offsets) -> Offsets:
        self.calls.append((batch_id, messages, since))
        return {"topic": {"0": len(messages)}}


class Case:
    """A sink on a store in memory, with a model that calls every transaction of t-fraud a fraud."""

    def __init__(
        self,
        spark: SparkSession,
        store: MemoryStore | None = None,
        model: Callable[[DataFrame], DataFrame] | None = None,
        scores: Predict | None = None,
    ) -> None:
        self.spark = spark
        self.store = store or MemoryStore()
        self.model = model or predict
        self.published = Published()
        self.before_writing: Callable[[], None] = lambda: None
        self.sink = Sink(
            STREAM,
            PIPELINE,
            cast(ObjectStore, self.store),
            cast(Publisher, self.published),
            Given(SCHEMA),
            ShopResults(scores or self.scores, Figures({"3231": Product("A shoe", "Footwear")})),
            lambda: self.before_writing(),
            lateness_s=PIPELINE.lateness_s,
            retention_s=RETENTION_S,
        )

    def scores(self, rows: pa.Table) -> pa.Table:
        return self.model(self.spark.createDataFrame(rows)).toArrow()

    def write(self, batch_id: int, outputs: Sequence[Output]) -> None:
        self.sink.write(frame_of(outputs), batch_id)

    def table(self, name: str, batch_id: int) -> list[dict[str, Any]]:
        data = self.store.objects[str(STREAM.table_file(name, batch_id))]
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
        return rows

    def commit(self, batch_id: int) -> dict[str, Any]:
        return dict(self.store.get_json(STREAM.commit(batch_id)))

    def blocks(self) -> list[str]:
        return [key.key.rpartition("/")[2] for key in self.store.list(STREAM.blocks)]

    def tables(self) -> set[tuple[str, str]]:
        names = (name.split("/") for name in self.store.objects if "/tables/" in name)
        return {(parts[-3], parts[-2]) for parts in names}


def predict(frame: DataFrame) -> DataFrame:
    fraud = F.when(F.col("transaction_id") == "t-fraud", 1.0).otherwise(0.0)
    return frame.withColumns(
        {
            "rawPrediction": F.array(-fraud, fraud),
            "probability": F.array(1 - fraud, fraud),
            "fraud_probability": fraud,
            "prediction": fraud.cast("long"),
            "model_version": F.lit("m1"),
            UNSCORABLE: F.lit(None).cast("string"),
        }
    )


def outputs_of(*micro_batches: list[Received]) -> list[list[Output]]:
    """What each of these micro-batches puts out."""
    found = [run_apart(micro_batches[: count + 1], domain(), 1) for count in range(len(micro_batches))]
    return [after[len(before) :] for before, after in zip([[], *found], found, strict=False)]


def first() -> list[Received]:
    return [
        *batch(0, [browsing("s")], [transaction("t1", "s"), transaction("t-fraud", "s")]),
        *batch(1, [browsing("s"), browsing("")], [transaction("t2", "s"), transaction("t1", "s")]),
        Received("browsing", 2, 77, 5, None, b"\xffnot ours"),
    ]


def flush() -> list[Received]:
    return [message(topic, 2, [], ts=START + 1000, value=b"[]") for topic in ("browsing", "transactions")]


@pytest.fixture
def case(spark: SparkSession) -> Case:
    return Case(spark)


def test_predictions_hold_the_contracts_columns_then_whose_a_row_is(case: Case) -> None:
    case.write(0, outputs_of(first())[0])
    data = case.store.objects[str(STREAM.table_file("predictions", 0))]
    stored = pq.read_table(io.BytesIO(data))
    assert stored.schema.names == [*PREDICTIONS.names, "run", "sequence"]
    assert stored.select(list(PREDICTIONS.names)).schema.equals(arrow_schema(PREDICTIONS.columns))
    rows = stored.to_pylist()
    assert [(row["transaction_id"], row["prediction"], row["sequence"]) for row in rows] == [
        ("t1", 0, 0),
        ("t-fraud", 1, 0),
        ("t2", 0, 1),
    ]
    assert {row["session_events"] for row in rows} == {1, 2}
    assert {(row["run"], row["model_version"]) for row in rows} == {("run", "m1")}
    assert all(row["event_ts"].timestamp() == row["ts"] == START + row["sequence"] for row in rows)


def test_rejected_records_are_stored_and_published_with_reason_and_bytes(case: Case) -> None:
    case.write(0, outputs_of(first())[0])
    rows = {row["reason"]: row for row in case.table("rejected", 0)}
    assert set(rows) == {"malformed", "duplicate", "foreign"}
    assert list(rows["foreign"]) == list(REJECTED.names)
    assert rows["foreign"]["raw"] == b"\xffnot ours"
    messages = [m for m in case.published.calls[0][1] if m.topic.endswith(".rejected")]
    values = {json.loads(m.value)["reason"]: (json.loads(m.value), m.headers) for m in messages}
    assert values["foreign"][0]["raw"] == "�not ours"
    assert (values["foreign"][1], values["duplicate"][1]) == ([("run", b"")], [("run", b"run")])


def test_every_prediction_is_published_as_json_of_the_tables_columns(case: Case) -> None:
    case.write(0, outputs_of(first())[0])
    messages = [m for m in case.published.calls[0][1] if m.topic == STREAM.topic("predictions")]
    assert [m.partition for m in messages] == [0, 0, 1]
    values = [json.loads(m.value) for m in messages]
    assert [value["transaction_id"] for value in values] == ["t1", "t-fraud", "t2"]
    assert list(values[0]) == list(PREDICTIONS.names)
    stored = case.table("predictions", 0)
    for name in ("fraud_probability", "probability", "ts", "total_amount", "product_metadata", "batch_index"):
        assert [value[name] for value in values] == [row[name] for row in stored]
    assert values[0]["event_ts"] == "2023-11-14T22:13:20.000Z"


def test_numpy_and_spark_leave_the_same_tables_and_messages(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batch, "now_us", lambda: 1_700_000_000_000_001)
    folder = unpack(FIXTURE, tmp_path)
    proof = prove(spark, folder, PipelineModel.load(folder.as_uri()), MODEL_COLUMNS)
    card = Card(source="external", version="v1", numpy=proof)
    ways = load(spark, folder.as_uri(), card, MODEL_COLUMNS), proven(folder, card, None)
    by_spark, by_numpy = (Case(spark, scores=model.predict) for model in ways)
    for case in (by_spark, by_numpy):
        case.write(0, outputs_of(first())[0])
    assert len(by_numpy.table("predictions", 0)) == 3
    for one, other in zip(by_numpy.published.calls[0][1], by_spark.published.calls[0][1], strict=True):
        assert one._replace(value=b"") == other._replace(value=b"")
        assert list(json.loads(one.value)) == list(json.loads(other.value))
        assert_near(json.loads(one.value), json.loads(other.value))
    for table, _ in by_spark.tables():
        for one, other in zip(by_numpy.table(table, 0), by_spark.table(table, 0), strict=True):
            assert_near(one, other)


def assert_near(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Equal rows, probabilities and raw predictions to 1e-12."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        scores = name in ("rawPrediction", "probability", "fraud_probability")
        assert value == (pytest.approx(other[name], abs=1e-12) if scores else other[name]), name


def test_the_commit_record_says_what_the_micro_batch_did(case: Case) -> None:
    case.write(0, outputs_of(first())[0])
    record = case.commit(0)
    assert (record["batch_id"], record["next_sequence"], record["max_ts"]) == (0, 2, START + 1)
    assert (record["foreign"], record["rows"]) == (1, 3 + 2 + 3)
    (block,) = case.blocks()
    assert record["blocks"] == [block]
    kept = [STREAM.memory(0), STREAM.block(block)]
    assert record["state_bytes"] == sum(len(case.store.objects[str(key)]) for key in kept) > 10 + 24
    assert record["published"] == {"topic": {"0": 6}}
    assert (record["format"], set(record["files"])) == (5, {name for name, _ in case.tables()})
    assert set(record["files"]) == {"predictions", "rejected", "worked"}
    assert record["committed_at"] > 1_600_000_000_000_000


def test_the_messages_that_were_worked_on_are_listed_with_their_rows(case: Case) -> None:
    case.write(0, outputs_of(first())[0])
    worked = [(row["topic"], row["run"], row["sequence"], row["rows"]) for row in case.table("worked", 0)]
    assert sorted(worked) == [
        ("browsing", "run", 0, 1),
        ("browsing", "run", 1, 1),
        ("transactions", "run", 0, 2),
        ("transactions", "run", 1, 1),
    ]
    appended = {row["sequence"]: row["appended_at"].timestamp() for row in case.table("worked", 0)}
    assert appended == {0: 0, 1: 1}


def test_figures_go_on_from_the_micro_batch_before_and_belong_to_the_run(case: Case) -> None:
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    case.write(1, outputs[1])
    windows = case.table("fraud_windows", 1)
    assert max(row["scored"] for row in windows) == 3
    assert max(row["frauds"] for row in windows) == 1
    assert {row["run"] for row in windows} == {"run"}
    sold = case.table("sold_quantity", 1)
    assert sold[-1]["quantity_so_far"] == 4
    assert [row["name"] for row in case.table("top_products", 1)] == ["A shoe"]
    assert ("predictions", "batch_id=1") not in case.tables()


def test_a_repeated_micro_batch_leaves_the_same(case: Case, spark: SparkSession) -> None:
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    case.write(1, outputs[1])
    undisturbed = {name: case.table(*name) for name in _files(case)}
    # The driver died before the second commit record; a new one finds the first.
    del case.store.objects[str(STREAM.commit(1))]
    again = Case(spark, case.store)
    again.write(1, outputs[1])
    assert {name: again.table(*name) for name in _files(again)} == undisturbed
    assert again.published.calls[0][2] == {"topic": {"0": 6}}
    assert case.sink.last is not None
    assert again.sink.last is not None
    assert again.sink.last.totals == case.sink.last.totals


def test_a_crash_at_any_write_leaves_what_the_last_commit_kept(case: Case, spark: SparkSession) -> None:
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    case.store.put(STREAM.block("f" * 64), b"of a driver that died")
    before = dict(case.store.objects)
    case.write(1, outputs[1])
    after = case.store.objects
    assert set(case.commit(1)["blocks"]).isdisjoint(name.rpartition("/")[2] for name in before)
    crashes = 0
    while True:
        store = CrashingStore(before, crashes)
        try:
            Case(spark, store).write(1, outputs[1])
        except Crash:
            crashes += 1
        else:
            break
        store.left = 1_000
        # Spark repeats the micro-batch, also the one that was committed.
        Case(spark, store).write(1, outputs[1])
        assert _timeless(store) == _timeless(case.store)
    # The deletion at the start; tables, totals, working state, block, commit record.
    assert crashes == len({name for name in after if after[name] != before.get(name)}) + 1 >= 7


def test_the_objects_of_a_micro_batch_may_be_written_in_any_order(case: Case, spark: SparkSession) -> None:
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    before = dict(case.store.objects)
    case.write(1, outputs[1])
    after = case.store.objects
    written = [name for name in after if after[name] != before.get(name) and "/commits/" not in name]
    assert {str(STREAM.totals(1)), str(STREAM.memory(1))} <= set(written)
    for name in written:
        store = MemoryStore()
        store.objects = before | {name: after[name]}
        Case(spark, store).write(1, outputs[1])
        assert _timeless(store) == _timeless(case.store)


def test_blocks_that_no_record_names_any_more_are_deleted(case: Case, spark: SparkSession) -> None:
    outputs = outputs_of(first(), flush(), [])
    for batch_id, found in enumerate(outputs):
        case.write(batch_id, found)
    named = [set(case.commit(batch_id)["blocks"]) for batch_id in range(3)]
    # Those of the record before stay, as totals and working state do.
    assert set(case.blocks()) == named[1] | named[2]
    assert len(named[0] | named[1] | named[2]) == 3
    case.store.put(STREAM.block("f" * 64), b"of a driver that died")
    Case(spark, case.store).write(2, outputs[2])
    assert set(case.blocks()) == named[2]


def _timeless(store: MemoryStore) -> dict[str, object]:
    """What counts of what is stored, but for the times of writing."""
    named = {str(STREAM.block(digest)) for digest in store.get_json(STREAM.commit(1))["blocks"]}
    assert named
    return {
        name: {**json.loads(data), "committed_at": 0}
        if "/commits/" in name
        else pq.read_table(io.BytesIO(data)).to_pylist()
        if name.endswith(".parquet")
        else data
        for name, data in store.objects.items()
        if "/blocks/" not in name or name in named
    }


def test_a_commit_record_does_not_grow_with_the_products_sold(case: Case) -> None:
    names = [f"t{number}" for number in range(40)]
    lines = ({"product_id": number, "quantity": 1, "item_price": 5} for number in range(40))
    sold = [
        transaction(name, "s", product_metadata=f"[{line}]") for name, line in zip(names, lines, strict=True)
    ]
    one, many = outputs_of(batch(0, [], sold[:1]), [*batch(1, [], sold), *flush()])
    case.write(0, one)
    small = len(case.store.objects[str(STREAM.commit(0))])
    case.write(1, many)
    assert len(json.loads(case.store.objects[str(STREAM.totals(1))])["products"]) == 40
    assert len(case.store.objects[str(STREAM.commit(1))]) < small + 200


@pytest.mark.parametrize("kept", ["totals", "memory", "block"])
def test_what_is_missing_or_of_another_micro_batch_is_not_gone_on_from(
    case: Case, spark: SparkSession, kept: str
) -> None:
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    keys = {"totals": STREAM.totals(0), "memory": STREAM.memory(0), "block": STREAM.block(*case.blocks())}
    key = keys[kept]
    stored = case.store.objects.pop(str(key))
    for data in (None, stored + b" "):
        again = Case(spark, case.store)
        if data:
            case.store.objects[str(key)] = data
        with pytest.raises(BadConfiguration, match=rf"{key} is missing or not of micro-batch 0"):
            again.write(1, outputs[1])
        assert again.published.calls == []


def test_a_record_that_holds_its_totals_itself_is_gone_on_from(case: Case, spark: SparkSession) -> None:
    """As a scorer of an earlier version has left it."""
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    totals = json.loads(case.store.objects.pop(str(STREAM.totals(0))))
    record = {
        name: value
        for name, value in case.commit(0).items()
        if name not in ("totals_sha256", "files", "format")
    }
    case.store.put_json(STREAM.commit(0), record | {"totals": totals})
    again = Case(spark, case.store)
    again.write(1, outputs[1])
    assert again.table("sold_quantity", 1)[-1]["quantity_so_far"] == 4


def test_a_micro_batch_with_a_commit_record_is_not_written_again(case: Case, spark: SparkSession) -> None:
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    committed = case.commit(0)
    again = Case(spark, case.store)
    again.write(0, outputs[0])
    assert (again.published.calls, again.commit(0)) == ([], committed)
    again.write(1, outputs[1])
    assert case.table("sold_quantity", 1)[-1]["quantity_so_far"] == 4


def test_a_stream_whose_last_commit_record_is_missing_does_not_count_from_zero(
    case: Case, spark: SparkSession
) -> None:
    outputs = outputs_of(first(), flush())
    case.write(0, outputs[0])
    del case.store.objects[str(STREAM.commit(0))]
    again = Case(spark, case.store)
    with pytest.raises(BadConfiguration, match=r"commits/0000000000\.json is missing"):
        again.write(1, outputs[1])
    assert again.published.calls == []


def test_without_the_lease_nothing_is_published_or_written(case: Case) -> None:
    def lost() -> None:
        raise DependencyUnreachable("no lease")

    case.before_writing = lost
    with pytest.raises(DependencyUnreachable):
        case.write(0, outputs_of(first())[0])
    assert (case.published.calls, case.store.objects) == ([], {})


def test_a_micro_batch_without_messages_commits_where_the_stream_stands(case: Case) -> None:
    case.write(0, outputs_of(first())[0])
    case.write(1, [])
    record = case.commit(1)
    assert (record["next_sequence"], record["max_ts"], record["rows"]) == (2, START + 1, 0)
    assert case.tables() == {(name, "batch_id=0") for name in ("predictions", "rejected", "worked")}


def refusing(*, first_only: bool) -> Callable[[DataFrame], DataFrame]:
    """A model that gives t1 no number: always, or only in its first row."""
    wanted = F.col("transaction_id") == "t1"
    refused = wanted & (F.col("sequence") == 0) if first_only else wanted
    why = F.when(refused, "the model's probability is [NaN, NaN]: not a finite number")

    return lambda frame: predict(frame).withColumn(UNSCORABLE, why)


def test_a_row_without_a_score_is_unscorable_and_nothing_of_it_is_published(spark: SparkSession) -> None:
    case = Case(spark, model=refusing(first_only=False))
    case.write(0, outputs_of(first())[0])
    assert [row["transaction_id"] for row in case.table("predictions", 0)] == ["t-fraud", "t2"]
    odd = [row for row in case.table("rejected", 0) if row["id"] == "t1"]
    places = [(row["reason"], row["sequence"], row["row"], row["rows"]) for row in odd]
    assert places == [("unscorable", 0, 0, 1), ("unscorable", 1, 1, 1)]
    assert {row["detail"] for row in odd} == {"the model's probability is [NaN, NaN]: not a finite number"}
    assert json.loads(odd[0]["raw"])["session_id"] == "s"
    published = [json.loads(m.value) for m in case.published.calls[0][1]]
    assert not [value for value in published if value.get("transaction_id") == "t1"]


def test_a_duplicate_of_a_row_without_a_score_is_scored_in_the_same_micro_batch(spark: SparkSession) -> None:
    case = Case(spark, model=refusing(first_only=True))
    case.write(0, outputs_of(first())[0])
    scored = [(row["transaction_id"], row["sequence"]) for row in case.table("predictions", 0)]
    assert scored == [("t-fraud", 0), ("t2", 1), ("t1", 1)]
    reasons = {row["reason"] for row in case.table("rejected", 0)}
    assert reasons == {"unscorable", "malformed", "foreign"}
    # The shard remembers the ts of the row before it.
    assert case.commit(0)["doubts"] == [[START + 1, START + 1, "s", "t1"]]


def test_a_duplicate_in_a_later_micro_batch_is_scored_also_after_a_restart(spark: SparkSession) -> None:
    messages = first()
    earlier, later = messages[:2], messages[2:]
    outputs = outputs_of(earlier, later)
    case = Case(spark, model=refusing(first_only=True))
    case.write(0, outputs[0])
    assert case.commit(0)["doubts"] == [[START, None, "s", "t1"]]
    restarted = Case(spark, case.store, refusing(first_only=True))
    restarted.write(1, outputs[1])
    assert [row["transaction_id"] for row in restarted.table("predictions", 1)] == ["t2", "t1"]
    assert "duplicate" not in {row["reason"] for row in restarted.table("rejected", 1)}
    assert restarted.commit(1)["doubts"] == [[START + 1, START + 1, "s", "t1"]]


def test_rows_that_spark_fails_on_are_unscorable_and_the_stream_goes_on(spark: SparkSession) -> None:
    fails = F.when(F.col("transaction_id") == "t2", F.raise_error(F.lit("no such row"))).otherwise(F.lit(0))
    case = Case(spark, model=lambda frame: predict(frame).withColumn("ts", F.col("ts") + fails.cast("long")))
    case.write(0, outputs_of(first())[0])
    assert [row["transaction_id"] for row in case.table("predictions", 0)] == ["t1", "t-fraud"]
    (odd,) = [row for row in case.table("rejected", 0) if row["reason"] == "unscorable"]
    assert odd["id"] == "t2"
    assert odd["detail"].startswith("the model fails on the row: ")
    assert "no such row" in odd["detail"]


def _files(case: Case) -> list[tuple[str, int]]:
    return sorted(
        (table, int(batch.removeprefix("batch_id=")))
        for table, batch in case.tables()
        if table != "predictions"
    )
