"""Exactly once, whatever the broker answers: one in memory that fails before or after a commit took hold."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from kafka import errors
from tenacity import wait_none

from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, DependencyUnreachable
from streamweir.replay import transmission as sending
from streamweir.replay.batches import Batch
from streamweir.replay.deliveries import deliveries, list_of_objects
from streamweir.replay.ecommerce_fraud import facts
from streamweir.replay.parcels import Backlog, Parcel, prepared
from streamweir.replay.plan import Plan
from streamweir.replay.position import Position
from streamweir.replay.produced import Counting
from streamweir.replay.transmission import Link, Transmission

RUN = Run(Stream(PIPELINE.name, "s"), "r1")
COUNT = 40
COUNTING = Counting(PIPELINE, facts, {})


class Broker:
    """Two topics in memory. `faults`: what the n-th commit does: fail before it takes hold, or after."""

    def __init__(self, faults: Mapping[int, str] | None = None) -> None:
        self.log: list[tuple[str, int, Headers]] = []
        self.faults, self.commits, self.opened = dict(faults or {}), 0, 0
        self.epoch = 0

    def position(self) -> Position:
        said = [headers for _, _, headers in self.log]
        last = max(said, key=lambda headers: headers.sequence, default=None)
        offsets = {topic.name: dict.fromkeys(range(topic.partitions), 0) for topic in PIPELINE.inputs}
        return Position(last.sequence + 1 if last else 0, last, last.ts if last else None, offsets)


class Faulty(dict[int, str]):
    """Every commit fails."""

    def pop(self, key: int, default: object = None) -> str:
        return "before"


class Writer:
    def __init__(self, broker: Broker) -> None:
        broker.epoch += 1
        self.broker, self.epoch, self.open = broker, broker.epoch, []

    def begin(self) -> None:
        self.open = []

    def send(self, topic: str, partition: int, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        said = Headers.decode(headers)
        assert said is not None
        self.open.append((topic.rpartition(".")[2], partition, said))

    def commit(self) -> dict[tuple[str, int], int]:
        self.broker.commits += 1
        fault = self.broker.faults.pop(self.broker.commits, None)
        if fault == "refused":
            raise errors.TopicAuthorizationFailedError("no")
        if fault == "before" or self.epoch != self.broker.epoch:
            raise errors.ProducerFencedError("gone")
        self.broker.log += self.open
        if fault == "after":
            raise errors.KafkaTimeoutError("no answer")
        return {(f"x.s.{topic}", partition): 1 for topic, partition, _ in self.open}

    def close(self) -> None:
        pass


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Broker], Link]:
    def make(broker: Broker) -> Link:
        monkeypatch.setattr(sending, "TransactionalWriter", lambda kafka, name: Writer(broker))
        monkeypatch.setattr(sending, "position", lambda kafka, stream, pipeline: broker.position())
        monkeypatch.setattr(sending, "wait_random_exponential", lambda **_: wait_none())
        return Link(KafkaConnection("nowhere:1"), RUN.stream, PIPELINE)

    return make


def some() -> Iterator[Batch]:
    for index in range(COUNT):
        yield Batch(index, index, {"browsing": [{"session_id": f"s{index}"}] * 2, "transactions": []})


def transmission(
    link: Link,
    sent: Callable[[Parcel], None] = lambda parcel: None,
    waiting: Callable[[], bool] = lambda: False,
) -> Transmission:
    plan = Plan(
        run="r1",
        pipeline=PIPELINE.name,
        stream="s",
        dataset="d",
        start_ts=100,
        interval_s=1,
        speed=0,
        batches=None,
        batch_rows=2,
        first_sequence=0,
        late={},
        offsets={},
        planned_at="",
    )
    parcels = (
        Parcel(sent.due, sent.span, COUNTING.of(sent), sent.values)
        for sent in deliveries(some(), plan, PIPELINE, list_of_objects)
    )
    return Transmission(RUN, PIPELINE, Backlog(parcels, waiting), link, link.open(), sent)


def assert_exactly_once(broker: Broker) -> None:
    for topic in ("browsing", "transactions"):
        found = [(partition, said) for name, partition, said in broker.log if name == topic]
        assert [said.sequence for _, said in found] == list(range(COUNT + 1))
        assert [partition for partition, _ in found] == [sequence % 4 for sequence in range(COUNT + 1)]
        assert [said.kind for _, said in found] == [Kind.BATCH] * COUNT + [Kind.FLUSH]


def test_everything_is_sent_in_few_transactions_when_nothing_waits(linked: Callable[[Broker], Link]) -> None:
    broker, sent = Broker(), []
    sending = transmission(linked(broker), sent.append)
    sending.send_all(pace=0)
    assert_exactly_once(broker)
    assert broker.commits < 5
    assert (sum(parcel.rows for parcel in sent), sending.rows) == (2 * COUNT, 2 * COUNT)
    assert [parcel.sequence for parcel in sent] == list(range(COUNT + 1))


def test_what_was_sent_is_committed_before_the_next_is_waited_for(linked: Callable[[Broker], Link]) -> None:
    broker = Broker()
    transmission(linked(broker), waiting=lambda: True).send_all(pace=0)
    assert_exactly_once(broker)
    assert broker.commits == COUNT + 1


@pytest.mark.parametrize(
    "faults",
    [
        {1: "before"},
        {1: "after"},
        {1: "before", 2: "after", 3: "before"},
        {4: "after", 5: "after", 9: "before"},
    ],
)
@pytest.mark.parametrize("one_by_one", [True, False])
def test_after_an_ambiguous_commit_the_topics_decide(
    linked: Callable[[Broker], Link],
    monkeypatch: pytest.MonkeyPatch,
    faults: dict[int, str],
    one_by_one: bool,
) -> None:
    if one_by_one:
        monkeypatch.setattr(sending, "TRANSACTION_S", -1)
    broker, sent = Broker(faults), []
    transmission(linked(broker), sent.append).send_all(pace=0)
    assert_exactly_once(broker)
    assert not broker.faults or broker.commits < min(broker.faults)
    # What is counted is what the topics hold, once each.
    assert [parcel.sequence for parcel in sent] == list(range(COUNT + 1))


def test_a_refusal_ends_the_replay_at_once(linked: Callable[[Broker], Link]) -> None:
    broker = Broker({1: "refused"})
    with pytest.raises(BadConfiguration, match="refused"):
        transmission(linked(broker)).send_all(pace=0)
    assert broker.commits == 1


def test_a_broker_that_stays_away_ends_the_replay_with_a_retryable_error(
    linked: Callable[[Broker], Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "OUTAGE_S", 0.05)
    broker = Broker()
    broker.faults = Faulty()
    with pytest.raises(DependencyUnreachable, match="nowhere:1"):
        transmission(linked(broker)).send_all(pace=0)
    assert broker.log == []


def test_a_replay_that_was_overtaken_stops_instead_of_sending_twice(
    linked: Callable[[Broker], Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TRANSACTION_S", -1)
    broker = Broker()
    slow, quick = transmission(linked(broker)), transmission(linked(broker))
    quick.send_all(pace=0)
    with pytest.raises(BadConfiguration, match="another replay has taken over"):
        slow.send_all(pace=0)
    assert_exactly_once(broker)


def test_preparing_ahead_changes_neither_items_nor_errors() -> None:
    def broken() -> Iterator[int]:
        yield from range(100)
        raise DependencyUnreachable("the disk is gone")

    assert list(prepared(iter(range(1000)))) == list(range(1000))
    assert list(prepared(iter(()))) == []
    with pytest.raises(DependencyUnreachable, match="the disk is gone"):
        list(prepared(broken()))
