"""What a validation leaves to its stream's later runs: with it they come to the same as from the start."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

import streamweir_quality.replayed
from streamweir.broker.records import Record
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import LATENESS_S, PIPELINE, PREDICTIONS, PREDICTIONS_TOPIC
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.duck import sorting
from streamweir.errors import BadConfiguration
from streamweir.replay.plan import Plan
from streamweir_quality.carried import BEGINNING, leave
from streamweir_quality.inputs import Inputs, stretch_of
from streamweir_quality.recompute import left_tables, recompute_subjects
from streamweir_quality.replayed import of_runs, read_replayed
from tests.support.checked_run import new_folder
from tests.support.file_store import FileStore
from tests.unit.quality.made_up_inputs import (
    START_TS,
    made_up_inputs,
    made_up_plan,
    made_up_records,
    put_back,
)

NOWHERE = KafkaConnection("127.0.0.1:1")
STREAM = Stream(PIPELINE.name, "made-up")
FIRST, SECOND, THIRD = (Run(STREAM, name) for name in ("first", "second", "third"))
LOOKBACK_S = 1_500
HALF, THREE_QUARTERS = 200, 300
TABLES = ("predictions", "fraud_windows", "sold_quantity", "top_products", "top_categories")


def headers_of(record: Record) -> Headers:
    assert record.headers is not None
    return record.headers


class OnStream:
    """Three runs on a stream, a redrive behind the first, and what the scorer made of them.

    The second run repeats the first and goes on; the third brings other transactions of the same sessions.
    """

    def __init__(self, folder: Path) -> None:
        self.store = FileStore()
        self.gone: dict[str, dict[int, int]] = {}
        first = made_up_records(folder, FIRST.id, batches=HALF)
        again = [*put_back(first)]
        end = headers_of(again[0])._replace(
            sequence=headers_of(again[0]).sequence + 1, ts=headers_of(again[0]).ts + 300, rows=0
        )
        again += [_at(end, topic.name, b"[]") for topic in PIPELINE.inputs]
        start = {"first_sequence": end.sequence + 1, "start_ts": end.ts + 1}
        second = made_up_records(folder, SECOND.id, batches=THREE_QUARTERS, **start)
        flush = headers_of(second[-1])
        start = {"first_sequence": flush.sequence + 1, "start_ts": flush.ts + 1}
        third = [_renamed(record) for record in made_up_records(folder, THIRD.id, **start)]
        self.records = [*first, *again, *second, *third]
        self.flushed = {run: headers_of(sent[-1]).sequence + 1 for run, sent in
                        ((FIRST, first), (SECOND, second), (THIRD, third))}  # fmt: skip
        self.put_back = end.sequence + 1
        self.inputs = {
            run: made_up_inputs(folder, self.records, run.id, LOOKBACK_S) for run in (FIRST, SECOND, THIRD)
        }
        self._plan({FIRST: 0, SECOND: self.put_back, THIRD: self.flushed[SECOND]})
        self.predictions = [
            Record(PREDICTIONS_TOPIC.name, 0, 0, 0, [("run", run.id.encode())], orjson.dumps(row))
            for run, inputs in self.inputs.items()
            for row in inputs.frame("predictions", [*PREDICTIONS.key, "prediction"])
            .sort_values("ts")
            .to_dict("records")
        ]
        self.predictions = [replace(one, offset=at) for at, one in enumerate(self.predictions)]
        self._commit()

    def _plan(self, starts: Mapping[Run, int]) -> None:
        before = None
        for run, first_sequence in starts.items():
            plan = made_up_plan(run.id, first_sequence, before=before)
            self.store.put_json(run.plan, plan.to_json())
            self.store.put_json(STREAM.newest_run, {"format": 1, "run": run.id})
            before = run.id

    def _commit(self) -> None:
        """Two commits of the first run, and one each behind it; published is what lies before its end."""
        name = PREDICTIONS_TOPIC.of(STREAM)
        sequences = (0, self.flushed[FIRST] - 50, self.flushed[FIRST], self.flushed[SECOND] - 1)
        for number, sequence in enumerate(sequences):
            made = self.inputs[FIRST].frame("predictions", ["ts"]).ts.lt(START_TS + HALF - 60).sum()
            published = {name: {"0": int(made)}} if number else {}
            commit = {"batch_id": number, "next_sequence": sequence, "published": published, "files": []}
            self.store.put_json(STREAM.commit(number), commit)

    def read_topic(
        self, kafka: KafkaConnection, topic: str, *, start: Mapping[int, int] | None = None, **_: Any
    ) -> Iterator[Record]:
        """In the place of the real one: what is gone is not there."""
        name = topic.rpartition(".")[2]
        for record in self.records + self.predictions:
            first = max(
                (start or {}).get(record.partition, 0), self.gone.get(name, {}).get(record.partition, 0)
            )
            if record.topic == name and record.offset >= first:
                yield record

    def validated(self, run: Run, until: int) -> tuple[Inputs, dict[str, list[Any]]]:
        """What the run's validation works its tables out to; with what it leaves put into the store."""
        plan = Plan.from_json(self.store.get_json(run.plan))
        folder = new_folder()
        stretch = stretch_of(self.store, run, plan, until, folder / "carried")  # type: ignore[arg-type]
        replayed = read_replayed(
            NOWHERE,
            self.store,  # type: ignore[arg-type]
            run,
            PIPELINE,
            stretch,
            lambda _: LATENESS_S,
            folder / "messages",
        )
        inputs = replace(self.inputs[run], replayed=replayed)
        with sorting(folder) as sql:
            subjects = list(recompute_subjects(inputs, sql))
            leave(self.store, run, replayed.left, left_tables(inputs, sql), folder)  # type: ignore[arg-type]
            tables = {name: sql.table(f"batch_{name}").order("all").fetchall() for name in TABLES}
        # The first run's tables know of records that were put back after its flush: up to there they differ.
        if until != self.flushed[FIRST]:
            assert [one.table for one in subjects if one.frame["difference"].notna().any()] == []
        return inputs, tables

    def from_the_start(self, run: Run) -> dict[str, list[Any]]:
        """The same by all that the stream ever held."""
        assert self.inputs[run].replayed.carried == BEGINNING
        with sorting(new_folder()) as sql:
            list(recompute_subjects(self.inputs[run], sql))
            return {name: sql.table(f"batch_{name}").order("all").fetchall() for name in TABLES}


def _at(headers: Headers, topic: str, value: bytes) -> Record:
    return Record(topic, headers.sequence % 4, headers.sequence // 4, 0, headers.encode(), value)


def _renamed(record: Record) -> Record:
    """The same rows of other transactions, and of later sessions' events only half of them."""
    rows = orjson.loads(record.value)
    for row in rows:
        if "transaction_id" in row:
            row["transaction_id"] += "-other"
    if record.topic == "browsing" and headers_of(record).kind is Kind.BATCH:
        rows = rows[::2]
    headers = headers_of(record)._replace(rows=len(rows)).encode()
    return replace(record, value=orjson.dumps(rows), raw_headers=headers)


@pytest.fixture(scope="module")
def runs(dataset_folder: Path) -> OnStream:
    return OnStream(dataset_folder)


@pytest.fixture
def stream(runs: OnStream, monkeypatch: pytest.MonkeyPatch) -> OnStream:
    """The stream before anything of it was validated."""
    monkeypatch.setattr(streamweir_quality.replayed, "read_topic", runs.read_topic)
    monkeypatch.setattr(streamweir_quality.replayed, "log_end", lambda *_: {})
    runs.gone = {}
    for run in (FIRST, SECOND, THIRD):
        runs.store.delete(run.recomputed)
    return runs


def delete_before(stream: OnStream, inputs: Inputs) -> None:
    """Delete from the topics all that lies before what these inputs were read from."""
    carried = inputs.replayed.carried
    published = carried.published.get(PREDICTIONS_TOPIC.of(STREAM), {})
    stream.gone = {**carried.offsets, PREDICTIONS_TOPIC.name: published}


def test_what_strangers_write_to_a_shared_topic_is_of_no_run() -> None:
    headers: list[Any] = [[("run", b"first")], [("run", b"\xff")], [("run", None)], [], [("run", b"other")]]
    records = [Record("t", 0, offset, 0, each, b"%d" % offset) for offset, each in enumerate(headers)]
    assert list(of_runs(["first"], records)) == [("first", b"0")]


def test_runs_on_one_stream_come_to_the_same_as_from_its_start(stream: OnStream) -> None:
    stream.validated(FIRST, stream.flushed[FIRST])
    second, tables = stream.validated(SECOND, stream.flushed[SECOND])
    assert second.replayed.carried.next_sequence == stream.flushed[FIRST]
    assert tables == stream.from_the_start(SECOND)
    third, tables = stream.validated(THIRD, stream.flushed[THIRD])
    assert third.replayed.carried.next_sequence == stream.flushed[SECOND]
    assert tables == stream.from_the_start(THIRD)
    assert min(map(len, tables.values())) > 5


def test_a_run_needs_nothing_older_than_what_an_earlier_one_left(stream: OnStream) -> None:
    stream.validated(FIRST, stream.flushed[FIRST])
    second, tables = stream.validated(SECOND, stream.flushed[SECOND])
    assert {run for one in PIPELINE.inputs for run in _runs(second, one)} == {FIRST.id, SECOND.id}
    delete_before(stream, second)
    assert min(stream.gone[PREDICTIONS_TOPIC.name].values()) > 20
    assert all(min(stream.gone[topic.name].values()) >= HALF // 4 for topic in PIPELINE.inputs)
    assert stream.validated(SECOND, stream.flushed[SECOND])[1] == tables
    third, tables = stream.validated(THIRD, stream.flushed[THIRD])
    assert {run for one in PIPELINE.inputs for run in _runs(third, one)} == {THIRD.id}
    assert third.replayed.published == {}
    assert tables == stream.from_the_start(THIRD)


def _runs(inputs: Inputs, topic: Any) -> set[str]:
    return {message.headers.run for message in inputs.replayed.of(topic)}


def test_what_a_run_left_that_was_not_validated_is_made_up_for(stream: OnStream) -> None:
    stream.validated(FIRST, stream.flushed[FIRST])
    third, tables = stream.validated(THIRD, stream.flushed[THIRD])
    assert third.replayed.carried.next_sequence == stream.flushed[FIRST]
    assert tables == stream.from_the_start(THIRD)
    delete_before(stream, third)
    assert stream.validated(THIRD, stream.flushed[THIRD])[1] == tables


def test_a_run_that_is_validated_again_after_a_redrive_leaves_no_more_than_the_next_one_begins_with(
    stream: OnStream,
) -> None:
    again, tables = stream.validated(FIRST, stream.flushed[THIRD])
    assert tables == stream.from_the_start(FIRST)
    assert again.replayed.left.next_sequence == stream.put_back
    for run in (SECOND, THIRD):
        inputs, tables = stream.validated(run, stream.flushed[run])
        assert inputs.replayed.carried.next_sequence == {SECOND: stream.put_back}.get(
            run, stream.flushed[SECOND]
        )
        assert tables == stream.from_the_start(run)


@pytest.mark.parametrize("name", ["scored", "browsing", "sold"])
def test_each_table_that_is_carried_is_asked_for(stream: OnStream, name: str) -> None:
    stream.validated(FIRST, stream.flushed[FIRST])
    inputs, tables = stream.validated(SECOND, stream.flushed[SECOND])
    carried = inputs.replayed.carried
    without = replace(carried, tables={one: file for one, file in carried.tables.items() if one != name})
    with sorting(new_folder()) as sql:
        list(recompute_subjects(replace(inputs, replayed=replace(inputs.replayed, carried=without)), sql))
        found = {name: sql.table(f"batch_{name}").order("all").fetchall() for name in TABLES}
    assert found != tables


def test_a_stream_that_lost_its_beginning_is_refused_when_no_run_left_anything(stream: OnStream) -> None:
    stream.gone = {"browsing": {2: 7}}
    with pytest.raises(
        BadConfiguration, match=r"topic .*browsing holds .* and no earlier run of the stream left"
    ):
        stream.validated(SECOND, stream.flushed[SECOND])


def test_what_a_newer_version_left_is_refused(stream: OnStream) -> None:
    stream.store.put_json(FIRST.recomputed, {"format": 9, "next_sequence": 1})
    with pytest.raises(BadConfiguration, match=r"has format 9, .* validate run first again"):
        stream.validated(SECOND, stream.flushed[SECOND])


def test_tables_are_there_before_the_object_that_names_them(stream: OnStream) -> None:
    names: Sequence[str] = ("scored", "browsing", "sold")
    stream.validated(FIRST, stream.flushed[FIRST])
    left = stream.store.get_json(FIRST.recomputed)
    assert (left["format"], left["tables"]) == (1, sorted(names))
    tables = [FIRST.recomputed_table(name, left["next_sequence"]) for name in names]
    assert all(map(stream.store.exists, tables))
    assert list(stream.store.objects).index(str(FIRST.recomputed)) > max(
        list(stream.store.objects).index(str(table)) for table in tables
    )
