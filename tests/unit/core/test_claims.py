"""Messages that name an object: what is fetched, and what becomes of one that is not as announced."""

from collections.abc import Mapping, Sequence

import orjson
import pytest

import streamweir_spark.source
from streamweir.claims import Claim, fetch, most_bytes_of_env
from streamweir.connections import StoreConnection
from streamweir.contracts import card_fraud
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Input, Payload, Pipeline, Role, Stage, Topic
from streamweir.errors import BadConfiguration, DatasetUnusable, RejectRecord
from streamweir_spark.core import Part, Reader, Received, Reject
from streamweir_spark.decode import decode, unpack
from streamweir_spark.source import claiming
from tests.support.memory_store import MemoryStore

KEY = ObjectKey("datasets", "drop/part 1.csv")
LINES = b"a,1\nb,x\nc,3\n"
CHUNKS = Topic("chunks", partitions=1)
HINTS = Topic("hints", partitions=1)
PIPELINE = Pipeline(
    name="chunked",
    title="Chunked",
    stages=(Stage((Input(HINTS, Role.CONTEXT), Input(CHUNKS, Role.COUNTED, Payload.REFERENCE))),),
    interval_s=1,
    lateness_s=0,
    flush_after_s=1,
    shards=1,
)


class Lines:
    """Reads `name,number` lines; what is not a number is malformed."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        pairs = [line.split(",") for line in value.decode().splitlines()]
        good = [(name, int(number)) for name, number in pairs if number.isdigit()]
        bad = [
            Reject(place, 1, name, "no number", None)
            for place, (name, number) in enumerate(pairs)
            if not number.isdigit()
        ]
        return {0: good}, bad

    def read_at_once(self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int) -> None:
        raise AssertionError("a message that names an object holds no rows")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    found = MemoryStore()
    found.put(KEY, LINES)
    monkeypatch.setattr(streamweir_spark.source, "_store", lambda connection: found)
    return found


class Refusing(Lines):
    """Rejects every object as a whole."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        return {}, [Reject(-1, headers.rows, None, "not so", value)]


LINES_READER = Lines()


def parts_of(topic: Topic, value: bytes, kind: Kind = Kind.BATCH, reader: Reader = LINES_READER) -> Part:
    headers = Headers("run", 0, 0, 0, kind, 3)
    message = Received(topic.name, 0, 0, 0, headers.encode(), value)
    [part] = decode([message], 1, claiming(reader, PIPELINE, StoreConnection("nowhere:1", "a", "b")))
    return part


def announced(**changes: object) -> bytes:
    return orjson.dumps({**Claim.of(KEY, LINES).to_json(), "chunk": 7, **changes})


def test_the_reader_sees_the_object_that_the_message_names(store: MemoryStore) -> None:
    rejects, rows = unpack(parts_of(CHUNKS, announced()).blob)
    assert rows == [("a", 1), ("c", 3)]
    assert [(one.row, one.id) for one in rejects] == [(1, "b")]


def test_what_is_left_of_an_object_that_is_rejected_as_a_whole_is_its_message(store: MemoryStore) -> None:
    rejects, _ = unpack(parts_of(CHUNKS, announced(), reader=Refusing()).blob)
    assert rejects == [Reject(-1, 3, None, "not so", announced())]


@pytest.mark.parametrize(
    ("topic", "kind"), [(HINTS, Kind.BATCH), (CHUNKS, Kind.FLUSH), (CHUNKS, Kind.REDRIVE)]
)
def test_only_batches_of_a_topic_of_references_name_an_object(
    store: MemoryStore, topic: Topic, kind: Kind
) -> None:
    assert unpack(parts_of(topic, b"d,4\n", kind).blob) == ([], [("d", 4)])


def test_a_pipeline_without_references_keeps_its_own_reader() -> None:
    reader = Lines()
    assert claiming(reader, card_fraud.PIPELINE, StoreConnection("nowhere:1", "a", "b")) is reader


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (announced(key=None), "key is None"),
        (announced(key="datasets"), "key is 'datasets'"),
        (announced(key="Data sets/x"), "key is 'Data sets/x'"),
        (announced(key="datasets/../x"), "key is"),
        (announced(key="datasets/x//y"), "key is"),
        (announced(key="datasets/" + "x" * 1000), "key is"),
        (announced(bytes="12"), "bytes is '12'"),
        (announced(bytes=True), "bytes is True"),
        (announced(bytes=-1), "bytes is -1"),
        (announced(sha256="AB"), "sha256 is 'AB'"),
        (announced(bytes=0), f"object {KEY} is empty"),
        (
            announced(bytes=64 * 1024 * 1024 + 1),
            "has 67,108,865 bytes, more than STREAMWEIR_CLAIM",
        ),
        (announced(bytes=2 * 1024**3), "has 2,147,483,648 bytes, more than STREAMWEIR_CLAIM"),
    ],
)
def test_a_message_whose_claim_cannot_be_used_is_rejected_whole(
    store: MemoryStore, value: bytes, sentence: str
) -> None:
    store.objects.clear()
    [reject], rows = unpack(parts_of(CHUNKS, value).blob)
    assert rows is None
    assert (reject.row, reject.rows, reject.raw) == (-1, 3, value)
    assert sentence in reject.detail


def test_an_object_of_the_largest_size_is_taken_and_a_byte_more_is_not(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim.of(KEY, LINES)
    assert fetch(store, claim, len(LINES)) == LINES
    with pytest.raises(RejectRecord, match=r"12 bytes, more than STREAMWEIR_CLAIM_BYTES allows \(11\)"):
        fetch(store, claim, len(LINES) - 1)
    monkeypatch.setenv("STREAMWEIR_CLAIM_BYTES", "11")
    [reject], _ = unpack(parts_of(CHUNKS, announced()).blob)
    assert "more than" in reject.detail


@pytest.mark.parametrize("held", [b"a,1\nb,x\nc,4\n", LINES + b"d,5\n", LINES[:-1], b""])
def test_an_object_with_other_bytes_ends_the_stream(store: MemoryStore, held: bytes) -> None:
    store.put(KEY, held)
    with pytest.raises(DatasetUnusable, match=rf"object {KEY} was .* has other bytes now: put back"):
        parts_of(CHUNKS, announced())


def test_an_object_that_is_gone_ends_the_stream_with_its_key_and_the_remedy(store: MemoryStore) -> None:
    store.delete(KEY)
    with pytest.raises(DatasetUnusable, match=rf"object {KEY} .* is gone: put back .* start the scorer"):
        parts_of(CHUNKS, announced())


@pytest.mark.parametrize("said", ["0", "-1", "64MiB"])
def test_a_setting_that_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("STREAMWEIR_CLAIM_BYTES", said)
    with pytest.raises(BadConfiguration, match="STREAMWEIR_CLAIM_BYTES is"):
        most_bytes_of_env()
