"""What is stored says its form: the first ones did not, and a newer one is refused before it is read."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra import layout as layouts
from infra.layout import Layout
from streamweir import commits, retention
from streamweir.commits import Commit
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, StackError
from streamweir.retention import note_origin
from streamweir.scorer import launch, lease, status
from streamweir.scorer.lease import Lease
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import State, Status
from streamweir.writers import once
from streamweir.writers.once import Intent
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "prod")
SPEC = ScorerSpec(STREAM, "a", "d", "m", "UTC", lateness_s=60, max_messages=2_000)


def started(store: MemoryStore) -> None:
    """Ask for a scorer while one runs with the same settings."""
    attached = launch._attach(store, Status("s", "a", "a-1", State.RUNNING, "", "", "", "d", "m"), SPEC)  # type: ignore[arg-type]
    assert attached.status.holder == "a-1"


READERS: dict[str, tuple[ObjectKey, dict[str, Any], Callable[[MemoryStore], object], int]] = {
    "origin": (
        STREAM.origin,
        {"run": "r1", "isolated": False, "made_at": "2026-01-01T00:00:00+00:00"},
        lambda store: retention.look(store, STREAM),  # type: ignore[arg-type]
        retention.FORMAT,
    ),
    "lease": (
        STREAM.lease,
        {"holder": "b", "token": "t", "beat": 1, "released": True, "written_at": ""},
        lambda store: Lease(store, STREAM, "a").take(),  # type: ignore[arg-type]
        lease.FORMAT,
    ),
    "settings": (STREAM.settings, {"holder": "a-1", "settings": SPEC.settings}, started, launch.FORMAT),
    "status": (
        STREAM.status,
        {"stream": "s", "scorer": "a", "holder": "a-1", "state": "stopped"}
        | dict.fromkeys(("started_at", "updated_at", "progressed_at"), ""),
        lambda store: status.read(store, STREAM),  # type: ignore[arg-type]
        status.FORMAT,
    ),
    "commit": (
        STREAM.commit(0),
        {"batch_id": 0},
        lambda store: Commit.from_json(store.get_json(STREAM.commit(0))),
        commits.FORMAT,
    ),
    "intent": (
        STREAM.intent,
        {"step": 0, "decisions": {}},
        lambda store: Intent(store, STREAM),  # type: ignore[arg-type]
        once.FORMAT,
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_an_object_without_a_format_is_read_and_one_of_a_newer_format_refused(name: str) -> None:
    key, written, read, known = READERS[name]
    store = MemoryStore()
    store.put_json(key, written)
    read(store)
    store.put_json(key, written | {"format": known + 1})
    with pytest.raises(BadConfiguration, match=rf"has format {known + 1}, but .* take another stream id"):
        read(store)


def test_what_is_written_says_its_format() -> None:
    store = MemoryStore()
    note_origin(store, Run(STREAM, "r1"), isolated=False)  # type: ignore[arg-type]
    Lease(store, STREAM, "a").take()  # type: ignore[arg-type]
    status.write(store, STREAM, status.starting(SPEC, "a-1", None))  # type: ignore[arg-type]
    assert len(store.objects) == 3
    assert [json.loads(data)["format"] for data in store.objects.values()] == [1, 1, 1]


def test_a_state_folder_that_a_newer_version_made_is_refused(tmp_path: Any) -> None:
    made = Layout(tmp_path)
    for _ in range(2):
        made.note_format()
    file = tmp_path / "format.json"
    assert json.loads(file.read_text()) == {"format": layouts.FORMAT}
    file.write_text(json.dumps({"format": layouts.FORMAT + 1}))
    with pytest.raises(StackError, match=rf"{tmp_path} has format 2, .* another folder by STREAMWEIR_VAR"):
        made.note_format()
