"""What a status says: the end of a run, the error that ended a scorer, and who is asked to stop."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from streamweir.contracts.streams import Stream
from streamweir.errors import (
    BadConfiguration,
    DependencyUnreachable,
    ModelUnusable,
    RunFailed,
    StreamHeld,
)
from streamweir.objectstore import ObjectStore
from streamweir.scorer import status as statuses
from streamweir.scorer import stop
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.status import (
    State,
    Status,
    drained,
    failure,
    of_json,
    timestamp,
    to_bytes,
)
from tests.support.memory_store import MemoryStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STREAM = Stream("ecommerce_fraud", "s")


def status(state: State = State.RUNNING, *, age: float = 0, stalled: float = 0, **fields: object) -> Status:
    made = Status(
        stream=str(STREAM),
        scorer="run-1",
        holder="run-1-abc",
        state=state,
        started_at=timestamp(NOW - timedelta(hours=1)),
        updated_at=timestamp(NOW - timedelta(seconds=age)),
        progressed_at=timestamp(NOW - timedelta(seconds=stalled)),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def test_a_status_survives_the_store_also_when_a_newer_scorer_says_more() -> None:
    found = status(restarts=2, end_offsets={"browsing": {"0": 7}})
    stored = json.loads(to_bytes(found))
    assert of_json(stored) == of_json({**stored, "mood": "fine"}) == found


@pytest.mark.parametrize(("next_sequence", "expected"), [(0, False), (300, False), (301, True), (305, True)])
def test_a_run_is_drained_when_its_flush_was_worked_on(next_sequence: int, expected: bool) -> None:
    manifest = SimpleNamespace(flush_sequence=300)
    assert drained(status(next_sequence=next_sequence), manifest) is expected


@pytest.mark.parametrize(
    ("exit_code", "kind"),
    [
        (2, BadConfiguration),
        (3, ModelUnusable),
        (4, DependencyUnreachable),
        (5, StreamHeld),
        (1, RunFailed),
        (137, RunFailed),
    ],
)
def test_the_exit_code_decides_what_kind_of_error_ended_the_scorer(exit_code: int, kind: type) -> None:
    error = failure(status(State.FAILED, exit_code=exit_code, error="the driver's last words"))
    assert type(error) is kind
    assert "the driver's last words" in str(error)


@pytest.mark.parametrize("state", [state for state in State if state is not State.FAILED])
def test_a_scorer_that_is_not_beyond_help_has_no_failure(state: State) -> None:
    assert failure(status(state, error="earlier trouble", exit_code=1)) is None


def test_a_status_comes_back_from_the_store_as_it_was_written() -> None:
    store = cast(ObjectStore, MemoryStore())
    assert statuses.read(store, STREAM) is None
    written = status(end_offsets={"browsing": {"0": 7}}, batch_id=3, max_ts=9, restarts=2, error="é")
    statuses.write(store, STREAM, written)
    assert statuses.read(store, STREAM) == written


def test_a_new_scorer_goes_on_from_the_place_of_the_one_before_and_takes_nothing_else_from_it() -> None:
    spec = ScorerSpec(STREAM, "b", "d", "m", "UTC", lateness_s=60, max_messages=2_000)
    old = status(batch_id=7, next_sequence=41, max_ts=1_100, watermark=1_090, rows=5, restarts=2, error="é")
    new = statuses.starting(spec, "b-1", old)
    assert (new.batch_id, new.next_sequence, new.max_ts, new.watermark) == (7, 41, 1_100, 1_040)
    assert (new.holder, new.rows, new.restarts, new.error) == ("b-1", 0, 0, None)
    first = statuses.starting(spec, "b-1", None)
    assert (first.batch_id, first.next_sequence, first.max_ts, first.watermark) == (None, 0, None, None)


def test_touching_a_status_renews_its_age() -> None:
    old = status(age=3600)
    fresh = statuses.touched(old, rows=5)
    assert (fresh.updated_at > old.updated_at, fresh.rows, fresh.started_at) == (True, 5, old.started_at)


def test_a_stop_is_for_the_scorer_that_has_the_stream_and_not_for_the_one_after_it() -> None:
    store = cast(ObjectStore, MemoryStore())
    statuses.write(store, STREAM, status())
    assert not stop.requested(store, STREAM, "run-1-abc")
    stop.request(store, STREAM, "a test")
    assert stop.requested(store, STREAM, "run-1-abc")
    assert not stop.requested(store, STREAM, "run-2-def")


def test_a_stream_that_never_had_a_scorer_is_not_asked_to_stop() -> None:
    store = MemoryStore()
    stop.request(cast(ObjectStore, store), STREAM, "a test")
    assert store.objects == {}


def test_a_scorer_is_told_of_in_one_line_also_before_its_first_micro_batch() -> None:
    begun = status(State.STARTING, batch_id=None)
    assert statuses.in_words(None) == "no status yet"
    assert statuses.in_words(begun) == "scorer starting, no micro-batch yet"
    assert statuses.in_words(replace(begun, doing="starting Spark"), "db") == "db starting, starting Spark"
    running = status(batch_id=7, next_sequence=41, processed_rows_per_second=1234.4)
    assert statuses.in_words(running) == "scorer running, micro-batch 7, next sequence 41, 1,234 rows/s"
