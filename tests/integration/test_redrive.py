"""Putting records back on a real Kafka: each once, in turn, never into a run that is under way."""

import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from kafka import errors

from streamweir.broker.records import Record, read_topic
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import ORIGINS, Headers, Kind, partition_of
from streamweir.contracts.rejected import Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore
from streamweir.redrive.contents import Content, as_it_is
from streamweir.redrive.putting_back import PutBack, places_put_back, put_back
from streamweir.redrive.records import WHOLE, Place, Rejected, messages_at
from streamweir.replay.plan import Request
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay
from streamweir.replay.transmission import Link
from tests.support.recordings import write_recording

BATCHES = 12
REQUEST = Request("fingerprint", speed=0, batch_rows=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("recording"), BATCHES * 10)


@pytest.fixture
def replayed(kafka: KafkaConnection, store: ObjectStore, stream: Stream, folder: Path) -> Manifest:
    return replay(Run(stream, "r1"), REQUEST, kafka=kafka, store=store, folder=folder)


def messages(kafka: KafkaConnection, stream: Stream, topic: str) -> list[Record]:
    found = read_topic(kafka, stream.topic(topic))
    return sorted(found, key=lambda record: record.headers.sequence if record.headers else -1)


def contents_of(kafka: KafkaConnection, stream: Stream, *places: Place) -> list[Content]:
    there = messages_at(kafka, stream, places)
    found = []
    for place in places:
        headers = there[place._replace(row=WHOLE)].headers
        assert headers is not None
        rows = headers.rows if place.row == WHOLE else 1
        record = Rejected(place, headers.run, headers.batch, rows, None, Reason.LATE, "late", b"")
        content = as_it_is(record, there)
        assert content is not None
        found.append(content)
    return found


def some_places(kafka: KafkaConnection, stream: Stream) -> list[Place]:
    """Two rows of one transactions message, a whole one of another batch, and a browsing row."""
    third, fifth = (messages(kafka, stream, "transactions")[index] for index in (3, 5))
    browsing = messages(kafka, stream, "browsing")[3]
    return [
        Place("transactions", third.partition, third.offset, 1),
        Place("transactions", third.partition, third.offset, 2),
        Place("transactions", fifth.partition, fifth.offset, WHOLE),
        Place("browsing", browsing.partition, browsing.offset, 7),
    ]


@pytest.fixture
def contents(kafka: KafkaConnection, stream: Stream, replayed: Manifest) -> list[Content]:
    """Those records of a finished run."""
    return contents_of(kafka, stream, *some_places(kafka, stream))


def test_records_go_back_as_they_were_behind_everything_that_was_sent(
    kafka: KafkaConnection, store: ObjectStore, stream: Stream, replayed: Manifest
) -> None:
    before = {topic.name: messages(kafka, stream, topic.name) for topic in PIPELINE.inputs}
    places = some_places(kafka, stream)
    outcome = put_back(kafka, store, stream, contents_of(kafka, stream, *places))
    first = replayed.flush_sequence + 1
    assert outcome.sequences == range(first, first + 4)
    for topic in PIPELINE.inputs:
        after = messages(kafka, stream, topic.name)
        read = [record.headers for record in after if record.headers]
        assert [headers.sequence for headers in read] == list(range(first + 4))
        assert all(r.partition == partition_of(r.headers.sequence, 4) for r in after if r.headers)
        assert {headers.kind for headers in read[first:]} == {Kind.REDRIVE}
        assert [headers.ts - replayed.flush_ts for headers in read[first:]] == [1, 1, 1, 301]
    browsing, transactions = (messages(kafka, stream, topic.name)[first:] for topic in PIPELINE.inputs)
    sent = {name: [orjson.loads(record.value) for record in found] for name, found in before.items()}
    assert [orjson.loads(r.value) for r in browsing] == [[sent["browsing"][3][7]], [], [], []]
    assert [r.value for r in transactions[2:]] == [before["transactions"][5].value, b"[]"]
    assert orjson.loads(transactions[1].value) == sent["transactions"][3][1:3]
    counted = [(r.headers.run, r.headers.batch, r.headers.rows) for r in transactions[1:3] if r.headers]
    assert counted == [("r1", 3, 2), ("r1", 5, len(sent["transactions"][5]))]
    assert places_put_back(kafka, stream) == set(places)
    assert store.get_json(Run(stream, "r1").redriven) == {"last_sequence": first + 3}


def test_what_was_put_back_is_left_alone_the_next_time(
    kafka: KafkaConnection, store: ObjectStore, stream: Stream, contents: list[Content]
) -> None:
    put_back(kafka, store, stream, contents[:2])
    again = put_back(kafka, store, stream, contents)
    assert (again.sent, again.already) == (contents[2:], contents[:2])
    end = len(messages(kafka, stream, "browsing"))
    assert put_back(kafka, store, stream, contents) == PutBack([], contents, range(0))
    assert len(messages(kafka, stream, "browsing")) == end


def test_more_than_a_transaction_takes_is_refused_before_anything_is_sent(
    kafka: KafkaConnection,
    store: ObjectStore,
    stream: Stream,
    contents: list[Content],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamweir.redrive.putting_back.MOST_MESSAGES", 3)
    with pytest.raises(BadConfiguration, match="4 records make 4 messages; one transaction takes 3"):
        put_back(kafka, store, stream, contents)
    assert places_put_back(kafka, stream) == set()
    assert len(put_back(kafka, store, stream, contents[:2]).sent) == 2


def test_records_arrive_once_when_the_answer_to_the_commit_is_lost(
    kafka: KafkaConnection,
    store: ObjectStore,
    stream: Stream,
    contents: list[Content],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commit, calls = TransactionalWriter.commit, []

    def commit_unheard(writer: TransactionalWriter) -> dict[tuple[str, int], int]:
        ends = commit(writer)
        calls.append(ends)
        if len(calls) == 1:
            raise errors.KafkaTimeoutError("no answer")
        return ends

    monkeypatch.setattr(TransactionalWriter, "commit", commit_unheard)
    outcome = put_back(kafka, store, stream, contents)
    assert (outcome.sent, outcome.already, len(calls)) == (contents, [], 1)
    assert len(messages(kafka, stream, "browsing")) == outcome.sequences[-1] + 1


def test_records_are_sent_again_when_the_transaction_is_lost(
    kafka: KafkaConnection,
    store: ObjectStore,
    stream: Stream,
    contents: list[Content],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commit, calls = TransactionalWriter.commit, []

    def fail_once(writer: TransactionalWriter) -> dict[tuple[str, int], int]:
        calls.append(writer)
        if len(calls) == 1:
            writer.abort()
            raise errors.KafkaTimeoutError("no answer")
        return commit(writer)

    monkeypatch.setattr(TransactionalWriter, "commit", fail_once)
    outcome = put_back(kafka, store, stream, contents)
    assert (outcome.sent, len(calls)) == (contents, 2)
    assert len(messages(kafka, stream, "browsing")) == outcome.sequences[-1] + 1


def test_a_strangers_message_cannot_claim_that_a_record_was_put_back(
    kafka: KafkaConnection, store: ObjectStore, stream: Stream, folder: Path
) -> None:
    place = Place("transactions", 3, 0, 1)
    claim = [*Headers("r1", 3, 10**6 + 1, 1, Kind.REDRIVE, 0).encode(), (ORIGINS, orjson.dumps([place[1:]]))]
    with closing(TransactionalWriter(kafka, f"test.{stream}")) as writer:
        writer.begin()
        writer.send(stream.topic(place.topic), 0, b"[]", claim)
        writer.commit()
    replay(Run(stream, "r1"), REQUEST, kafka=kafka, store=store, folder=folder)
    assert place in some_places(kafka, stream)
    assert places_put_back(kafka, stream) == set()
    contents = contents_of(kafka, stream, place)
    assert put_back(kafka, store, stream, contents).sent == contents


def test_nothing_is_put_back_while_a_run_is_under_way_and_the_run_is_not_disturbed(
    kafka: KafkaConnection, store: ObjectStore, stream: Stream, replayed: Manifest, contents: list[Content]
) -> None:
    link = Link(kafka, stream, PIPELINE)
    sequence = link.open().next_sequence
    assert link.writer is not None
    with closing(link.writer) as writer:
        for number in range(2):
            headers = Headers("r2", number, sequence + number, replayed.flush_ts + 9, Kind.BATCH, 0)
            writer.begin()
            for topic in PIPELINE.inputs:
                place = partition_of(headers.sequence, topic.partitions)
                writer.send(stream.topic(topic.name), place, b"[]", headers.encode())
            writer.commit()
            with pytest.raises(BadConfiguration, match=f"run r2 is under way on stream {stream}"):
                put_back(kafka, store, stream, contents)
    assert places_put_back(kafka, stream) == set()


def test_the_next_run_goes_on_behind_what_was_put_back(
    kafka: KafkaConnection,
    store: ObjectStore,
    stream: Stream,
    replayed: Manifest,
    contents: list[Content],
    folder: Path,
) -> None:
    outcome = put_back(kafka, store, stream, contents)
    start_ts = replayed.flush_ts + 302
    with pytest.raises(BadConfiguration, match=f"take {start_ts} or later"):
        replay(
            Run(stream, "r2"),
            replace(REQUEST, start_ts=start_ts - 1),
            kafka=kafka,
            store=store,
            folder=folder,
        )
    run = Run(stream, "r3")
    second = replay(run, replace(REQUEST, start_ts=start_ts), kafka=kafka, store=store, folder=folder)
    assert second.first_sequence == outcome.sequences[-1] + 1
    again = replay(Run(stream, "r1"), REQUEST, kafka=kafka, store=store, folder=folder)
    assert again == replayed


def test_a_stream_without_topics_has_nothing_put_back(kafka: KafkaConnection) -> None:
    gone = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    assert places_put_back(kafka, gone) == set()
    assert messages_at(kafka, gone, [Place("transactions", 0, 3, 1)]) == {}
