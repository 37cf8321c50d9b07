"""Which batch each row travels in: the specification's rule, by example and against a plain retelling."""

import csv
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.contracts.ecommerce_fraud import dataset
from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import (
    NOT_SENT,
    UNKNOWN,
    Batch,
    first_unsorted,
    place,
    span_ends,
    virtual_ts,
    with_predecessor,
)
from streamweir.replay.ecommerce_fraud import batches, facts, history_batches, recording

TIMES = st.lists(st.one_of(st.integers(0, 60), st.just(UNKNOWN)), min_size=1, max_size=40)


def write_browsing(folder: Path, times: Sequence[str], name: str = "new_browsing_behaviour.csv") -> None:
    with (folder / name).open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(column.name for column in dataset.BROWSING_COLUMNS)
        out.writerows([f"s{number}", "HP", time, "MOBILE", "", "7"] for number, time in enumerate(times))


def write_transactions(folder: Path, times: Sequence[str], name: str = "new_transactions.csv") -> None:
    names = [column.name for column in dataset.TRANSACTION_COLUMNS]
    with (folder / name).open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(names)
        for number, time in enumerate(times):
            status = "Success" if number % 2 == 0 else "Fail"
            row = {"created_at": time, "transaction_id": f"t{number}", "payment_status": status}
            out.writerow(row.get(column, "") for column in names)


def at(second: int) -> str:
    return f"2024-01-01 00:{second // 60:02d}:{second % 60:02d}.500"


def ids(found: Sequence[Batch]) -> list[tuple[list[str], list[str]]]:
    return [
        (
            [row["session_id"] for row in batch.rows["browsing"]],
            [row["transaction_id"] for row in batch.rows["transactions"]],
        )
        for batch in found
    ]


def test_transactions_go_with_the_span_they_lie_in_and_those_of_a_gap_with_the_span_after_it(
    tmp_path: Path,
) -> None:
    write_browsing(tmp_path, [at(second) for second in (10, 20, 40, 50)])
    write_transactions(tmp_path, [at(second) for second in (1, 20, 21, 39, 50, 51)])
    assert ids(list(batches(tmp_path, batch_rows=2))) == [
        (["s0", "s1"], ["t0", "t1"]),
        (["s2", "s3"], ["t2", "t3", "t4", "t5"]),
    ]


def test_with_a_limit_what_lies_after_the_last_span_is_not_sent(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(second) for second in (10, 20, 40, 50)])
    write_transactions(tmp_path, [at(second) for second in (1, 20, 21)])
    assert ids(list(batches(tmp_path, batch_rows=2, limit=1))) == [(["s0", "s1"], ["t0", "t1"])]


@pytest.mark.parametrize("limit", [2, 9])
def test_a_limit_that_cuts_nothing_off_sends_everything(tmp_path: Path, limit: int) -> None:
    write_browsing(tmp_path, [at(second) for second in (10, 20, 40, 50)])
    write_transactions(tmp_path, [at(59)])
    assert ids(list(batches(tmp_path, batch_rows=2, limit=limit)))[-1] == (["s2", "s3"], ["t0"])


def test_rows_without_a_readable_time_go_with_their_predecessor(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(10), "soon", at(30), "later"])
    write_transactions(tmp_path, ["?", at(15), "never", at(5), ""])
    assert ids(list(batches(tmp_path, batch_rows=2))) == [
        (["s0", "s1"], ["t0", "t3", "t4"]),
        (["s2", "s3"], ["t1", "t2"]),
    ]


def test_transactions_need_not_be_sorted_and_keep_file_order_within_a_batch(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(10), at(20)])
    write_transactions(tmp_path, [at(19), at(9), at(18), at(8)])
    assert ids(list(batches(tmp_path, batch_rows=1))) == [(["s0"], ["t1", "t3"]), (["s1"], ["t0", "t2"])]


def test_rows_keep_their_original_strings_and_paid_transactions_are_counted(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(10)])
    write_transactions(tmp_path, [at(1), at(2), at(3)])
    (batch,) = batches(tmp_path)
    assert batch.rows["browsing"][0] == {
        "session_id": "s0",
        "event_type": "HP",
        "event_time": at(10),
        "traffic_source": "MOBILE",
        "device_type": "",
        "customer_id": "7",
    }
    assert facts(batch.rows, {}) == {"success_payments": 2}


def test_the_other_name_of_the_transactions_file_is_taken(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(10)])
    write_transactions(tmp_path, [at(1)], name="new_transaction.csv")
    assert ids(list(batches(tmp_path))) == [(["s0"], ["t0"])]


def test_an_unsorted_file_is_refused_with_its_first_offending_line_unless_allowed(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(10), at(30), "?", at(20), at(5)])
    write_transactions(tmp_path, [at(1), at(25)])
    with pytest.raises(DatasetUnusable, match=r"new_browsing_behaviour.csv line 5: column event_time"):
        batches(tmp_path)
    allowed = recording(tmp_path, batch_rows=2, unsorted_ok=True)
    assert allowed.finding is not None
    assert "line 5" in allowed.finding
    assert ids(list(allowed.batches())) == [(["s0", "s1"], ["t0", "t1"]), (["s2", "s3"], []), (["s4"], [])]


def test_what_lies_beyond_the_limit_may_be_unsorted(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(10), at(30), at(5)])
    write_transactions(tmp_path, [at(1)])
    assert recording(tmp_path, batch_rows=2, limit=1).finding is None


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    write_browsing(tmp_path, [])
    write_transactions(tmp_path, [at(1)])
    with pytest.raises(DatasetUnusable, match="holds no rows"):
        recording(tmp_path)


def test_history_is_sorted_before_it_is_batched(tmp_path: Path) -> None:
    with (tmp_path / "browsing_behaviour.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(column.name for column in dataset.BROWSING_HISTORY.columns)
        times = (at(40), "?", at(10), at(30), at(20))
        out.writerows([f"s{number}", "HP", time, "", ""] for number, time in enumerate(times))
    write_transactions(tmp_path, [at(25), at(5), at(41)], name="transactions.csv")
    assert ids(list(history_batches(tmp_path, batch_rows=2))) == [
        (["s2", "s4"], ["t1"]),
        (["s3", "s0"], ["t0"]),
        (["s1"], ["t2"]),
    ]


def retold(times: list[int], transactions: list[int], rows: int, complete: bool) -> list[int]:
    """The specification's sentences, one by one, for each transaction."""
    ends, largest = [], UNKNOWN
    for begin in range(0, len(times), rows):
        largest = max([largest, *times[begin : begin + rows]])
        ends.append(largest)
    placed: list[int] = []
    for time in transactions:
        if time == UNKNOWN:
            placed.append(placed[-1] if placed else 0)
            continue
        here = [k for k in range(len(ends)) if (k == 0 or time > ends[k - 1]) and time <= ends[k]]
        placed.append(here[0] if here else (len(ends) - 1 if complete else NOT_SENT))
    return placed


@given(times=TIMES, transactions=TIMES, rows=st.integers(1, 7), complete=st.booleans())
def test_placing_agrees_with_the_specification_retold(
    times: list[int], transactions: list[int], rows: int, complete: bool
) -> None:
    placed = list(place(transactions, span_ends(times, rows), complete=complete))
    assert placed == retold(times, transactions, rows, complete)


@given(TIMES)
def test_sorted_means_that_no_time_lies_before_an_earlier_one(times: list[int]) -> None:
    known = [time for time in times if time != UNKNOWN]
    found = first_unsorted(times)
    assert (found is None) == (known == sorted(known))
    if found is not None:
        assert times[found] < max(times[:found])
        assert first_unsorted(times[:found]) is None


def test_an_unknown_time_takes_its_predecessors() -> None:
    assert list(with_predecessor([UNKNOWN, 3, UNKNOWN, UNKNOWN, 1])) == [UNKNOWN, 3, 3, 3, 1]


def test_the_virtual_clock_counts_whole_seconds_from_its_start() -> None:
    assert [virtual_ts(1_700_000_000, second) for second in (0, 5.0, 9.99)] == [
        1_700_000_000,
        1_700_000_005,
        1_700_000_009,
    ]


def test_batches_follow_each_other_at_the_interval(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(second) for second in range(6)])
    write_transactions(tmp_path, [])
    found = recording(tmp_path, batch_rows=2)
    assert list(found.seconds) == [0, 1, 2]
    assert [batch.second for batch in found.batches()] == [0, 1, 2]


def test_a_transactions_file_that_cannot_be_read_is_refused_before_the_first_batch(tmp_path: Path) -> None:
    write_browsing(tmp_path, [at(10)])
    write_transactions(tmp_path, [at(1), f"{at(2)},too,many"])
    with (tmp_path / "new_transactions.csv").open("a") as file:
        file.write("," * 20 + "\n")
    with pytest.raises(DatasetUnusable, match=r"new_transactions.csv line 4: 21 values for 14 columns"):
        recording(tmp_path)


odd_times = st.integers(0, 90).map(at) | st.sampled_from(
    ["", "never", "2024-01-01", "\0", "2024-13-01 00:00:00"]
)


@given(st.lists(odd_times, min_size=1, max_size=30), st.lists(odd_times, max_size=30), st.integers(1, 7))
def test_every_row_is_sent_once_whatever_its_time_is(
    browsing: list[str], bought: list[str], batch_rows: int
) -> None:
    with TemporaryDirectory() as folder:
        write_browsing(Path(folder), browsing)
        write_transactions(Path(folder), bought)
        found = list(batches(Path(folder), batch_rows=batch_rows, unsorted_ok=True))
    seen = [row for batch in found for row in batch.rows["browsing"]]
    assert [(row["session_id"], row["event_time"]) for row in seen] == [
        (f"s{number}", time) for number, time in enumerate(browsing)
    ]
    assert [len(batch.rows["browsing"]) for batch in found[:-1]] == [batch_rows] * (len(found) - 1)
    sent = {row["transaction_id"]: row["created_at"] for batch in found for row in batch.rows["transactions"]}
    assert sent == {f"t{number}": time for number, time in enumerate(bought)}
    assert sum(len(batch.rows["transactions"]) for batch in found) == len(bought)
