"""The replay of card transactions: their order, their places on the clock, what a message holds."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.contracts.card_fraud import PIPELINE
from streamweir.contracts.card_fraud.dataset import FILE, NUMBER_NAMES
from streamweir.contracts.messages import Headers
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.replay.card_fraud import Transactions, recording, value
from streamweir.replay.deliveries import deliveries
from streamweir.replay.plan import Plan
from tests.support.card_files import NAMES, at, write_cards
from tests.support.wire import messages

START = 1_700_000_000


def sent(folder: Path, limit: int | None = None) -> list[tuple[Headers | None, dict[str, Any]]]:
    plan = Plan("r1", PIPELINE.name, "s", "d", START, 1, 0, limit, 1, 0, {}, {}, "")
    found = deliveries(Transactions(folder, limit).batches(), plan, PIPELINE, value)
    carried = [message for delivery in found for message in messages(delivery, "r1")]
    return [(Headers.decode(message.headers), orjson.loads(message.value)) for message in carried]


def ids(folder: Path) -> list[int]:
    return [row["transaction_id"] for _, row in sent(folder)[:-1]]


def test_a_message_is_one_object_with_numbers_and_its_own_place_on_the_clock(tmp_path: Path) -> None:
    write_cards(tmp_path, [{"Time": "0"}, {"Time": "3661.25", "V3": "-1.5e-05", "Class": "1"}])
    (first, _), (second, row), (flush, nothing) = sent(tmp_path)
    assert first
    assert second
    assert flush
    assert (first.ts, second.ts, flush.ts) == (START, START + 3661, START + 3661 + PIPELINE.flush_after_s)
    assert (second.batch, second.sequence, second.rows, flush.rows) == (1, 1, 1, 0)
    assert list(row) == ["transaction_id", "event_time", *NAMES]
    assert (row["transaction_id"], row["Time"], row["V3"]) == (1, 3661.25, -1.5e-05)
    assert row["event_time"] == "2023-11-14T23:14:21.250000+00:00"
    assert row["Class"] == 1
    assert isinstance(row["Class"], int)
    assert nothing == {}


def test_transactions_go_in_the_order_of_time_and_keep_their_row_number(tmp_path: Path) -> None:
    write_cards(tmp_path, at("50", "7", "50", "7.5", "0"))
    assert ids(tmp_path) == [4, 1, 3, 0, 2]
    assert list(recording(tmp_path).seconds) == [0, 7, 7.5, 50, 50]


def test_a_sorted_file_is_sent_as_it_is(tmp_path: Path) -> None:
    write_cards(tmp_path, at("0", "0", "1", "9"))
    assert ids(tmp_path) == [0, 1, 2, 3]


def test_a_transaction_without_a_usable_time_follows_its_predecessor(tmp_path: Path) -> None:
    write_cards(tmp_path, at("soon", "30", "", "10", "1e300"))
    found = sent(tmp_path)[:-1]
    assert [row["transaction_id"] for _, row in found] == [3, 4, 0, 1, 2]
    assert [said.ts - START for said, _ in found if said] == [10, 10, 30, 30, 30]
    assert [row["event_time"] is None for _, row in found] == [False, True, True, False, True]
    assert [row["Time"] for _, row in found] == [10.0, 1e300, "soon", 30.0, ""]


EPOCH_TIMES = {
    "s": ("1569888001", "1569888004.5", "1569888000"),
    "ms": ("1569888001000", "1569888004500", "1.569888e12"),
    "us": ("1569888001000000", "1569888004500000.0", "1569888000000000"),
}


@pytest.mark.parametrize("unit", EPOCH_TIMES)
def test_times_since_the_epoch_count_from_the_smallest(tmp_path: Path, unit: str) -> None:
    write_cards(tmp_path, at(*EPOCH_TIMES[unit], "soon"))
    found = sent(tmp_path)[:-1]
    assert [row["transaction_id"] for _, row in found] == [2, 3, 0, 1]
    assert [said.ts - START for said, _ in found if said] == [0, 0, 1, 4]
    times = ["22:13:20+00:00", None, "22:13:21+00:00", "22:13:24.500000+00:00"]
    assert [row["event_time"] for _, row in found] == [time and f"2023-11-14T{time}" for time in times]
    assert found[3][1]["Time"] == float(EPOCH_TIMES[unit][1])


@pytest.mark.parametrize("unit", EPOCH_TIMES)
@pytest.mark.parametrize("odd", ["0", "-5", "1e18", "1e300", "99999999.5"])
def test_one_odd_time_takes_no_place_from_times_since_the_epoch(tmp_path: Path, unit: str, odd: str) -> None:
    write_cards(tmp_path, at(odd, *EPOCH_TIMES[unit], odd))
    found = sent(tmp_path)[:-1]
    assert [(row["transaction_id"], said.ts - START) for said, row in found if said] == [
        (3, 0),
        (4, 0),
        (0, 1),
        (1, 1),
        (2, 4),
    ]
    assert [row["transaction_id"] for _, row in found if row["event_time"] is None] == [4, 0]


@pytest.mark.parametrize("other", ["12", "99999999.5", "1569888001000", "-1"])
def test_times_of_which_no_more_than_half_are_since_the_epoch_in_one_unit_are_seconds(
    tmp_path: Path, other: str
) -> None:
    write_cards(tmp_path, at("1569888001", other, "7"))
    far = {"1569888001", "1569888001000"}
    nulls = {row["transaction_id"]: row["event_time"] is None for _, row in sent(tmp_path)[:-1]}
    assert nulls == {0: True, 1: other in far, 2: False}


@given(micros=st.lists(st.integers(10**14, 10**14 + 10**12), min_size=1, max_size=9))
def test_every_microsecond_of_a_time_since_the_epoch_is_kept(
    micros: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = write_cards(tmp_path_factory.mktemp("cards"), at(*map(str, micros)))
    start = datetime.fromtimestamp(START, UTC)
    expected = [start + timedelta(microseconds=time - min(micros)) for time in sorted(micros)]
    assert [datetime.fromisoformat(row["event_time"]) for _, row in sent(folder)[:-1]] == expected


@pytest.mark.parametrize("text", ["", "abc", "NaN", "inf", "1_0", " 1", "0x1", "1e999", "\u0661"])
def test_what_is_no_number_stays_the_files_text(tmp_path: Path, text: str) -> None:
    write_cards(tmp_path, [{"Time": "0", "V7": text, "Amount": "12.5"}])
    row = sent(tmp_path)[0][1]
    assert (row["V7"], row["Amount"], row["V8"]) == (text, 12.5, 0.5)


def test_a_class_beyond_64_bits_stays_a_number_and_is_none(tmp_path: Path) -> None:
    write_cards(tmp_path, [{"Time": "0", "Class": "1e20"}])
    assert sent(tmp_path)[0][1]["Class"] == 1e20


def test_a_short_row_lacks_its_last_fields_visibly(tmp_path: Path) -> None:
    path = write_cards(tmp_path, at("0", "1")) / FILE
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2].rpartition(",")[0]]) + "\n")
    assert sent(tmp_path)[1][1]["Class"] == ""


def test_further_columns_are_left_out_and_a_missing_class_stays_missing(tmp_path: Path) -> None:
    write_cards(tmp_path, [{"Time": "0", "Bank": "x"}], names=("Bank", *NUMBER_NAMES))
    assert list(sent(tmp_path)[0][1]) == ["transaction_id", "event_time", *NUMBER_NAMES]


def test_a_limit_takes_the_first_by_time(tmp_path: Path) -> None:
    write_cards(tmp_path, at("5", "1", "3"))
    assert [row.get("transaction_id") for _, row in sent(tmp_path, 2)] == [1, 2, None]
    assert recording(tmp_path, limit=2).rows == 2


def test_a_batch_of_several_rows_is_refused(tmp_path: Path) -> None:
    write_cards(tmp_path, at("0"))
    with pytest.raises(BadConfiguration, match="batch_rows is 2"):
        recording(tmp_path, batch_rows=2)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    write_cards(tmp_path, [])
    with pytest.raises(DatasetUnusable, match="holds no rows"):
        recording(tmp_path)


TIMES = st.one_of(st.integers(-50, 50).map(str), st.floats(0, 9).map(repr), st.sampled_from(["", "x"]))


@given(texts=st.lists(TIMES, min_size=1, max_size=30))
def test_every_row_is_sent_once_in_stable_order(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = write_cards(tmp_path_factory.mktemp("cards"), at(*texts))
    known: list[float] = []
    for text in texts:
        known.append(float(text) if text not in ("", "x") else known[-1] if known else math.nan)
    first = next((time for time in known if not math.isnan(time)), 0.0)
    times = [first if math.isnan(time) else time for time in known]
    assert ids(folder) == sorted(range(len(times)), key=times.__getitem__)
    assert [said.ts - START for said, _ in sent(folder)[:-1] if said] == list(map(math.floor, sorted(times)))
