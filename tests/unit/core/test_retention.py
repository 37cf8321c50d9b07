"""Which streams go after some days, and what stays."""

from datetime import UTC, datetime, timedelta

import pytest

from streamweir import retention
from streamweir.connections import KafkaConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.retention import Trace, note_origin, overdue, retire
from streamweir.scorer import health
from streamweir.scorer.status import State, Status, timestamp, to_bytes, touched
from tests.support.memory_store import MemoryStore
from tests.support.tiny import declared

NOW = datetime.now(UTC)
WEEK = timedelta(days=7)
OLD, YOUNG = NOW - timedelta(days=8), NOW - timedelta(days=6)
KAFKA = KafkaConnection("nowhere:1")


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (Trace(isolated=True, last_sign=OLD, alive=False), True),
        (Trace(isolated=True, last_sign=YOUNG, alive=False), False),
        (Trace(isolated=False, last_sign=OLD, alive=False), False),
        (Trace(isolated=True, last_sign=OLD, alive=True), False),
    ],
)
def test_an_isolated_stream_at_rest_is_overdue_after_the_retention(trace: Trace, *, expected: bool) -> None:
    assert overdue(trace, NOW, WEEK) is expected


class Store(MemoryStore):
    """With the call that only retention makes."""

    def delete_folder(self, prefix: object, last: object = None) -> None:
        for key in sorted(self.list(prefix), key=lambda key: key == last):  # type: ignore[arg-type]
            self.deleted.append(str(key))
            self.delete(key)

    def __init__(self) -> None:
        super().__init__()
        self.deleted: list[str] = []


def run_of(
    store: Store, name: str, ended: datetime, *, isolated: bool = True, pipeline: str = "ecommerce_fraud"
) -> Run:
    run = Run(Stream(pipeline, name), f"manual__{name}")
    note_origin(store, run, isolated=isolated)
    origin = store.get_json(run.stream.origin)
    store.put_json(run.stream.origin, {**origin, "made_at": (ended - timedelta(hours=1)).isoformat()})
    store.put_json(run.task("replay"), {"ended_at": ended.isoformat()})
    store.put(run.stream.table_file("predictions", 0), b"rows")
    store.put(run.report, b"report")
    return run


@pytest.fixture
def deleted_topics(monkeypatch: pytest.MonkeyPatch) -> list[Stream]:
    deleted: list[Stream] = []
    monkeypatch.setattr(retention, "delete", lambda kafka, stream: deleted.append(stream))
    return deleted


def test_topics_and_objects_of_overdue_streams_go_and_bundles_stay(deleted_topics: list[Stream]) -> None:
    store = Store()
    old, young = run_of(store, "old", OLD), run_of(store, "young", YOUNG)
    named = run_of(store, "prod", OLD, isolated=False)
    store.put(Stream("ecommerce_fraud", "unknown").status, b"{}")
    assert list(retire(KAFKA, store, "ecommerce_fraud", NOW, WEEK)) == [old.stream]  # type: ignore[arg-type]
    assert deleted_topics == [old.stream]
    assert store.list(old.stream.root) == []
    assert store.deleted[-1] == str(old.stream.origin)
    for run in (young, named):
        assert store.list(run.stream.root)
    for run in (old, young, named):
        assert store.exists(run.report)


def test_a_stream_whose_scorer_works_stays(
    deleted_topics: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    run = run_of(store, "long", OLD)
    now = timestamp(NOW)
    status = Status("s", "a", "a-1", State.RUNNING, started_at=now, updated_at=now, progressed_at=now)
    store.put(run.stream.status, to_bytes(status))
    monkeypatch.setattr(
        health, "_pause", lambda _: store.put(run.stream.status, to_bytes(touched(status, rows=1)))
    )
    assert list(retire(KAFKA, store, "ecommerce_fraud", NOW, WEEK)) == []  # type: ignore[arg-type]
    assert deleted_topics == []


def test_a_stream_goes_with_all_its_stages_and_stays_while_one_of_them_works(
    deleted_topics: list[Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    with declared():
        one, other = (
            run_of(store, "long", OLD, pipeline="ticks").stream.of_stage(name) for name in ("sum", "count")
        )
        now = timestamp(NOW)
        status = Status("s", "a", "a-1", State.RUNNING, started_at=now, updated_at=now, progressed_at=now)
        store.put(one.status, to_bytes(touched(status, state=State.STOPPED)))
        store.put(other.status, to_bytes(status))
        monkeypatch.setattr(
            health, "_pause", lambda _: store.put(other.status, to_bytes(touched(status, rows=1)))
        )
        assert list(retire(KAFKA, store, "ticks", NOW, WEEK)) == []  # type: ignore[arg-type]
        store.put(other.status, to_bytes(touched(status, state=State.STOPPED)))
        assert list(retire(KAFKA, store, "ticks", NOW, WEEK)) == [one.of_stage("")]  # type: ignore[arg-type]
    assert store.list(one.own) == store.list(other.own) == []


def test_the_first_run_on_a_stream_decides_whose_it_is() -> None:
    store = Store()
    stream = Stream("ecommerce_fraud", "prod")
    note_origin(store, Run(stream, "first"), isolated=False)  # type: ignore[arg-type]
    note_origin(store, Run(stream, "second"), isolated=True)  # type: ignore[arg-type]
    assert store.get_json(stream.origin)["run"] == "first"


def test_an_isolated_stream_that_is_then_asked_for_by_name_is_nobodys_to_delete(
    deleted_topics: list[Stream],
) -> None:
    store = Store()
    run = run_of(store, "kept", OLD)
    note_origin(store, run, isolated=True)  # type: ignore[arg-type]
    assert store.get_json(run.stream.origin)["isolated"]
    note_origin(store, Run(run.stream, "second"), isolated=False)  # type: ignore[arg-type]
    assert list(retire(KAFKA, store, "ecommerce_fraud", NOW, WEEK)) == []  # type: ignore[arg-type]
    assert deleted_topics == []
