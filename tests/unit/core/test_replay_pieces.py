"""Cutting batches: what is too large goes in pieces, and nothing that a run finds depends on it."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.broker.records import Record
from streamweir.contracts.ecommerce_fraud import PIPELINE, dataset
from streamweir.contracts.messages import MESSAGE_BYTES, ROW_BYTES, VALUE_BYTES, Kind, partition_of
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datagen import generator
from streamweir.liveplot.ecommerce_fraud import count
from streamweir.liveplot.series import Series
from streamweir.progress import no_progress
from streamweir.replay import deliveries as deliveries_module
from streamweir.replay import parcels
from streamweir.replay.batches import Batch, source_of
from streamweir.replay.clickstream_anomaly import recording as clicks
from streamweir.replay.deliveries import (
    Delivery,
    Piece,
    SpanStart,
    cut,
    deliveries,
    list_of_objects,
)
from streamweir.replay.ecommerce_fraud import facts, recording
from streamweir.replay.parcels import Job
from streamweir.replay.plan import Plan
from streamweir.replay.produced import Counting, Produced, parts
from streamweir_spark.clickstream_anomaly.domain import Domain as SiteDomain
from streamweir_spark.clickstream_anomaly.reader import READER as SITE_READER
from streamweir_spark.core import Domain, Output, OutputKind, Reader, Received
from streamweir_spark.decode import decode
from streamweir_spark.ecommerce_fraud.domain import Domain as ShopDomain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.ecommerce_fraud.reader import READER as SHOP_READER
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.shard import work
from tests.support.memory_store import MemoryStore
from tests.support.wire import messages

START = 1_700_000_000
RUN = Run(Stream(PIPELINE.name, "s"), "r1")
TOPICS = ("browsing", "transactions")


def plan(name: str = PIPELINE.name, batch_rows: int = 200, late: Mapping[int, int] | None = None) -> Plan:
    return Plan("r1", name, "s", "d", START, 1, 0, None, batch_rows, 7, late or {}, {}, "")


def write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, columns, restval="")
        out.writeheader()
        out.writerows(rows)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 browsing rows, and 20,000 transactions of which all but three lie behind them: 10 MB."""
    folder = tmp_path_factory.mktemp("sample")
    browsing = [
        {"session_id": f"s{n}", "event_time": f"2024-01-01 00:{n // 60:02d}:{n % 60:02d}"}
        for n in range(1_000)
    ]
    products = f"[{{'product_id': 1, 'quantity': 1, 'item_price': {'9' * 120}}}]"
    bought = [
        {
            "created_at": "2024-01-01 00:00:09" if n < 3 else "2024-02-01 00:00:00",
            "transaction_id": f"t{n}",
            "product_metadata": products,
            "payment_status": "Fail" if n % 4 else "Success",
        }
        for n in range(20_000)
    ]
    write(folder / dataset.BROWSING.name, [column.name for column in dataset.BROWSING_COLUMNS], browsing)
    names = [column.name for column in dataset.TRANSACTION_COLUMNS]
    write(folder / dataset.TRANSACTIONS.name, names, bought)
    return folder


def test_rows_behind_the_last_span_go_in_pieces_with_the_ts_of_the_last_batch(sample: Path) -> None:
    *sent, flush = deliveries(recording(sample).batches(), plan(), PIPELINE, list_of_objects)
    assert [delivery.batch for delivery in sent] == list(range(len(sent)))
    assert [delivery.sequence for delivery in sent] == list(range(7, 7 + len(sent)))
    assert [len(delivery.rows["browsing"]) for delivery in sent[:5]] == [200] * 5
    assert [delivery.ts - START for delivery in sent] == [0, 1, 2, 3] + [4] * (len(sent) - 4)
    largest = max(len(value) for delivery in sent for value in delivery.values.values())
    assert VALUE_BYTES / 2 < largest <= VALUE_BYTES
    for delivery in sent[4:]:
        assert sorted(map(len, delivery.rows.values()))[0] == 0
        assert b"[]" in delivery.values.values()
    assert flush.kind is Kind.FLUSH
    assert (flush.batch, flush.ts) == (len(sent), START + 4 + PIPELINE.flush_after_s)
    for topic, file in zip(TOPICS, dataset.LIVE_FILES, strict=True):
        found = [row for delivery in sent for row in orjson.loads(delivery.values[topic])]
        ts = [row.pop("ts") for row in found]
        assert found == read(sample / file.name)
        assert ts == sorted(ts)


def test_a_crowded_second_goes_in_pieces_of_that_second(tmp_path: Path) -> None:
    columns = ["event_id", "timestamp", "session_id", "user_id", "event_type", "page", "device"]
    times = ["2024-03-01T00:00:00Z", *["2024-03-01T00:00:02Z"] * 12_000, "2024-03-01T00:00:03Z"]
    events = [{"event_id": str(n), "timestamp": time} for n, time in enumerate(times)]
    write(tmp_path / "clickstream.csv", columns, events)
    events_of = pipeline("clickstream_anomaly")
    *sent, _ = deliveries(clicks(tmp_path).batches(), plan(events_of.name, 1), events_of, list_of_objects)
    assert [(delivery.batch, delivery.ts - START) for delivery in sent] == [
        (0, 0), (1, 2), (2, 2), (3, 3),
    ]  # fmt: skip
    assert max(len(delivery.values["events"]) for delivery in sent) <= VALUE_BYTES
    ids = [row["event_id"] for delivery in sent for row in orjson.loads(delivery.values["events"])]
    assert ids == [str(n) for n in range(len(times))]


def a_batch(browsing: Sequence[int], transactions: Sequence[int]) -> Batch:
    """Rows with texts of these lengths."""
    held = {"browsing": browsing, "transactions": transactions}
    rows = {
        topic: [{"id": f"{topic}{n}", "text": "x" * size} for n, size in enumerate(sizes)]
        for topic, sizes in held.items()
    }
    return Batch(0, 0, rows)


def pieces_of(*batches: Batch) -> list[Piece]:
    return list(cut(batches, START, TOPICS, list_of_objects))


def test_a_value_of_the_limit_stays_whole_and_a_byte_more_is_cut() -> None:
    room = VALUE_BYTES - len(list_of_objects(a_batch([0, 0], []).rows["browsing"], START))
    (whole,) = pieces_of(a_batch([0, room], [1]))
    assert len(whole.values["browsing"]) == VALUE_BYTES
    assert whole.rows == a_batch([0, room], [1]).rows
    halves = pieces_of(a_batch([0, room + 1], [1]))
    assert [[len(some) for some in piece.rows.values()] for piece in halves] == [[1, 0], [1, 0], [0, 1]]


def test_a_row_above_the_limit_travels_alone() -> None:
    found = pieces_of(a_batch([], [5, 5, 2 * VALUE_BYTES, 5]))
    ids = [[row["id"] for row in piece.rows["transactions"]] for piece in found]
    assert ids == [["transactions0", "transactions1"], ["transactions2"], ["transactions3"]]
    assert len(found[1].values["transactions"]) > 2 * VALUE_BYTES


def test_the_largest_row_can_be_sent_and_when_it_is_rejected_published() -> None:
    room = ROW_BYTES - len(orjson.dumps({"text": ""}))
    # Nothing grows more when it is made a text within JSON than quotes.
    row = {"text": '"' * (room // 2)}
    assert ROW_BYTES - 1 <= len(orjson.dumps(row)) <= ROW_BYTES
    value = list_of_objects([row], START)
    assert len(value) < MESSAGE_BYTES
    assert len(orjson.dumps({"raw": value.decode()})) < MESSAGE_BYTES - 100_000


SIZES = st.lists(st.integers(0, 90), max_size=12)


@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=4))
def test_every_row_is_sent_once_in_order_and_only_what_is_too_large_is_cut(
    sizes: list[tuple[list[int], list[int]]],
) -> None:
    batches = [Batch(n, n, a_batch(*both).rows) for n, both in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries_module, "VALUE_BYTES", 300)
        found = pieces_of(*batches)
    assert [piece.batch for piece in found] == list(range(len(found)))
    by_span = {span: list(some) for span, some in groupby(found, lambda piece: piece.span)}
    for batch in batches:
        own = by_span[batch.index]
        values = {topic: list_of_objects(batch.rows[topic], START + batch.index) for topic in TOPICS}
        assert {topic: [row for one in own for row in one.rows[topic]] for topic in TOPICS} == batch.rows
        if max(map(len, values.values())) <= 300:
            assert [one.values for one in own] == [values]
            continue
        topics = [topic for one in own for topic in TOPICS if one.rows[topic]]
        assert (len(topics), topics) == (len(own), sorted(topics))
        for one, topic in zip(own, topics, strict=True):
            assert one.values[topic] == list_of_objects(one.rows[topic], START + batch.index)
            assert len(one.values[topic]) <= 300 or len(one.rows[topic]) == 1


def test_the_pieces_of_a_delayed_batch_follow_a_whole_batch_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries_module, "VALUE_BYTES", 100)
    batches = [Batch(n, n, a_batch([60, 60], [1]).rows) for n in range(4)]
    *sent, _ = deliveries(batches, plan(late={1: 1}), PIPELINE, list_of_objects)
    assert [(one.sequence - 7, one.batch, one.ts - START, one.due) for one in sent] == [
        (0, 0, 0, 0), (1, 1, 0, 0), (2, 2, 0, 0),
        (3, 6, 2, 2), (4, 7, 2, 2), (5, 8, 2, 2),
        (6, 3, 1, 2), (7, 4, 1, 2), (8, 5, 1, 2),
        (9, 9, 3, 3), (10, 10, 3, 3), (11, 11, 3, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("many", [1, 1_000])
def test_a_resumed_run_goes_on_with_the_same_pieces(
    sample: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(parcels, "MANY", many)
    whole, store = Job(recording(sample), plan(), MemoryStore(), SpanStart(0, 0, 7), 7, 7), MemoryStore()
    everything = list(parcels.parcels(whole, lambda: False))
    for counted in range(1, len(everything)):
        produced = Produced(RUN, store, Counting(PIPELINE, facts, {}), 7)
        while produced.next_sequence < 7 + counted:
            parcel = everything[produced.next_sequence - 7]
            produced.add(parcel.counts, parcel.span)
        assert produced.begin is not None
        produced.record()
        held = counted + counted % 3
        job = whole._replace(begin=produced.begin, counted=7 + counted, held=7 + held)
        left = list(parcels.parcels(job, lambda: False) if counted % 7 == 1 else parcels.packed(job))
        assert [one.counts for one in left] == [one.counts for one in everything[counted:]]
        assert [one.values for one in left[: held - counted]] == [{}] * (held - counted)
        assert left[held - counted :] == everything[held:]
    assert len({parcel.span for parcel in everything}) < len(everything) - 10


def test_the_plot_and_the_counts_of_the_replay_agree_on_pieces(sample: Path) -> None:
    store, series = MemoryStore(), Series("r1", 7, partial(count, options={}))
    counting = Counting(PIPELINE, facts, {})
    produced = Produced(RUN, store, counting, 7)
    for delivery in deliveries(recording(sample).batches(), plan(), PIPELINE, list_of_objects):
        produced.add(counting.of(delivery), delivery.span)
        transactions = messages(delivery, "r1")[1]
        series.add(Record("transactions", 0, delivery.sequence, 0, transactions.headers, transactions.value))
    produced.record()
    assert series.complete
    assert [(point.batch, point.ts - START, point.value) for point in series.points()] == [
        (0, 0, 1), (1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 4_999),
    ]  # fmt: skip
    by_ts: Counter[int] = Counter()
    [part] = parts(RUN, store)
    for line in part.to_pylist()[:-1]:
        by_ts[line["ts"]] += line["success_payments"]
    assert by_ts == {point.ts: point.value for point in series.points()}
    assert produced.facts == {"success_payments": 5_000}
    assert produced.batches == series.batches > 12


def shop(folder: Path) -> ShopDomain:
    return ShopDomain(customers_of(read(folder / "customer.csv")), ModelNeeds(), lookback_s=30)


CORES = {
    "ecommerce_fraud": ({"batches": 30, "history_batches": 1}, 40, SHOP_READER, shop, OutputKind.SCORED),
    "clickstream_anomaly": ({"batches": 3_000}, 1, SITE_READER, lambda _: SiteDomain(), OutputKind.CLOSED),
}


@pytest.mark.parametrize("word", list(CORES))
def test_the_results_do_not_depend_on_cutting(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, batch_rows, reader, domain, judged = CORES[word]
    generator(word)(tmp_path, seed=7, **sizes, progress=no_progress)

    def sent() -> list[Delivery]:
        source, late = source_of(word), {5: 20, 20: pipeline(word).lateness_s + 30, 21: 30}
        batches = source.recording(tmp_path, batch_rows=batch_rows).batches()
        begun = replace(plan(word, batch_rows, late), first_sequence=0)
        return list(deliveries(batches, begun, pipeline(word), source.value))

    whole = sent()
    monkeypatch.setattr(deliveries_module, "VALUE_BYTES", 300)
    apart = sent()
    assert len(apart) > 1.2 * len(whole)
    one, other = (outputs(word, some, reader, domain(tmp_path)) for some in (whole, apart))
    assert judgements(one, judged) == judgements(other, judged)
    assert sums(one) == sums(other)
    assert len(judgements(one, judged)) > 10
    assert {reason for *_, reason in sums(one)} >= {"late", None}


def outputs(word: str, sent: Sequence[Delivery], reader: Reader, domain: Domain) -> list[Output]:
    """What a scorer makes of the messages."""
    partitions = {topic.name: topic.partitions for topic in pipeline(word).inputs}
    wire = [
        Received(
            one.topic, partition_of(delivery.sequence, partitions[one.topic]), delivery.sequence, 0,
            one.headers, one.value,
        )
        for delivery in sent
        for one in messages(delivery, "r1")
    ]  # fmt: skip
    return work(None, list(decode(wire, 1, reader)), domain)[1]


def judgements(found: Sequence[Output], kind: OutputKind) -> list[tuple[object, ...]]:
    """What was scored or closed, in order, without the place in the stream."""
    return [(one.ts if kind is OutputKind.SCORED else None, one.values) for one in found if one.kind == kind]


def sums(found: Sequence[Output]) -> Counter[tuple[object, ...]]:
    """Rows that were used, and rows that were rejected, by topic, ts, id and reason."""
    counted: Counter[tuple[object, ...]] = Counter()
    for one in found:
        if one.kind in (OutputKind.TALLY, OutputKind.REJECTED):
            counted[one.topic, one.ts, one.id, one.reason] += one.rows or 0
    return +counted
