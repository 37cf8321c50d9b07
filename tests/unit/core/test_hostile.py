"""Hostile messages among good ones: the good ones fare as without them, every bad one is named."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from streamweir.contracts.ecommerce_fraud import dataset
from streamweir.contracts.messages import Kind, partition_of
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.tables import Pipeline
from streamweir.datagen import generator
from streamweir.progress import no_progress
from streamweir.replay.batches import source_of
from streamweir.replay.csvfile import CsvFile
from streamweir.replay.deliveries import Delivery, deliveries
from streamweir.replay.plan import Plan
from streamweir_spark.clickstream_anomaly.domain import Domain as SiteDomain
from streamweir_spark.clickstream_anomaly.reader import READER as SITE_READER
from streamweir_spark.core import Domain, Output, OutputKind, Reader, Received
from streamweir_spark.decode import decode
from streamweir_spark.ecommerce_fraud.domain import Domain as ShopDomain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.ecommerce_fraud.reader import READER as SHOP_READER
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.shard import Shard, work
from tests.support.hostile import FIRST_BATCH, FOREIGN, SPOILT_MESSAGES, SPOILT_ROWS, Hostile
from tests.support.wire import messages

PLAN = Plan(
    **{"run": "r", "pipeline": "p", "stream": "s", "dataset": "", "start_ts": 1_700_000_000},
    **{"interval_s": 1, "speed": 0, "batches": None, "batch_rows": 10, "first_sequence": 0, "late": {}},
    **{"offsets": {}, "planned_at": ""},
)


@dataclass(frozen=True)
class Subject:
    """A pipeline among hostile messages: its good ones, and the core that works on them."""

    folder: Path
    pipeline: Pipeline
    source: ModuleType
    batch_rows: int
    reader: Reader
    domain: Callable[[Path], Domain]

    def deliveries(self) -> Iterator[Delivery]:
        recording = self.source.recording(self.folder, batch_rows=self.batch_rows, limit=60, unsorted_ok=True)
        return deliveries(recording.batches(), PLAN, self.pipeline, self.source.value)

    def mixed(self, hostile: Hostile) -> Iterator[Delivery]:
        return hostile.mixed(self.deliveries(), self.source.value, 0)

    def on_the_wire(
        self, found: Iterable[Delivery], hostile: Hostile | None = None
    ) -> Iterator[list[Received]]:
        """The messages as Kafka holds them, a micro-batch for each delivery."""
        ends: Counter[tuple[str, int]] = Counter()
        partitions = {topic.name: topic.partitions for topic in self.pipeline.inputs}

        def held(topic: str, partition: int, headers: list, text: bytes) -> Received:
            ends[topic, partition] += 1
            return Received(topic, partition, ends[topic, partition], 0, headers, text)

        for delivery in found:
            micro_batch = []
            for one in messages(delivery, "r"):
                place = partition_of(delivery.sequence, partitions[one.topic])
                micro_batch.append(held(one.topic, place, one.headers, one.value))
                for place, other in hostile.foreign_after(one) if hostile else ():
                    micro_batch.append(held(other.topic, place, other.headers, other.value))
            yield micro_batch

    def outputs(self, micro_batches: Iterable[list[Received]]) -> list[Output]:
        """What a shard that is made anew for each micro-batch puts out, and so one that stays."""
        domain, state, found = self.domain(self.folder), None, list[Output]()
        stays = Shard(self.domain(self.folder))
        for micro_batch in micro_batches:
            parts = list(decode(micro_batch, 1, self.reader))
            state, outputs = work(state, parts, domain)
            assert stays.work(parts) == outputs
            stays.dump()
            found += outputs
        return found


def shop(folder: Path) -> ShopDomain:
    customers = CsvFile(folder / dataset.CUSTOMERS.name, ())
    rows = (dict(zip(customers.names, row, strict=True)) for row in customers.rows())
    return ShopDomain(customers_of(rows), ModelNeeds())


SUBJECTS = {
    "ecommerce_fraud": ({"batches": 3, "history_batches": 20}, 20, SHOP_READER, shop),
    "clickstream_anomaly": ({"batches": 3_000}, 1, SITE_READER, lambda folder: SiteDomain()),
}


@pytest.fixture(scope="module", params=list(SUBJECTS))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    sizes, *more = SUBJECTS[request.param]
    folder = tmp_path_factory.mktemp("dataset")
    generator(request.param)(folder, seed=11, **sizes, progress=no_progress)
    return Subject(folder, pipeline(request.param), source_of(request.param), *more)


def results(outputs: Iterable[Output]) -> Counter[tuple]:
    """What came of the good rows, wherever in the stream and in their messages they were."""
    found: Counter[tuple] = Counter()
    for one in outputs:
        if one.kind == OutputKind.TALLY:
            found[one.topic, one.batch_index, one.ts] += one.rows or 0
        elif one.kind in (OutputKind.SCORED, OutputKind.CLOSED):
            found[one.kind, one.batch_index, one.ts if one.batch_index is not None else None, one.values] += 1
    return found


def refused(outputs: Iterable[Output]) -> Counter[tuple]:
    """Rejected rows by topic, batch and reason; foreign messages by reason alone."""
    found: Counter[tuple] = Counter()
    for one in outputs:
        if one.kind == OutputKind.REJECTED:
            cell = (one.topic, one.batch_index) if one.reason != "foreign" else ()
            found[(*cell, one.reason)] += one.rows or 0
            assert one.detail
    return +found


@pytest.mark.parametrize("seed", range(4))
def test_good_rows_fare_as_without_hostile_ones_and_every_bad_one_is_named(
    subject: Subject, seed: int
) -> None:
    clean = subject.outputs(subject.on_the_wire(subject.deliveries()))
    hostile = Hostile(subject.pipeline, seed, hostile_per_batch=12, foreign_per_batch=8)
    mixed = subject.outputs(subject.on_the_wire(subject.mixed(hostile), hostile))
    foreign = Counter({("foreign",): hostile.foreign.total()})
    assert refused(mixed) == refused(clean) + hostile.expected + foreign
    assert results(mixed) == results(clean)
    assert min(len(results(clean)), foreign.total()) > 50


def test_all_kinds_are_sent(subject: Subject) -> None:
    hostile = Hostile(subject.pipeline, 1, hostile_per_batch=60, foreign_per_batch=60)
    for _ in subject.on_the_wire(subject.mixed(hostile), hostile):
        pass
    kinds = {*SPOILT_ROWS, *SPOILT_MESSAGES, "wrong number of rows", "late"}
    assert kinds <= set(hostile.messages)
    assert set(hostile.foreign) == set(FOREIGN)
    assert {batch >= FIRST_BATCH for _, batch, _ in hostile.expected} == {False, True}


def test_the_same_seed_gives_the_same_messages(subject: Subject) -> None:
    def sent() -> list[list[Received]]:
        hostile = Hostile(subject.pipeline, 3, hostile_per_batch=4, foreign_per_batch=4)
        return list(subject.on_the_wire(subject.mixed(hostile), hostile))

    assert sent() == sent()
    good = len(list(subject.deliveries())) - 1
    kinds = [delivery.kind for delivery in subject.mixed(Hostile(subject.pipeline, 3, 1, 0))]
    assert kinds == [Kind.BATCH] * 2 * good + [Kind.FLUSH]
