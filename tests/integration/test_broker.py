"""Topics and reading back on a real Kafka."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from streamweir.broker.clients import admin
from streamweir.broker.follow import Follower
from streamweir.broker.records import await_readable, log_end, read_topic, topic_end
from streamweir.broker.topics import delete, provision
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline, Topic
from streamweir.errors import BadConfiguration


@pytest.fixture
def stream(kafka_connection: KafkaConnection) -> Iterator[Stream]:
    made = Stream(PIPELINE.name, f"test-{uuid.uuid4().hex[:12]}")
    yield made
    delete(kafka_connection, made)


@pytest.fixture
def topic(kafka_connection: KafkaConnection, stream: Stream) -> str:
    provision(kafka_connection, stream, PIPELINE)
    return stream.topic("browsing")


@pytest.fixture
def writer(kafka_connection: KafkaConnection, topic: str) -> Iterator[TransactionalWriter]:
    with closing(TransactionalWriter(kafka_connection, f"test.{topic}")) as made:
        yield made


def headers(sequence: int) -> list[tuple[str, bytes]]:
    return Headers("r1", sequence, sequence, 100 + sequence, Kind.BATCH, 1).encode()


Send = Callable[..., None]


@pytest.fixture
def send(kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter) -> Send:
    def call(sequences: range, *, commit: bool = True) -> None:
        writer.begin()
        for sequence in sequences:
            writer.send(topic, sequence % 4, b"%d" % sequence, headers(sequence))
        if commit:
            ends = writer.commit()
            await_readable(kafka_connection, topic, {place[1]: end for place, end in ends.items()})
        else:
            writer.abort()

    return call


def test_topics_are_created_once_and_as_declared(kafka_connection: KafkaConnection, stream: Stream) -> None:
    names = tuple(stream.topic(topic.name) for topic in PIPELINE.topics)
    first = provision(kafka_connection, stream, PIPELINE)
    assert (first.created, first.existing) == (names, ())
    again = provision(kafka_connection, stream, PIPELINE)
    assert (again.created, again.existing) == ((), names)
    with closing(admin(kafka_connection)) as client:
        found = {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics(list(names))}
    assert found == {stream.topic(topic.name): topic.partitions for topic in PIPELINE.topics}


def with_browsing(topic: Topic) -> Pipeline:
    [stage] = PIPELINE.stages
    context, *others = stage.reads
    return replace(PIPELINE, stages=(replace(stage, reads=(replace(context, topic=topic), *others)),))


def test_a_topic_that_differs_is_an_error_that_names_every_difference(
    kafka_connection: KafkaConnection, stream: Stream
) -> None:
    other = with_browsing(Topic("browsing", 2, {"retention.ms": "1000"}))
    provision(kafka_connection, stream, other)
    with pytest.raises(
        BadConfiguration, match=r"browsing has 2 partitions instead of 4.*retention\.ms=1000 instead"
    ):
        provision(kafka_connection, stream, PIPELINE)


def test_what_kafka_refuses_is_told_from_what_went_wrong(
    kafka_connection: KafkaConnection, stream: Stream
) -> None:
    wrong = with_browsing(Topic("browsing", 4, {"retention.ms": "soon"}))
    with pytest.raises(BadConfiguration, match="refused"):
        provision(kafka_connection, stream, wrong)


def test_deleting_names_what_was_there(kafka_connection: KafkaConnection, stream: Stream) -> None:
    provision(kafka_connection, stream, PIPELINE)
    assert len(delete(kafka_connection, stream)) == len(PIPELINE.topics)
    assert delete(kafka_connection, stream) == ()


def test_only_committed_records_are_read_and_markers_do_not_confuse_the_end(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    assert list(read_topic(kafka_connection, topic)) == []
    send(range(10))
    send(range(10, 14), commit=False)
    send(range(10, 12))
    send(range(12, 16), commit=False)
    found = list(read_topic(kafka_connection, topic))
    assert sorted(int(record.value) for record in found) == list(range(12))
    for record in found:
        assert record.headers is not None
        assert (record.headers.sequence, record.partition) == (int(record.value), int(record.value) % 4)
        assert record.appended_ms > 1_600_000_000_000


def test_an_open_transaction_hides_nothing_that_was_committed_before(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    send(range(8))
    writer.begin()
    writer.send(topic, 0, b"open", headers(8))
    assert len(list(read_topic(kafka_connection, topic))) == 8
    writer.abort()


def test_what_was_committed_behind_an_open_transaction_is_waited_for(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    with closing(TransactionalWriter(kafka_connection, f"other.{topic}")) as other:
        other.begin()
        other.send(topic, 0, b"open", headers(8))
        other._producer.flush()
        writer.begin()
        writer.send(topic, 0, b"behind it", headers(0))
        writer.commit()
        end = log_end(kafka_connection, topic)
        assert (end[0], list(read_topic(kafka_connection, topic))) == (3, [])
        ending = threading.Timer(1, other.abort)
        ending.start()
        found = list(read_topic(kafka_connection, topic, end=end))
        ending.join()
    assert [record.value for record in found] == [b"behind it"]


def test_a_stretch_is_read_from_start_to_end(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    send(range(8))
    between = topic_end(kafka_connection, topic).offsets
    send(range(8, 20))
    first = [int(record.value) for record in read_topic(kafka_connection, topic, end=between)]
    second = [int(record.value) for record in read_topic(kafka_connection, topic, start=between)]
    assert (sorted(first), sorted(second)) == (list(range(8)), list(range(8, 20)))


def test_the_end_is_found_behind_many_records_that_do_not_count(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    assert topic_end(kafka_connection, topic).last == {}
    send(range(6))
    writer.begin()
    for _ in range(200):
        writer.send(topic, 1, b"foreign", [])
        writer.send(topic, 1, b"wrong partition", headers(1000))
    writer.commit()
    for _ in range(40):
        send(range(6, 10), commit=False)
    end = topic_end(kafka_connection, topic)
    assert {partition: int(record.value) for partition, record in end.last.items()} == {
        0: 4,
        1: 5,
        2: 2,
        3: 3,
    }
    assert all(end.offsets[partition] > record.offset for partition, record in end.last.items())


def test_the_end_is_found_before_strangers_with_sequences_out_of_turn(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    def send_out_of_turn() -> None:
        writer.begin()
        for sequence in (1001, 1001, 5, 2**40 + 1):
            writer.send(topic, 1, b"out of turn", headers(sequence))
        writer.commit()

    send_out_of_turn()
    assert topic_end(kafka_connection, topic).last == {}
    send(range(60))
    send_out_of_turn()
    last = topic_end(kafka_connection, topic).last
    assert {partition: record.value for partition, record in last.items()} == {
        partition: str(56 + partition).encode() for partition in range(4)
    }


def test_a_new_writer_shuts_out_the_old_one_and_its_open_transaction(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    send(range(4))
    writer.begin()
    writer.send(topic, 0, b"lost", headers(4))
    with closing(TransactionalWriter(kafka_connection, f"test.{topic}")) as newer:
        with pytest.raises(Exception, match=r"Fenced|Epoch"):
            writer.commit()
        newer.begin()
        newer.send(topic, 0, b"4", headers(4))
        await_readable(kafka_connection, topic, {0: newer.commit()[topic, 0]})
    assert sorted(int(record.value) for record in read_topic(kafka_connection, topic)) == list(range(5))


def test_a_commit_says_where_each_partition_ends(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter
) -> None:
    writer.begin()
    for sequence in (0, 1, 4):
        writer.send(topic, sequence % 4, b"x", headers(sequence))
    assert writer.commit() == {(topic, 0): 2, (topic, 1): 1}


def test_following_goes_on_where_it_was(
    kafka_connection: KafkaConnection, topic: str, writer: TransactionalWriter, send: Send
) -> None:
    send(range(4))
    with closing(Follower(kafka_connection, topic, dict.fromkeys(range(4), 0))) as follower:
        seen = [int(record.value) for _ in range(20) for record in follower.poll(0.1)]
        send(range(4, 8))
        follower.close()
        seen += [int(record.value) for _ in range(20) for record in follower.poll(0.1)]
    assert sorted(seen) == list(range(8))


def test_a_missing_topic_is_named(kafka_connection: KafkaConnection) -> None:
    with pytest.raises(BadConfiguration, match="has no topic no-such-topic"):
        list(read_topic(kafka_connection, "no-such-topic"))
