"""The commit record: what it counts, and whose a window is."""

from typing import Any

import pyarrow as pa

from streamweir.arrow import arrow_schema
from streamweir.commits import BEGINNING, Commit
from streamweir.contracts.rejected import WORKED
from streamweir_spark import micro_batch
from streamweir_spark.micro_batch import SPANS_KEPT, owner

SECOND = 1_000_000


def line(kind: str, **fields: Any) -> dict[str, Any]:
    names = ("run", "batch_index", "sequence", "ts", "topic", "rows", "reason")
    return {"kind": kind, **dict.fromkeys(names), **fields}


def scored(*rows: tuple[str, int]) -> pa.Table:
    return pa.table(
        {
            "topic": pa.array(["transactions"] * len(rows), pa.string()),
            "run": pa.array([run for run, _ in rows], pa.string()),
            "batch_index": pa.array([ts for _, ts in rows], pa.int64()),
            "sequence": pa.array([ts + 100 for _, ts in rows], pa.int64()),
            "ts": pa.array([ts for _, ts in rows], pa.int64()),
            "appended_at": pa.array([ts * SECOND for _, ts in rows], pa.int64()),
        }
    )


def test_the_frontier_is_the_smallest_of_the_shards() -> None:
    lines = [line("frontier", sequence=7, ts=3), line("frontier", sequence=5, ts=2)]
    assert micro_batch.frontier(lines, BEGINNING) == (5, 2)


def test_without_a_frontier_the_stream_stands_where_it_stood() -> None:
    assert micro_batch.frontier([line("tally", rows=1)], Commit(3, next_sequence=9, max_ts=4)) == (9, 4)


def test_the_rows_that_shards_used_of_a_message_and_its_scored_rows_add_up() -> None:
    message = {"run": "r", "batch_index": 1, "sequence": 101, "topic": "browsing", "appended_at": 7}
    lines = [
        line("tally", **message, rows=3),
        line("tally", **message, rows=4),
        line("tally", **message | {"sequence": 102, "batch_index": 2}, rows=0),
        line("rejected", **message, rows=9, reason="late"),
    ]
    worked = micro_batch.worked(lines, scored(("r", 2), ("r", 1), ("r", 2)))
    assert [(row["topic"], row["sequence"], row["rows"]) for row in worked.to_pylist()] == [
        ("browsing", 101, 7),
        ("transactions", 102, 2),
        ("transactions", 101, 1),
    ]
    assert worked.schema.equals(arrow_schema(WORKED.columns))


def test_what_the_shards_closed_is_gathered() -> None:
    lines = [line("closed", values=(1, 2)), line("tally", rows=1), line("closed", values=(3, 4))]
    assert micro_batch.closed(lines) == [(1, 2), (3, 4)]


def test_foreign_messages_are_counted_apart() -> None:
    lines = [line("rejected", rows=1, reason=reason) for reason in ("foreign", "late", "foreign")]
    assert micro_batch.foreign(lines) == 2


def test_a_runs_span_grows_in_both_directions() -> None:
    first = micro_batch.spans([], [], scored(("a", 10), ("a", 12)))
    counted = [line("tally", run="a", sequence=150, ts=17, rows=3)]
    later = micro_batch.spans(first, counted, scored(("a", 9), ("a", 15), ("b", 99)))
    assert later == [["a", 9, 17], ["b", 99, 99]]


def test_only_the_latest_spans_are_kept_but_all_of_this_micro_batch() -> None:
    known = [[f"run {number}", number, number] for number in range(SPANS_KEPT + 5)]
    new = [(f"new {number}", 1000 + number) for number in range(SPANS_KEPT + 3)]
    kept = [run for run, *_ in micro_batch.spans(known, [], scored(*new))]
    assert kept == [run for run, *_ in known[5:]] + [run for run, _ in new]


def test_a_window_belongs_to_the_latest_run_that_it_meets() -> None:
    spans = [["a", 100, 200], ["b", 500, 600]]
    starts_and_ends = {(80, 100): None, (80, 101): "a", (150, 160): "a", (200, 230): "a", (201, 230): None}
    starts_and_ends |= {(400, 501): "b", (190, 501): "b", (600, 630): "b", (601, 630): None}
    found = {window: owner(spans, window[0] * SECOND, window[1] * SECOND) for window in starts_and_ends}
    assert found == starts_and_ends
