"""The reconciliation on made-up runs: what adds up, and that everything that does not is found."""

import io
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.broker.records import Record
from streamweir.contracts import card_fraud, clickstream_anomaly
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import WRITER, Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.contracts.tables import Input, Pipeline, Role, Topic
from streamweir.errors import RunFailed
from streamweir.ledger import values
from streamweir.ledger.account import account
from streamweir.ledger.committed import read_commits, read_entries
from streamweir.ledger.counts import Held, Kept, Sent, Tally
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import offsets_from_json
from tests.support.made_up_ledger import reconcile_made_up as count
from tests.support.made_up_run import BROWSING_ROWS, LATE_BATCH, MALFORMED_MESSAGE_BATCH, MadeUpRun


@pytest.fixture
def made_up() -> MadeUpRun:
    return MadeUpRun(batches=24)


def test_every_row_of_a_good_run_is_accounted_for(made_up: MadeUpRun) -> None:
    ledger = count(made_up)
    transactions, browsing = ledger.totals["transactions"], ledger.totals["browsing"]
    assert browsing.produced == browsing.in_kafka == 24 * BROWSING_ROWS
    assert browsing.worked == made_up.counts["used"]
    assert transactions.produced == transactions.in_kafka > 300
    assert transactions.worked == made_up.counts["scored"]
    assert transactions.rejected["unscorable"] == 1
    assert transactions.rejected["duplicate"] == 1
    assert transactions.rejected["late"] > 5
    assert browsing.rejected == {"malformed": 1, "late": BROWSING_ROWS}
    assert ledger.unexplained == 0
    assert ledger.ok
    assert ledger.flush == 2


def test_the_bundle_holds_the_ledger_and_the_facts_of_each_batch(made_up: MadeUpRun) -> None:
    count(made_up)
    written = made_up.store.get_json(made_up.run.ledger)
    assert written["outcome"] == "success"
    assert written["next_sequence"] == made_up.batches + 1
    assert len(written["batches"]) == 24
    assert written["success_payments"] == sum(batch["success_payments"] for batch in written["batches"]) > 300
    late = written["batches"][LATE_BATCH]["topics"]
    assert late["browsing"]["late"] == late["browsing"]["produced"] == BROWSING_ROWS
    assert late["transactions"]["late"] == late["transactions"]["produced"] > 0
    unreadable = written["batches"][MALFORMED_MESSAGE_BATCH]["topics"]["transactions"]
    assert unreadable["malformed"] == unreadable["produced"] > 0
    lines = _parquet(made_up, made_up.run.ledger_table).to_pylist()
    assert len(lines) == 48
    assert sum(line["scored"] or 0 for line in lines) == made_up.counts["scored"]
    assert {line["unexplained"] for line in lines} == {0}


def test_each_table_of_the_bundle_follows_its_contract_and_is_sorted(made_up: MadeUpRun) -> None:
    count(made_up)
    for table in PIPELINE.tables:
        frame = _parquet(made_up, made_up.run.table_file(table.name))
        keys = list(zip(*(frame[name].to_pylist() for name in table.key), strict=True))
        assert frame.column_names == list(table.names)
        assert keys
        assert keys == sorted(keys, key=lambda key: [(value is None, value) for value in key])


def test_files_without_a_commit_record_do_not_count(made_up: MadeUpRun) -> None:
    files = made_up.store.list(made_up.run.stream.table("predictions"))
    data = made_up.store.get(files[0]) or pytest.fail("no file")
    expected = count(made_up).to_dict()
    made_up.store.put(made_up.run.stream.table_file("predictions", 999), data)
    assert count(made_up).to_dict() == expected


def test_micro_batches_of_the_first_format_count_the_same(made_up: MadeUpRun) -> None:
    expected = count(made_up).to_dict()
    for key in made_up.store.list(made_up.run.stream.commits):
        record = made_up.store.get_json(key)
        made_up.store.put_json(
            key, {name: record[name] for name in record if name not in ("format", "files")}
        )
    assert count(made_up).to_dict() == expected


def test_a_lost_prediction_is_unexplained_and_named_with_its_batch(made_up: MadeUpRun) -> None:
    key = made_up.run.stream.table_file("predictions", 1)
    frame = _parquet(made_up, key)
    _put(made_up, key, frame.slice(1))
    batch = frame["batch_index"][0].as_py()
    with pytest.raises(RunFailed, match=rf"unexplained rows: 1, the first in batch {batch}"):
        count(made_up)
    written = made_up.store.get_json(made_up.run.ledger)
    assert written["outcome"] == "failed"
    assert written["unexplained"] == 1
    assert written["batches"][batch]["topics"]["transactions"]["unexplained"] == 1


def test_a_row_too_many_does_not_make_up_for_a_lost_one(made_up: MadeUpRun) -> None:
    key = made_up.run.stream.table_file("predictions", 1)
    frame = _parquet(made_up, key)
    moved = frame["batch_index"].to_pylist()
    moved[0] += 1
    place = frame.column_names.index("batch_index")
    _put(made_up, key, frame.set_column(place, "batch_index", [moved]))
    with pytest.raises(RunFailed, match="unexplained rows: 2"):
        count(made_up)


def test_a_reason_that_a_used_topic_cannot_have_explains_nothing(made_up: MadeUpRun) -> None:
    made_up.reject(made_up.records("browsing")[0], "duplicate", 0, row=0)
    made_up.work("browsing", 0, -1)
    made_up.commit(25)
    with pytest.raises(RunFailed, match="unexplained rows: 1, the first in batch 0"):
        count(made_up)


def test_a_message_that_kafka_lost_is_found(made_up: MadeUpRun) -> None:
    del made_up.records("transactions")[23]
    with pytest.raises(RunFailed, match="transactions: messages sent and in Kafka: 24 and 23"):
        count(made_up)


def test_a_prediction_that_was_not_published_is_found(made_up: MadeUpRun) -> None:
    made_up.records("predictions").pop()
    with pytest.raises(RunFailed, match="predictions: rows in the table and on the topic"):
        count(made_up)


def test_rows_that_spark_dropped_by_itself_fail_the_run(made_up: MadeUpRun) -> None:
    made_up.commit(25, dropped_by_watermark=4)
    with pytest.raises(RunFailed, match="watermark, and expected: 4 and 0"):
        count(made_up)


def test_a_producer_that_lost_count_is_found(made_up: MadeUpRun) -> None:
    manifest = made_up.store.get_json(made_up.run.manifest)
    manifest["rows"]["browsing"] -= 1
    made_up.store.put_json(made_up.run.manifest, manifest)
    with pytest.raises(RunFailed, match="browsing: rows in the manifest"):
        count(made_up)


def test_foreign_messages_are_counted_apart() -> None:
    made_up = MadeUpRun(batches=24)
    made_up.reject(_insert_foreign(made_up), "foreign", None)
    made_up.commit(25)
    # Streams may share the topic: another one has met a foreign message at the same place of its own.
    published = made_up.records("rejected")
    others = replace(published[-1], raw_headers=[(WRITER, b"ecommerce_fraud.other.scorer")])
    made_up.topics[others.topic].append(replace(others, offset=len(published)))
    # And whoever may write to it may write anything.
    made_up.topics[others.topic].append(replace(others, offset=len(published) + 1, value=b"not json"))
    ledger = count(made_up)
    assert ledger.foreign == 1
    assert ledger.unexplained == 0
    assert ledger.totals["transactions"].produced == ledger.totals["transactions"].in_kafka


def test_a_foreign_message_that_nobody_recorded_is_found(made_up: MadeUpRun) -> None:
    _insert_foreign(made_up)
    with pytest.raises(RunFailed, match=r"foreign messages in Kafka .*: 1 and 0"):
        count(made_up)


def test_a_message_sent_twice_is_foreign_the_second_time(made_up: MadeUpRun) -> None:
    records = made_up.records("transactions")
    again = replace(records[2], offset=1)
    made_up.topics[again.topic].append(again)
    made_up.reject(again, "foreign", None)
    made_up.commit(25)
    ledger = count(made_up)
    assert ledger.foreign == 1
    assert ledger.totals["transactions"].in_kafka == ledger.totals["transactions"].produced


def test_redriven_rows_are_counted_apart_from_what_was_produced(made_up: MadeUpRun) -> None:
    before = count(made_up).totals["transactions"]
    made_up.send("transactions", Headers(made_up.run.id, LATE_BATCH, 25, 1, Kind.REDRIVE, 1))
    made_up.score(LATE_BATCH, "T-redriven", sequence=25)
    made_up.commit(26)
    after = count(made_up).totals["transactions"]
    assert after.redriven == 1
    assert after.worked == before.worked + 1
    assert after.produced == before.produced
    assert after.unexplained == 0


def test_redriven_rows_that_no_scorer_took_yet_only_wait(made_up: MadeUpRun) -> None:
    made_up.send("transactions", Headers(made_up.run.id, LATE_BATCH, 25, 1, Kind.REDRIVE, 3))
    ledger = count(made_up)
    assert ledger.waiting == 3
    assert ledger.totals["transactions"].redriven == 0


def test_output_topics_are_read_from_where_the_scorer_had_published_up_to_before_the_run() -> None:
    first = MadeUpRun(batches=16)
    names = ("predictions", "rejected")
    published = {first.run.stream.topic(name): {0: len(first.records(name))} for name in names}
    second = _later(first)
    store = cast(ObjectStore, second.store)
    stream = second.run.stream
    entries = read_entries(stream, store, second.first_sequence)
    found = read_commits(stream, store, entries, second.first_sequence).published
    assert offsets_from_json(found) == published
    assert min(ends[0] for ends in published.values()) > 0
    assert count(second).ok
    assert offsets_from_json(read_commits(stream, store, read_entries(stream, store)).published) == {}


def test_two_runs_on_one_stream_have_each_their_own_rows() -> None:
    first = MadeUpRun(batches=16)
    second = _later(first)
    ledger = count(second)
    assert len(ledger.batches) == 24
    assert ledger.totals["transactions"].worked == second.counts["scored"]
    assert _parquet(second, second.run.table_file("predictions")).num_rows == second.counts["scored"]
    assert ledger.batches.sequence.tolist() == list(range(17, 41))
    earlier = count(first)
    assert earlier.totals["transactions"].worked == first.counts["scored"]
    assert _parquet(first, first.run.table_file("rejected")).num_rows < first.counts["late"]


def test_latency_is_from_the_append_to_the_commit(made_up: MadeUpRun) -> None:
    count(made_up)
    lines = _parquet(made_up, made_up.run.latency).to_pylist()
    assert len(lines) == 22
    for line in lines:
        assert line["seconds"] == (line["committed_at"] - line["appended_at"]).total_seconds() > 0
    micro_batches = _parquet(made_up, made_up.run.micro_batches)
    assert sum(micro_batches["scored"].to_pylist()) == made_up.counts["scored"]
    assert micro_batches["state_bytes"].to_pylist()[:2] == [1_000, 2_000]
    assert sum(micro_batches["used"].to_pylist()) == made_up.counts["used"]


def test_a_run_from_before_there_were_parts_of_counts_is_read_as_well(made_up: MadeUpRun) -> None:
    expected = count(made_up).to_dict()
    parts = [pq.read_table(io.BytesIO(made_up.store.get(key))) for key in _parts(made_up)]
    assert len(parts) == 2
    for key in _parts(made_up):
        made_up.store.delete(key)
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables(parts), buffer)
    made_up.store.put(made_up.run.produced_whole, buffer.getvalue())
    assert count(made_up).to_dict() == expected


@pytest.mark.parametrize("lost", [0, 1])
def test_a_part_of_the_counts_that_is_lost_is_found(made_up: MadeUpRun, lost: int) -> None:
    made_up.store.delete(_parts(made_up)[lost])
    with pytest.raises(RunFailed):
        count(made_up)


@pytest.mark.parametrize("missing", ["plan", "manifest", "produced"])
def test_a_replay_that_did_not_end_is_named(made_up: MadeUpRun, missing: str) -> None:
    prefix = f"{made_up.run.bundle}/replay/{missing}"
    for name in [name for name in made_up.store.objects if name.startswith(prefix)]:
        del made_up.store.objects[name]
    with pytest.raises(RunFailed, match=f"{missing}.* is missing; clear the task `replay`"):
        count(made_up)


def test_a_scorer_that_committed_nothing_is_named(made_up: MadeUpRun) -> None:
    for key in made_up.store.list(made_up.run.stream.commits):
        made_up.store.delete(key)
    with pytest.raises(RunFailed, match="committed nothing"):
        count(made_up)


def _insert_foreign(made_up: MadeUpRun) -> Record:
    """A message without headers in front of the flush."""
    records = made_up.records("transactions")
    flush = records[-1]
    offset = flush.offset
    records[-1] = replace(flush, offset=offset + 1)
    foreign = replace(flush, raw_headers=[], value=b"hello", offset=offset)
    records.insert(-1, foreign)
    manifest = made_up.store.get_json(made_up.run.manifest)
    manifest["offsets"]["transactions"][str(flush.partition)] += 1
    made_up.store.put_json(made_up.run.manifest, manifest)
    return foreign


def test_a_ledger_of_very_many_batches_sums_them_up_by_the_line(
    made_up: MadeUpRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = count(made_up)
    monkeypatch.setattr(values, "_MOST_LINES", 5)
    told = whole.to_dict()
    lines = told["batches"]
    assert isinstance(lines, list)
    assert (told["batch_count"], told["batches_per_line"]) == (24, 10)
    assert [line["batch_index"] for line in lines] == [0, 10, 20]
    for topic, total in whole.totals.items():
        for name, rows in total.to_dict().items():
            assert sum(line["topics"][topic][name] for line in lines) == rows
    assert sum(line["success_payments"] for line in lines) == whole.facts["success_payments"] > 0
    assert _parquet(made_up, made_up.run.ledger_table).num_rows == 48


def sent(rows: dict[str, Any]) -> Sent:
    """Batches 0, 1, 2, ... and one flush."""
    index = np.arange(len(next(iter(rows.values()))))
    totals = {topic: int(counts.sum()) for topic, counts in rows.items()}
    return Sent(index, index, index, rows, {}, 1, len(index), totals)


def tallied(pairs: dict[Any, Iterable[tuple[int, int]]]) -> Any:
    """Tallies by topic, or by topic and reason, from pairs of batch and rows."""
    found: Any = defaultdict(Tally)
    for key, counts in pairs.items():
        for batch, rows in counts:
            found[key].add(batch, rows)
    return found


def test_rows_of_a_batch_that_nobody_sent_are_unexplained_in_a_line_of_their_own(made_up: MadeUpRun) -> None:
    made_up.work("browsing", 70, 2)
    made_up.work("browsing", 66, 3)
    made_up.commit(25)
    with pytest.raises(RunFailed, match="unexplained rows: 5, the first in batch 66"):
        count(made_up)
    *_, first, second = made_up.store.get_json(made_up.run.ledger)["batches"]
    assert [(line["batch_index"], line["sequence"], line["ts"]) for line in (first, second)] == [
        (66, -1, 0),
        (70, -1, 0),
    ]
    assert [line["topics"]["browsing"]["unexplained"] for line in (first, second)] == [-3, -2]
    assert "success_payments" not in first


@given(st.lists(st.tuples(st.integers(-3, 12), st.integers(0, 9))), st.sets(st.integers(0, 9)))
def test_a_tally_is_the_sum_of_its_pairs(pairs: list[tuple[int, int]], index: set[int]) -> None:
    expected: Counter[int] = Counter()
    for batch, rows in pairs:
        expected[batch] += rows
    tally = tallied({"t": pairs})["t"]
    assert tally.total == sum(expected.values())
    assert tally.per_batch(np.array(sorted(index), np.int64)).tolist() == [expected[i] for i in sorted(index)]
    assert tally.others(np.array(sorted(index), np.int64)) == set(expected) - index


def test_a_batch_takes_less_than_200_bytes_of_the_ledgers_memory() -> None:
    count, pipeline = 200_000, card_fraud.PIPELINE
    ones = ((batch, 1) for batch in range(count))
    run = Run(Stream(pipeline.name, "s"), "r")
    tracemalloc.start()
    try:
        held = Held(rows=tallied({"transactions": ones}), messages=Counter(transactions=count))
        worked = tallied({"transactions": ((batch, 1) for batch in range(5, count))})
        rejected = tallied({("transactions", "late"): ((batch, 1) for batch in range(5))})
        kept = Kept(worked, rejected, examples={("transactions", "late"): "90 s behind"})
        ledger = account(run, pipeline, sent({"transactions": np.ones(count, int)}), {"": (held, kept)})
        told = ledger.to_dict()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (told["unexplained"], told["batch_count"], told["batches_per_line"]) == (0, count, 100)
    assert ledger.totals["transactions"].worked == count - 5
    assert peak / count < 200


def ledger_of(
    pipeline: Pipeline = clickstream_anomaly.PIPELINE,
    *,
    used: int,
    rejected: dict[str, int],
    produced: int = 3_000,
    redriven: int = 0,
) -> values.Ledger:
    """Of a run of one batch of events."""
    held = Held(
        rows=tallied({"events": [(0, produced)]}),
        redriven=tallied({"events": [(0, redriven)]}),
        messages=Counter(events=1),
        flushes=Counter(events=1),
    )
    kept = Kept(
        worked=tallied({"events": [(0, used)]}),
        rejected=tallied({("events", reason): [(0, rows)] for reason, rows in rejected.items()}),
        examples={("events", reason): f"an example of {reason}" for reason in rejected},
    )
    batches = sent({"events": np.array([produced])})
    return account(Run(Stream(pipeline.name, "s"), "r"), pipeline, batches, {"": (held, kept)})


@pytest.mark.parametrize(
    ("role", "worked_as", "explained"),
    [
        (Role.CONTEXT, "used", {"malformed", "late"}),
        (Role.COUNTED, "used", {"malformed", "late", "unscorable", "duplicate"}),
        (Role.SCORED, "scored", {"malformed", "late", "unscorable", "duplicate"}),
        (Role.STORED, "stored", {"malformed"}),
    ],
)
@pytest.mark.parametrize("reason", ["malformed", "late", "unscorable", "duplicate"])
def test_what_explains_a_row_that_is_missing_follows_from_the_inputs_role(
    role: Role, worked_as: str, explained: set[str], reason: str
) -> None:
    [stage] = clickstream_anomaly.PIPELINE.stages
    stage = replace(stage, reads=(Input(Topic("events", 1), role),))
    pipeline = replace(clickstream_anomaly.PIPELINE, stages=(stage,))
    found = ledger_of(pipeline, used=7, rejected={reason: 3}, produced=10)
    assert found.unexplained == (0 if reason in explained else 3)
    line = found.to_dict()["totals"]["events"]
    assert line[worked_as] == 7
    assert set(line) == {"produced", "in_kafka", "redriven", worked_as, "unexplained", *explained}


def test_a_run_that_could_use_no_row_of_a_topic_fails_and_says_most_often_why() -> None:
    found = ledger_of(used=0, rejected={"late": 1, "malformed": 2_990, "duplicate": 9})
    assert found.problem() == (
        "check the dataset: all 3,000 rows of events were rejected, most often as malformed (2,990), "
        "e.g. an example of malformed"
    )
    told = found.to_dict()
    assert (told["outcome"], told["problem"], told["unexplained"]) == ("failed", found.problem(), 0)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "duplicate",
            "take another stream, because an earlier run of this one scored or counted these rows: "
            "all 3,000 rows of events were rejected, most often as duplicate (2,999), "
            "e.g. an example of duplicate",
        ),
        (
            "late",
            "raise `lateness_s`, or delay fewer batches with `late`: "
            "all 3,000 rows of events were rejected, most often as late (2,999), e.g. an example of late",
        ),
    ],
)
def test_where_the_dataset_is_not_to_blame_for_a_run_without_usable_rows_another_remedy_is_named(
    reason: str, said: str
) -> None:
    assert ledger_of(used=0, rejected={"malformed": 1, reason: 2_999}).problem() == said


def test_a_run_that_could_use_one_row_does_not_fail_but_tells_the_share() -> None:
    told = ledger_of(used=1, rejected={"late": 2_998, "malformed": 1}).to_dict()
    assert (told["outcome"], told["problem"]) == ("success", "")
    assert told["set_aside"] == {
        "events": {
            "rows": 2_999,
            "share": 2_999 / 3_000,
            "sentence": "2,999 of 3,000 rows of events were rejected, most often as late (2,998), "
            "e.g. an example of late",
        }
    }


def test_a_run_that_lost_nothing_or_had_nothing_to_send_sets_nothing_aside() -> None:
    for produced in (0, 3_000):
        told = ledger_of(produced=produced, used=produced, rejected={}).to_dict()
        assert (told["outcome"], told["set_aside"]) == ("success", {})


def test_rows_that_came_in_when_they_were_put_back_count_as_used() -> None:
    mended = ledger_of(used=3_000, rejected={"malformed": 3_000}, redriven=3_000).to_dict()
    assert (mended["outcome"], mended["set_aside"]) == ("success", {})
    again = ledger_of(used=2_990, rejected={"malformed": 20}, redriven=10).to_dict()
    assert again["set_aside"]["events"]["rows"] == 10  # type: ignore[index]


def test_the_reconciliation_writes_what_it_found_before_it_fails(made_up: MadeUpRun) -> None:
    lost: Counter[int] = Counter()
    for key in made_up.store.list(made_up.run.stream.table("predictions")):
        frame = _parquet(made_up, key)
        lost.update(frame["batch_index"].to_pylist())
        _put(made_up, key, frame.slice(0, 0))
    made_up.records("predictions").clear()
    for record in made_up.records("transactions"):
        if record.headers and lost[record.headers.batch]:
            made_up.reject(
                record, "unscorable", record.headers.batch, lost[record.headers.batch], detail="score is NaN"
            )
    made_up.commit(25)
    with pytest.raises(
        RunFailed, match=r"^check the dataset: all \d+ rows of transactions .* as unscorable .*<b>x</b>"
    ):
        count(made_up)
    told = made_up.store.get_json(made_up.run.ledger)
    assert (told["outcome"], told["unexplained"]) == ("failed", 0)
    assert _parquet(made_up, made_up.run.table_file("rejected")).num_rows > 20
    assert _parquet(made_up, made_up.run.latency).num_rows > 10


def _parts(made_up: MadeUpRun) -> list[ObjectKey]:
    return made_up.store.list(made_up.run.produced)


def _parquet(made_up: MadeUpRun, key: ObjectKey) -> pq.ParquetFile:
    return pq.read_table(io.BytesIO(made_up.store.objects[str(key)]))


def _put(made_up: MadeUpRun, key: ObjectKey, frame: pq.ParquetFile) -> None:
    buffer = io.BytesIO()
    pq.write_table(frame, buffer)
    made_up.store.put(key, buffer.getvalue())


def _later(first: MadeUpRun) -> MadeUpRun:
    """Another run on the stream, behind one of 16 batches and their flush."""
    run = Run(first.run.stream, "manual__later")
    return MadeUpRun(batches=24, first_sequence=17, run=run, store=first.store, topics=first.topics)
