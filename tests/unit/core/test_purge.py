"""Which records of a named stream are deleted after some days, and which stay."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from streamweir import purge
from streamweir.connections import KafkaConnection
from streamweir.contracts.card_fraud import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.replay.plan import Plan
from streamweir.scorer.status import State, Status, to_bytes
from tests.support.memory_store import MemoryStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
OLD, YOUNG = NOW - timedelta(days=8), NOW - timedelta(days=6)
STREAM = Stream(PIPELINE.name, "prod")
INPUT, ALERTS = STREAM.topic(PIPELINE.inputs[-1].name), STREAM.topic(PIPELINE.outputs[0].name)
PER_RUN = 100
"""Sequences, and offsets in the one partition that counts here."""


class Broker:
    """The part of Kafka that is used: where the topics begin, and what was deleted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.starts = {INPUT: {0: 0}, ALERTS: {0: 0}}
        monkeypatch.setattr(
            purge, "existing", lambda _, stream: [name for name in self.starts if str(stream) in name]
        )
        monkeypatch.setattr(purge, "log_start", lambda kafka, topic: dict(self.starts[topic]))
        monkeypatch.setattr(purge, "delete_records", self.delete)

    def delete(self, kafka: KafkaConnection, topic: str, ends: Mapping[int, int]) -> int:
        gone = sum(max(end - self.starts[topic][at], 0) for at, end in ends.items())
        self.starts[topic] = {at: max(end, self.starts[topic][at]) for at, end in ends.items()}
        return gone


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    return Broker(monkeypatch)


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    read_to(made, 1_000_000)
    return made


def read_to(store: MemoryStore, offset: int) -> None:
    at = NOW.isoformat()
    ends = {PIPELINE.inputs[-1].name: {"0": offset}}
    status = Status(str(STREAM), "s", "s-1", State.RUNNING, at, at, at, end_offsets=ends)
    store.put(STREAM.status, to_bytes(status))


def run(
    store: MemoryStore,
    number: int,
    reconciled: datetime | None,
    *,
    recomputed: bool = True,
    sent: bool = True,
) -> Run:
    """The stream's next run, planned a day before it was reconciled; `number` runs sent something before."""
    made = Run(STREAM, f"r{len(store.objects)}")
    before = store.get_json(STREAM.newest_run)
    plan = Plan(
        made.id, PIPELINE.name, STREAM.id, "f", 0, 1, 0, None, 1, number * PER_RUN, {},
        {PIPELINE.inputs[-1].name: {0: number * PER_RUN}},
        ((reconciled or YOUNG) - timedelta(days=1)).isoformat(),
        before=before and before["run"],
    )  # fmt: skip
    store.put_json(made.plan, plan.to_json())
    store.put_json(STREAM.newest_run, {"format": 1, "run": made.id})
    end = (number + 1) * PER_RUN
    if reconciled and sent:
        said = {
            "at": reconciled.isoformat(),
            "next_sequence": end,
            "published_before": {ALERTS: {0: number * 7}},
        }
        store.put_json(made.reconciled, said)
    if recomputed and reconciled and sent:
        store.put_json(made.recomputed, {"next_sequence": end})
    return made


def purged(store: MemoryStore, keep: timedelta = WEEK) -> list[str]:
    return list(purge.purge(KafkaConnection("nowhere:1"), store, STREAM, NOW, keep))  # type: ignore[arg-type]


def test_records_of_runs_that_were_reconciled_long_ago_go_and_those_of_later_runs_stay(
    broker: Broker, store: MemoryStore
) -> None:
    for number, at in enumerate((OLD, OLD, OLD, YOUNG, None)):
        run(store, number, at)
    assert len(purged(store)) == 2
    assert broker.starts == {INPUT: {0: 300}, ALERTS: {0: 21}}
    assert purged(store) == []
    assert purged(store, timedelta(days=5)) != []
    assert broker.starts == {INPUT: {0: 400}, ALERTS: {0: 21}}


def test_the_newest_runs_records_stay_and_a_single_runs_too(broker: Broker, store: MemoryStore) -> None:
    run(store, 0, OLD)
    assert purged(store) == []
    run(store, 1, OLD)
    assert purged(store) != []
    assert broker.starts == {INPUT: {0: 100}, ALERTS: {0: 7}}


def test_a_run_that_nobody_reconciled_keeps_its_records_and_all_later_ones(
    broker: Broker, store: MemoryStore
) -> None:
    run(store, 0, OLD)
    lost = run(store, 1, None)
    for number in (2, 3):
        run(store, number, OLD)
    *_, sentence = sorted(purged(store))
    assert sentence.startswith(
        f"the records of run {lost.id} on stream {STREAM} and of later ones stay: it is not"
    )
    assert sentence.endswith("clear its task reconcile")
    assert broker.starts[INPUT] == {0: 100}


def test_a_run_whose_records_were_put_back_since_is_not_reconciled(
    broker: Broker, store: MemoryStore
) -> None:
    first = run(store, 0, OLD)
    run(store, 1, OLD)
    run(store, 2, OLD)
    store.put_json(first.redriven, {"last_sequence": 230})
    (sentence,) = purged(store)
    assert f"run {first.id}" in sentence
    assert broker.starts == {INPUT: {0: 0}, ALERTS: {0: 0}}
    store.put_json(first.reconciled, store.get_json(first.reconciled) | {"next_sequence": 231})
    assert purged(store) != []
    assert broker.starts[INPUT] == {0: 200}


def test_what_later_runs_need_to_be_validated_stays(broker: Broker, store: MemoryStore) -> None:
    run(store, 0, OLD)
    unchecked = [run(store, number, OLD, recomputed=False) for number in (1, 2)]
    run(store, 3, YOUNG)
    *_, sentence = sorted(purged(store))
    assert sentence.startswith(f"the records of run {unchecked[0].id} on")
    assert sentence.endswith(f"clear the task validate of run {unchecked[1].id} on stream {STREAM}")
    assert broker.starts[INPUT] == {0: 100}


def test_what_a_validated_run_says_that_later_ones_need_stays(broker: Broker, store: MemoryStore) -> None:
    run(store, 0, OLD)
    second = run(store, 1, OLD)
    run(store, 2, YOUNG)
    store.put_json(second.recomputed, {"next_sequence": 150})
    assert len(purged(store)) == 2
    assert broker.starts[INPUT] == {0: 100}


def test_an_earlier_run_need_not_be_validated_when_a_later_one_is(broker: Broker, store: MemoryStore) -> None:
    run(store, 0, OLD, recomputed=False)
    run(store, 1, OLD)
    run(store, 2, YOUNG)
    purged(store)
    assert broker.starts[INPUT] == {0: 200}


def test_what_the_scorer_has_not_read_stays(broker: Broker, store: MemoryStore) -> None:
    run(store, 0, OLD)
    run(store, 1, OLD)
    for offset in (None, 99):
        if offset is None:
            store.delete(STREAM.status)
        else:
            read_to(store, offset)
        assert purged(store) == []
    read_to(store, 100)
    assert len(purged(store)) == 2


@pytest.mark.parametrize("sender_first", [True, False])
def test_of_runs_planned_in_one_place_the_one_that_sent_counts(
    broker: Broker, store: MemoryStore, *, sender_first: bool
) -> None:
    run(store, 0, OLD)
    for sent in (sender_first, not sender_first):
        run(store, 1, OLD, sent=sent)
    run(store, 2, OLD)
    purged(store)
    assert broker.starts[INPUT] == {0: 200}
    run(store, 3, OLD)
    purged(store)
    assert broker.starts[INPUT] == {0: 300}


def test_nothing_is_deleted_where_earlier_runs_are_not_known(broker: Broker, store: MemoryStore) -> None:
    run(store, 1, OLD)
    run(store, 2, OLD)
    assert purged(store) == []
    assert broker.starts[INPUT] == {0: 0}


def test_a_topic_that_all_streams_share_is_left_alone(broker: Broker, store: MemoryStore) -> None:
    run(store, 0, OLD)
    second = run(store, 1, OLD)
    store.put_json(
        second.reconciled, store.get_json(second.reconciled) | {"published_before": {"alerts": {0: 7}}}
    )
    broker.starts["alerts"] = {0: 0}
    assert len(purged(store)) == 1
    assert broker.starts["alerts"] == {0: 0}
