"""A replay of a recipe without end: recorded in parts, ended on request, resumed without what was before."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streamweir.claims import Claim, fetch
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, DependencyUnreachable
from streamweir.ledger.producer import read_manifest, read_sent
from streamweir.replay import arriving, produced, replayer, stop, transmission
from streamweir.replay.plan import Request
from streamweir.replay.position import Position
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay
from tests.support.memory_store import MemoryStore
from tests.support.tiny import declared

RUN = Run(Stream("ticks", "s"), "r1")
START = 1_700_000_000
OPTIONS = {"step": 3}


class Crash(BaseException):
    """The process is gone: nothing handles it."""


class Topics:
    """The topic in memory. `strike(commits)`: what happens before or after a commit takes hold."""

    def __init__(self) -> None:
        self.log: list[tuple[Headers, bytes]] = []
        self.open: list[tuple[Headers, bytes]] = []
        self.commits = 0
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def position(self, *_: object) -> Position:
        last = self.log[-1][0] if self.log else None
        offsets = {"ticks": {0: 0, 1: 0}}
        return Position(last.sequence + 1 if last else 0, last, last.ts if last else None, offsets)

    def begin(self) -> None:
        self.open = []

    def send(self, topic: str, partition: int, value: bytes, headers: Any) -> None:
        said = Headers.decode(headers)
        assert said is not None
        self.open.append((said, value))

    def commit(self) -> dict[tuple[str, int], int]:
        self.commits += 1
        self.before()
        self.log += self.open
        self.after()
        return {("ticks.s.ticks", 0): len(self.log)}

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture(autouse=True)
def made() -> Iterator[list[int]]:
    with declared():
        from streamweir.replay.ticks import made  # type: ignore[import-not-found]

        made.clear()
        yield made


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> Topics:
    found = Topics()
    monkeypatch.setattr(transmission, "TransactionalWriter", lambda *_: found)
    monkeypatch.setattr(transmission, "position", found.position)
    monkeypatch.setattr(replayer, "await_readable", lambda *_: None)
    monkeypatch.setattr(transmission, "TRANSACTION_S", -1)
    monkeypatch.setattr(stop, "_LOOK_S", 0)
    monkeypatch.setattr(arriving, "_AHEAD", 2)
    return found


def send(store: MemoryStore, *, batches: int | None = None, speed: float = 0, **more: Any) -> Manifest:
    request = Request("recipe", start_ts=START, speed=speed, batches=batches, options=OPTIONS, **more)
    return replay(RUN, request, kafka=KafkaConnection("x:1"), store=store, folder=Path())  # type: ignore[arg-type]


def ask(store: MemoryStore) -> None:
    stop.request(store, RUN)  # type: ignore[arg-type]


def assert_whole(topics: Topics, store: MemoryStore, manifest: Manifest) -> None:
    """The topic holds batches 0, 1, 2, … and a flush, each with its object, and the counts say the same."""
    *batches, (flush, _) = topics.log
    count = len(batches)
    assert [(said.sequence, said.batch, said.ts) for said, _ in batches] == [
        (index, index, START + index) for index in range(count)
    ]
    assert [said.rows for said, _ in batches] == [index % 5 for index in range(count)]
    for index, (said, value) in enumerate(batches):
        assert fetch(store, Claim.read(value), 100).count(b",") == max(said.rows - 1, 0), index  # type: ignore[arg-type]
    assert (flush.kind, flush.sequence, flush.batch, flush.ts) == (
        Kind.FLUSH,
        count,
        count,
        START + count + 9,
    )
    assert (manifest.batches, manifest.flush_sequence, manifest.flush_ts) == (count, count, flush.ts)
    assert manifest.last_ts == START + count - 1
    assert manifest.rows == {"ticks": sum(index % 5 for index in range(count))}
    assert manifest.facts == {"odd": sum(index % 5 % 2 for index in range(count))}
    sent = read_sent(RUN, pipeline("ticks"), read_manifest(RUN, store), store)  # type: ignore[arg-type]
    assert sent.sequence.tolist() == sent.index.tolist() == list(range(count))
    assert sent.rows["ticks"].tolist() == [index % 5 for index in range(count)]
    assert sent.flushes == 1


def parts(store: MemoryStore) -> list[int]:
    return [int(key.key[-20:-8]) for key in store.list(RUN.produced)]


def test_it_ends_on_request_with_its_flush(topics: Topics, store: MemoryStore) -> None:
    topics.after = lambda: ask(store) if topics.commits == 20 else None
    manifest = send(store)
    assert 20 <= manifest.batches < 40
    assert_whole(topics, store, manifest)


def test_a_request_does_not_wait_for_the_clock(topics: Topics, store: MemoryStore) -> None:
    # Batch 1 is due after a thousand seconds.
    topics.after = lambda: ask(store) if topics.commits == 1 else None
    assert_whole(topics, store, send(store, speed=0.001))


def test_a_bounded_one_ends_by_itself(topics: Topics, store: MemoryStore) -> None:
    ask(store)
    assert_whole(topics, store, send(store, batches=33))
    assert len(topics.log) == 34


def test_an_endless_one_delays_no_batch(topics: Topics, store: MemoryStore) -> None:
    with pytest.raises(BadConfiguration, match="an endless replay delays no batch"):
        send(store, late={3: 90})


@pytest.mark.parametrize("part_batches", [1, 7, 1000])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("asked", [False, True])
def test_killed_at_any_commit_each_batch_is_counted_once(
    topics: Topics,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    part_batches: int,
    asked: bool,
) -> None:
    monkeypatch.setattr(produced, "PART_BATCHES", part_batches)

    def strike() -> None:
        if asked and topics.commits == 32:
            ask(store)
        if topics.commits % 11 == 0 and topics.commits < 60:
            raise Crash

    setattr(topics, moment, strike)
    manifest = None
    while manifest is None:
        try:
            manifest = send(store, batches=None if asked else 70)
        except Crash:
            continue
    assert topics.commits > 30
    assert_whole(topics, store, manifest)
    assert send(store, batches=None if asked else 70) == manifest


@pytest.mark.parametrize("lost", range(1, 30, 4))
def test_killed_while_a_part_is_written_each_batch_is_counted_once(
    topics: Topics, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setattr(produced, "PART_BATCHES", 3)
    written = 0
    put = store.put_if_absent

    def crash(key: Any, data: bytes) -> str | None:
        nonlocal written
        if "produced" not in key.key:
            return put(key, data)
        written += 1
        if written == lost:
            raise Crash
        found = put(key, data)
        if written == lost + 1:
            raise Crash
        return found

    monkeypatch.setattr(store, "put_if_absent", crash)
    for _ in range(2):
        with pytest.raises(Crash):
            send(store, batches=100)
    assert_whole(topics, store, send(store, batches=100))
    assert parts(store)[:3] == [0, 3, 6]


def test_a_resumed_one_makes_only_what_was_not_recorded(
    topics: Topics, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, made: list[int]
) -> None:
    monkeypatch.setattr(produced, "PART_BATCHES", 100)

    def strike() -> None:
        if topics.commits == 550:
            raise Crash

    topics.after = strike
    with pytest.raises(Crash):
        send(store)
    made.clear()
    topics.after = lambda: ask(store)
    manifest = send(store)
    assert min(made) == 499
    assert_whole(topics, store, manifest)
    assert manifest.resumed_at_sequence == 550


def test_a_store_that_is_away_for_a_while_does_not_end_the_replay(
    topics: Topics, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(produced, "PART_BATCHES", 5)
    put, refused = store.put_if_absent, []

    def away(key: Any, data: bytes) -> str | None:
        if "produced" in key.key and 10 < topics.commits < 30:
            refused.append(key)
            raise DependencyUnreachable("the store is away")
        return put(key, data)

    monkeypatch.setattr(store, "put_if_absent", away)
    assert_whole(topics, store, send(store, batches=50))
    assert refused


def test_what_an_overtaken_replay_recorded_too_is_left_out(
    topics: Topics, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = MemoryStore()
    send(other, batches=13)
    topics.log.clear()
    # The other one sent the same batches, recorded thirteen of them in a part, and was overtaken.
    [key] = other.list(RUN.produced)
    monkeypatch.setattr(produced, "PART_BATCHES", 20)
    put = store.put_if_absent

    def overtaken(at: Any, data: bytes) -> str | None:
        if at == key and not store.exists(key):
            store.put(key, without_flush(other.get(key) or b""))
        return put(at, data)

    monkeypatch.setattr(store, "put_if_absent", overtaken)
    assert_whole(topics, store, send(store, batches=33))
    assert parts(store) == [0, 13, 20]


def without_flush(part: bytes) -> bytes:

    table, out = pq.read_table(io.BytesIO(part)), io.BytesIO()
    pq.write_table(table.slice(0, table.num_rows - 1), out)
    return out.getvalue()


def test_one_that_was_asked_to_end_and_was_killed_sends_its_flush_and_no_more(
    topics: Topics, store: MemoryStore
) -> None:
    def strike() -> None:
        if topics.commits == 8:
            ask(store)
            raise Crash

    topics.after = strike
    with pytest.raises(Crash):
        send(store)
    held = len(topics.log)
    manifest = send(store)
    assert (manifest.batches, len(topics.log)) == (held, held + 1)
    assert_whole(topics, store, manifest)
