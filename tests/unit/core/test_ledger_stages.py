"""The ledger over several stages: each adds up by itself, and what one lost is told of that one alone."""

import io
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import cast
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamweir import reporting
from streamweir.broker.records import Record
from streamweir.commits import newest
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.rejected import Reason
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, RunFailed, StreamHeld
from streamweir.ledger import reconciliation
from streamweir.ledger.account import account
from streamweir.ledger.counts import Held, Kept, Sent, Tally
from streamweir.ledger.published import earliest
from streamweir.ledger.values import Ledger
from streamweir.objectstore import ObjectStore
from streamweir.redrive import records
from streamweir.redrive.records import Place
from streamweir.redrive.text import counts
from streamweir.reporting.pieces import Content
from streamweir.scorer.account import Account
from tests.support.made_up_ledger import reconcile_made_up
from tests.support.made_up_stages import (
    BATCHES,
    EVENTS,
    LATE_BATCH,
    PIPELINE,
    START,
    MadeUpStages,
    is_malformed,
    is_no_number,
    rows_of,
)
from tests.support.made_up_tables import parquet

SENT = [(batch, row) for batch in range(BATCHES) for row in range(rows_of(batch))]
MALFORMED = sum(is_malformed(*each) for each in SENT)
NO_NUMBER = sum(is_no_number(*each) for each in SENT if each[0] != LATE_BATCH)
NO_NUMBER_OR_MALFORMED = NO_NUMBER + sum(is_malformed(*each) for each in SENT if each[0] != LATE_BATCH)
LATE = rows_of(LATE_BATCH)
WINDOWS = 9
STAGES = ("db", "features", "online")


@pytest.fixture
def made_up() -> MadeUpStages:
    return MadeUpStages()


def count(made_up: MadeUpStages) -> Ledger:
    with mock.patch.object(reconciliation, "find_pipeline", return_value=PIPELINE):
        return reconcile_made_up(made_up)


def test_each_stage_adds_up_by_the_role_of_its_input(made_up: MadeUpStages) -> None:
    ledger = count(made_up)
    assert min(MALFORMED, NO_NUMBER, LATE) > 0
    both = {"produced": len(SENT), "in_kafka": len(SENT), "redriven": 0}
    assert {name: line.to_dict() for name, line in ledger.totals.items()} == {
        "db.events": {
            **both,
            "stored": len(SENT) - MALFORMED,
            "malformed": MALFORMED,
            "unexplained": 0,
        },
        "features.events": {
            **both,
            "used": len(SENT) - NO_NUMBER_OR_MALFORMED - LATE,
            "malformed": NO_NUMBER_OR_MALFORMED,
            "late": LATE,
            "unscorable": 0,
            "duplicate": 0,
            "unexplained": 0,
        },
        "online.features": {
            "produced": WINDOWS,
            "in_kafka": WINDOWS,
            "redriven": 0,
            "stored": WINDOWS,
            "malformed": 0,
            "unexplained": 0,
        },
    }
    assert ledger.ok
    assert (ledger.next_sequence, ledger.flush) == (BATCHES + 1, 1)


def test_the_bundle_tells_topics_by_stage(made_up: MadeUpStages) -> None:
    count(made_up)
    told = made_up.store.get_json(made_up.run.ledger)
    assert (told["format"], told["outcome"], told["batch_count"]) == (2, "success", BATCHES)
    # A row that is malformed for the one is stored by the other; so is one that is late.
    batch, _ = next(each for each in SENT if is_no_number(*each) and not is_malformed(each[0], 0))
    bad = [is_malformed(batch, row) for row in range(rows_of(batch))]
    text = [is_no_number(batch, row) for row in range(rows_of(batch))]
    topics = told["batches"][batch]["topics"]
    assert topics["db.events"]["stored"] == rows_of(batch) - sum(bad)
    assert topics["features.events"]["malformed"] == sum(bad) + sum(text) > sum(bad)
    late = told["batches"][LATE_BATCH]["topics"]
    assert late["features.events"]["late"] == late["features.events"]["produced"] > 0
    assert late["db.events"]["stored"] == LATE - sum(is_malformed(LATE_BATCH, row) for row in range(LATE))
    assert set(told["set_aside"]) == {"db.events", "features.events"}
    assert told["set_aside"]["features.events"]["sentence"].endswith(
        f"most often as malformed ({NO_NUMBER_OR_MALFORMED:,}), e.g. CTR is 'x', no number"
    )
    lines = read(made_up, made_up.run.ledger_table)
    assert lines.num_rows == 2 * BATCHES
    assert set(lines["topic"].to_pylist()) == {"db.events", "features.events"}


def test_each_stages_tables_and_timings_lie_apart(made_up: MadeUpStages) -> None:
    count(made_up)
    rejected = {
        stage: read(made_up, made_up.run.of_stage(stage).table_file("rejected")).num_rows for stage in STAGES
    }
    assert rejected == {"db": MALFORMED, "features": NO_NUMBER_OR_MALFORMED + 1, "online": 0}
    assert read(made_up, made_up.run.of_stage("features").table_file("windows")).num_rows == WINDOWS
    for stage in STAGES:
        own = made_up.run.of_stage(stage)
        assert read(made_up, own.micro_batches).num_rows == (WINDOWS if stage == "online" else 8)
        assert read(made_up, own.latency).num_rows == (
            WINDOWS if stage == "online" else BATCHES - (stage != "db")
        )
    assert not made_up.store.exists(made_up.run.table_file("rejected"))


@pytest.mark.parametrize(("stage", "other"), [("db", "features"), ("features", "db")])
def test_a_row_that_one_stage_lost_is_unexplained_there_alone(
    made_up: MadeUpStages, stage: str, other: str
) -> None:
    change(made_up, stage, "worked", 3, lambda rows: with_rows(rows, 2, -1))
    batch = 17
    with pytest.raises(
        RunFailed, match=rf"unexplained rows of {stage}\.events: 1, the first in batch {batch};"
    ):
        count(made_up)
    told = made_up.store.get_json(made_up.run.ledger)
    assert (told["outcome"], told["unexplained"]) == ("failed", 1)
    assert told["totals"][f"{stage}.events"]["unexplained"] == 1
    assert told["totals"][f"{other}.events"]["unexplained"] == 0
    assert told["batches"][batch]["topics"][f"{stage}.events"]["unexplained"] == 1
    assert told["batches"][batch]["topics"][f"{other}.events"]["unexplained"] == 0
    assert not made_up.store.list(made_up.run.stream.of_stage(other).segments)


def test_a_row_too_many_in_one_stage_does_not_make_up_for_one_lost_by_another(made_up: MadeUpStages) -> None:
    change(made_up, "db", "worked", 3, lambda rows: with_rows(rows, 2, -1))
    change(made_up, "features", "worked", 3, lambda rows: with_rows(rows, 2, 1))
    with pytest.raises(RunFailed, match=r"unexplained rows of db\.events, features\.events: 2, the first"):
        count(made_up)


def test_what_a_stage_published_and_the_next_one_does_not_have_is_unexplained(made_up: MadeUpStages) -> None:
    change(made_up, "online", "worked", 2, lambda rows: rows.slice(0, 0))
    with pytest.raises(RunFailed, match=r"unexplained rows of online\.features: 1; see ledger\.json"):
        count(made_up)
    totals = made_up.store.get_json(made_up.run.ledger)["totals"]
    assert {name: line["unexplained"] for name, line in totals.items()} == {
        "db.events": 0,
        "features.events": 0,
        "online.features": 1,
    }


def test_what_a_stage_has_in_its_table_and_did_not_publish_is_found(made_up: MadeUpStages) -> None:
    made_up.records("features").pop()
    with pytest.raises(RunFailed, match=r"features\.features: rows in the table and on the topic: 9 and 8"):
        count(made_up)


def test_another_stages_messages_on_a_shared_topic_are_not_counted(made_up: MadeUpStages) -> None:
    [*_, last] = made_up.records("features")
    others = [("run", made_up.run.id.encode()), ("writer", b"clicks.made-up.db.scorer")]
    made_up.topics[last.topic].append(type(last)(last.topic, 0, last.offset + 1, 0, others, b"{}"))
    assert count(made_up).ok


def test_a_runs_rows_begin_on_a_shared_topic_where_the_first_of_its_stages_had_come_to() -> None:
    assert earliest([{"t": {0: 5, 1: 2}}, {"t": {0: 3, 1: 7}, "u": {0: 1}}, {}]) == {
        "t": {0: 3, 1: 2},
        "u": {0: 1},
    }


def test_rows_put_back_are_a_stages_own_once_it_has_taken_them(made_up: MadeUpStages) -> None:
    record = made_up.send(Headers(made_up.run.id, LATE_BATCH, BATCHES + 1, START + 99, Kind.REDRIVE, 2))
    made_up.store_events(9, [record], BATCHES + 2)
    ledger = count(made_up)
    assert (ledger.unexplained, ledger.waiting, ledger.next_sequence) == (0, 2, BATCHES + 1)
    made_up.count(9, [record], BATCHES + 2)
    made_up.serve(9, made_up.records("features")[-1:], BATCHES + 1)
    after = count(made_up)
    assert (after.unexplained, after.waiting) == (0, 0)
    assert {name: line.redriven for name, line in after.totals.items()} == {
        "db.events": 2,
        "features.events": 2,
        "online.features": 0,
    }


def test_what_several_stages_write_to_a_topic_is_counted_together(made_up: MadeUpStages) -> None:
    db, features, online = PIPELINE.stages
    twin = replace(features, name="twin")
    shared = replace(PIPELINE, stages=(db, features, twin, online))
    counts = {stage.name: (Held(), Kept()) for stage in shared.stages}
    for stage, rows in ((features, 3), (twin, 2)):
        counts[stage.name] = (Held(published={"features": rows}), Kept(table_rows={"features": rows}))
    worked = defaultdict(Tally)
    worked["features"].add(0, 5)
    counts[online.name] = (Held(), Kept(worked=worked))
    none = np.array([], np.int64)
    sent = Sent(none, none, none, {"events": none}, {}, 0, 0, {"events": 0})
    line = account(made_up.run, shared, sent, counts).totals["online.features"]
    assert (line.produced, line.in_kafka, line.worked, line.unexplained) == (5, 5, 5, 0)


@pytest.mark.parametrize("run", [b"evil", b"\xff"])
def test_a_foreign_message_is_of_no_run_whatever_it_says(run: bytes) -> None:
    stream, stage = Stream("clicks", "made-up", "db"), PIPELINE.of_stage("db")
    noted = Account(stream, stage)
    noted.reject(Record(EVENTS.of(stream), 0, 0, 0, [("run", run)], b"x"), Reason.FOREIGN, "no headers")
    assert noted.tables()["rejected"]["run"].to_pylist() == [None]


def test_a_stage_that_left_nothing_is_named(made_up: MadeUpStages) -> None:
    for key in made_up.store.list(made_up.run.stream.of_stage("online").commits):
        made_up.store.delete(key)
    with pytest.raises(RunFailed, match=r"stream clicks\.made-up\.online committed nothing of run 'r1'"):
        count(made_up)


def test_each_stage_is_put_together_and_counts_the_same_again(made_up: MadeUpStages) -> None:
    first = count(made_up).to_dict()
    for stage in STAGES:
        stream = made_up.run.stream.of_stage(stage)
        assert len([key for key in made_up.store.list(stream.segments) if key.key.endswith(".json")]) == 1
        assert len(made_up.store.list(stream.commits)) == 1
    assert count(made_up).to_dict() == first


def test_a_step_is_committed_once_and_keeps_what_the_stage_goes_on_from(made_up: MadeUpStages) -> None:
    store = cast(ObjectStore, made_up.store)
    last = newest(store, made_up.run.stream.of_stage("db"), None)
    assert last is not None
    assert (last.batch_id, last.next_sequence, last.files) == (8, BATCHES + 1, ())
    with pytest.raises(StreamHeld, match=r"step 8 of clicks\.made-up\.db was written by another process"):
        made_up.store_events(8, [], BATCHES + 1)


def test_a_record_is_put_back_only_if_every_stage_that_reads_it_rejected_it(
    made_up: MadeUpStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stages_of(stream: Stream) -> list[Stream]:
        return [stream.of_stage(stage) for stage in STAGES]

    monkeypatch.setattr(records, "stages_of", stages_of)
    found = records.rejected_records(cast(ObjectStore, made_up.store), made_up.run.stream)
    by_stage = Counter(record.stage for record in found)
    assert by_stage == {"db": MALFORMED, "features": NO_NUMBER_OR_MALFORMED + 1}
    lines = [(line["reason"], line["topic"], line["records"]) for line in counts(found, ())]
    assert ("malformed", "db.events", MALFORMED) in lines
    places = {stage: {record.place for record in found if record.stage == stage} for stage in STAGES}
    for record in found:
        if record.place in places["db"] & places["features"]:
            records.refuse_worked_on(PIPELINE, found, [record])
        else:
            with pytest.raises(BadConfiguration, match=r"was rejected by \w+ and not by (features|db), w"):
                records.refuse_worked_on(PIPELINE, found, [record])
    assert places["db"] & places["features"]
    handed_on = replace(found[0], place=Place("features", 0, 0, 0))
    with pytest.raises(BadConfiguration, match="features/0/0/0 was published by a stage"):
        records.refuse_worked_on(PIPELINE, found, [handed_on])


def read(made_up: MadeUpStages, key: ObjectKey) -> pa.Table:
    return pq.read_table(io.BytesIO(made_up.store.objects[str(key)]))


def change(
    made_up: MadeUpStages, stage: str, table: str, step: int, to: Callable[[pa.Table], pa.Table]
) -> None:
    """Change what a step wrote to a table."""
    key = made_up.run.stream.of_stage(stage).table_file(table, step)
    made_up.store.put(key, parquet(to(read(made_up, key))))


def with_rows(rows: pa.Table, line: int, more: int) -> pa.Table:
    lines = rows.to_pylist()
    lines[line]["rows"] += more
    return pa.Table.from_pylist(lines, rows.schema)


def test_the_report_tells_each_stages_lines(made_up: MadeUpStages, monkeypatch: pytest.MonkeyPatch) -> None:
    content = Content(lambda _: "", lambda _: (), (), ())
    for module in (reporting.publishing, reporting.summary, reporting.plots):
        monkeypatch.setattr(module, "content_of", lambda _: content)
    monkeypatch.setattr(reporting.inputs, "find_pipeline", lambda _: PIPELINE)
    change(made_up, "db", "worked", 3, lambda rows: with_rows(rows, 2, -1))
    with pytest.raises(RunFailed):
        count(made_up)
    store = cast(ObjectStore, made_up.store)
    verdict = reporting.publish(made_up.run, store)
    assert "unexplained rows of db.events: 1" in verdict.failures[0].sentence
    summary, page = (
        store.get_json(made_up.run.summary),
        made_up.store.objects[str(made_up.run.report)].decode(),
    )
    assert summary["rows"]["db.events"]["stored"] == len(SENT) - MALFORMED - 1
    assert summary["rows"]["tables"]["features.windows"] == WINDOWS
    assert {name: stage["latency_s"]["messages"] for name, stage in summary["stages"].items()} == {
        "db": BATCHES,
        "features": BATCHES - 1,
        "online": WINDOWS,
    }
    assert f"{len(SENT):,} rows of events were replayed" in page
    assert f"{MALFORMED} rows were set aside by db with a reason: {MALFORMED} malformed." in page
    for heading in ("db.events", "features.events", "online.features", "db, latency", "online, scorer"):
        assert heading in page
