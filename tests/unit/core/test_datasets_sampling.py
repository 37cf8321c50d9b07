"""What a check says of a live file's values before the run, and that a run then finds what was said."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamweir import datagen
from streamweir.contracts.card_fraud.dataset import FILE
from streamweir.contracts.clickstream_anomaly.dataset import CLICKSTREAM, CLICKSTREAM_COLUMNS, INCIDENTS
from streamweir.contracts.ecommerce_fraud import dataset
from streamweir.datasets.checks import Wishes, check
from streamweir.datasets.sampling import ALL_UP_TO, THEN_EVERY
from streamweir.datasets.store import ensure
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.progress import no_progress
from streamweir.replay.batches import source_of
from tests.support.card_files import at, write_cards
from tests.support.file_store import FileStore
from tests.support.recordings import write_recording

SOUND = "2024-03-01T00:00:00Z"
MS, SECONDS = "1709251200500", "1709251201"
NO_TIME = "'soon' is not a time like 2024-01-01 00:20:54.302"
EVENTS = ("page_view", "checkout_start", "checkout_complete", "purchase")


def write_events(folder: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    usual = {"timestamp": SOUND, "session_id": "s", "event_type": "page_view"}
    with (folder / CLICKSTREAM).open("w", newline="") as file:
        out = csv.DictWriter(file, CLICKSTREAM_COLUMNS)
        out.writeheader()
        out.writerows({"event_id": str(number), **usual, **row} for number, row in enumerate(rows))
    return folder


def change(path: Path, line: int, column: str, value: str) -> None:
    """Put a value into a column; line: of the file, 0 for all lines behind the header."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    place = rows[0].index(column)
    for row in rows[1:] if line == 0 else [rows[line - 1]]:
        row[place] = value
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Any:
    def of(pipeline: str, folder: Path, **wishes: Any) -> list[str]:
        caplog.clear()
        check(pipeline, folder, needs_history=False, wishes=Wishes(**wishes))
        return [record.getMessage() for record in caplog.records]

    return of


def refused(pipeline: str, folder: Path) -> str:
    with pytest.raises(DatasetUnusable) as caught:
        check(pipeline, folder, needs_history=False)
    return str(caught.value)


def test_a_column_that_can_be_read_in_part_is_warned_about_with_share_line_and_example(
    tmp_path: Path, warned: Any
) -> None:
    times = [SOUND, "soon", SOUND, "never", *[SOUND] * 196]
    rows = [{"timestamp": time, "event_type": EVENTS[n % 4]} for n, time in enumerate(times)]
    assert warned("clickstream_anomaly", write_events(tmp_path, rows)) == [
        f"{tmp_path / CLICKSTREAM} line 3, column timestamp: {NO_TIME}; 2 of 200 values that were tried "
        "(1 %) cannot be read: such rows will be rejected"
    ]


def test_a_column_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    write_events(tmp_path, [{"timestamp": time} for time in ("soon", "", "2019-10-01 00:00:01 XYZ")])
    assert refused("clickstream_anomaly", tmp_path) == (
        f"{tmp_path / CLICKSTREAM} line 2, column timestamp: {NO_TIME}; 3 of 3 values that were tried "
        "(100 %) cannot be read, so that no row could be used: mend the column"
    )


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("Time", "noon", "'noon' is not a decimal number"),
        ("Time", "2e9", "'2e9' is more than 1,000,000,000 seconds away from the start"),
        ("V28", "1,5", "'1,5' is not a decimal number"),
        ("Amount", "", "'' is not a decimal number"),
        ("Class", "perhaps", "'perhaps' is not a label like 1 or 0"),
    ],
)
def test_a_card_column_is_tried_as_the_stream_reads_it(
    tmp_path: Path, warned: Any, column: str, value: str, problem: str
) -> None:
    write_cards(tmp_path, [*at("0", "1"), {column: value}, *at("3")])
    (sentence,) = warned("card_fraud", tmp_path)
    assert sentence.startswith(f"{tmp_path / FILE} line 4, column {column}: {problem}")
    assert "1 of 4 values that were tried (25 %)" in sentence


@pytest.mark.parametrize(("column", "value"), [("Time", "noon"), ("V28", "1,5"), ("Class", "perhaps")])
def test_a_card_column_of_which_nothing_can_be_read_is_refused(
    tmp_path: Path, column: str, value: str
) -> None:
    change(write_cards(tmp_path, at("0", "1")) / FILE, 0, column, value)
    where = f"{tmp_path / FILE} line 2, column {column}: '{value}' is not a"
    assert refused("card_fraud", tmp_path).startswith(where)


def test_card_times_since_the_epoch_can_be_read_when_all_are_in_one_unit(tmp_path: Path, warned: Any) -> None:
    assert warned("card_fraud", write_cards(tmp_path, at("1709251200", "1709251300"))) == []
    write_cards(tmp_path, at(SECONDS, MS))
    assert refused("card_fraud", tmp_path).startswith(
        f"{tmp_path / FILE} line 2, column Time: '{SECONDS}' is more than 1,000,000,000 seconds away "
        "from the start, and most are not in seconds since the epoch; 2 of 2 values"
    )
    (sentence,) = warned("card_fraud", write_cards(tmp_path, at("5", "7", MS)))
    assert f"line 4, column Time: '{MS}' is more than 1,000,000,000 seconds away" in sentence


@pytest.mark.parametrize("odd", ["0", "1e18", MS, "-1"])
def test_an_odd_card_time_among_times_since_the_epoch_is_named_whichever_row_it_is(
    tmp_path: Path, warned: Any, odd: str
) -> None:
    (sentence,) = warned("card_fraud", write_cards(tmp_path, at(odd, SECONDS, SECONDS)))
    assert sentence.startswith(
        f"{tmp_path / FILE} line 2, column Time: '{odd}' is not in seconds since the epoch, as most are; "
        "1 of 3 values that were tried"
    )


@pytest.mark.parametrize(
    ("file", "column", "value", "problem"),
    [
        (dataset.BROWSING, "event_time", "soon", NO_TIME),
        (dataset.BROWSING, "session_id", "", "the value is empty, and it is a key"),
        (dataset.BROWSING, "event_type", "", "the value is empty, and it is a key"),
        (dataset.TRANSACTIONS, "created_at", "soon", NO_TIME),
        (dataset.TRANSACTIONS, "transaction_id", "", "the value is empty, and it is a key"),
        (dataset.TRANSACTIONS, "customer_id", "x9", "'x9' is not in customer.csv"),
        (dataset.TRANSACTIONS, "product_metadata", "none", "'none' is not a list of products"),
        (dataset.TRANSACTIONS, "promo_amount", "", "'' is not a decimal number"),
        (dataset.TRANSACTIONS, "shipment_location_long", "NaN", "'NaN' is not a decimal number"),
        (dataset.TRANSACTIONS, "total_amount", "1_0", "'1_0' is not a decimal number"),
    ],
)
def test_a_shops_column_is_tried_as_the_stream_reads_it(
    tmp_path: Path, warned: Any, file: dataset.File, column: str, value: str, problem: str
) -> None:
    path = write_recording(tmp_path, 30) / file.name
    assert warned("ecommerce_fraud", tmp_path) == []
    change(path, 5, column, value)
    (sentence,) = warned("ecommerce_fraud", tmp_path)
    assert sentence.startswith(f"{path} line 5, column {column}: {problem}; 1 of ")
    change(path, 0, column, value)
    assert refused("ecommerce_fraud", tmp_path).startswith(f"{path} line 2, column {column}: {problem}; ")


def test_a_value_that_a_short_row_lacks_cannot_be_read(tmp_path: Path, warned: Any) -> None:
    path = write_recording(tmp_path, 30) / dataset.BROWSING.name
    path.write_text(path.read_text() + "s1,HP\n")
    (sentence,) = warned("ecommerce_fraud", tmp_path)
    assert "line 32, column event_time: the row is too short; 1 of 31 values" in sentence


def test_of_a_long_file_every_row_is_tried_at_first_and_then_each_hundredth(
    tmp_path: Path, warned: Any
) -> None:
    assert (ALL_UP_TO, THEN_EVERY) == (100_000, 100)
    with (tmp_path / CLICKSTREAM).open("w") as file:
        file.write(",".join(CLICKSTREAM_COLUMNS) + "\n")
        for number in range(1, 100_401):
            time = "soon" if number in (100_000, 100_001, 100_200) else SOUND
            file.write(f"{number},{time},s,,{EVENTS[number % 4]},/,\n")
    (sentence,) = warned("clickstream_anomaly", tmp_path)
    assert "line 100001, column timestamp" in sentence
    assert "2 of 100,004 values that were tried (0.002 %)" in sentence


@pytest.mark.parametrize(("first", "then"), [(MS, SECONDS), (SECONDS, MS), (SECONDS, SECONDS + "000000")])
def test_a_time_column_in_two_units_since_the_epoch_is_refused_with_both_lines(
    tmp_path: Path, first: str, then: str
) -> None:
    write_events(tmp_path, [{"timestamp": time} for time in (SOUND, "soon", first, first, then)])
    units = {10: "seconds", 13: "milliseconds", 16: "microseconds"}
    assert refused("clickstream_anomaly", tmp_path) == (
        f"{tmp_path / CLICKSTREAM} line 6, column timestamp: '{then}' is in {units[len(then)]} since the "
        f"epoch, but line 4 is in {units[len(first)]}; write all in one unit"
    )


def test_one_unit_since_the_epoch_may_stand_beside_times_of_the_calendar(tmp_path: Path, warned: Any) -> None:
    rows = [
        {"timestamp": time, "event_type": event} for time, event in zip([SOUND, MS] * 2, EVENTS, strict=True)
    ]
    assert warned("clickstream_anomaly", write_events(tmp_path, rows)) == []


@pytest.mark.parametrize(
    ("file", "column"), [(dataset.BROWSING, "event_time"), (dataset.TRANSACTIONS, "created_at")]
)
def test_a_shops_times_must_be_in_one_unit_as_well(tmp_path: Path, file: dataset.File, column: str) -> None:
    path = write_recording(tmp_path, 30) / file.name
    change(path, 4, column, MS)
    change(path, 7, column, SECONDS)
    sentence = refused("ecommerce_fraud", tmp_path)
    assert sentence.startswith(f"{path} line 7, column {column}: '{SECONDS}' is in seconds since the epoch")


def test_the_times_of_history_and_incidents_must_be_in_one_unit_as_well(tmp_path: Path) -> None:
    first = "line 2 is in seconds; write all in one unit"
    write_events(tmp_path, [{}])
    path = tmp_path / INCIDENTS
    path.write_text(f"kind,start,end\noutage,1709251200,{SECONDS}\noutage,1709251200,{MS}\n")
    problem = f"'{MS}' is in milliseconds since the epoch, but {first}"
    assert refused("clickstream_anomaly", tmp_path) == f"{path} line 3, column end: {problem}"
    datagen.generator("ecommerce_fraud")(
        tmp_path, seed=5, progress=no_progress, batches=2, history_batches=10
    )
    path = tmp_path / dataset.BROWSING_HISTORY.name
    change(path, 2, "event_time", SECONDS)
    change(path, 4, "event_time", MS)
    assert refused("ecommerce_fraud", tmp_path) == f"{path} line 4, column event_time: {problem}"


def test_counted_event_types_that_never_come_are_named_with_those_that_do_and_the_remedy(
    tmp_path: Path, warned: Any
) -> None:
    types = ["view"] * 5 + ["cart"] * 3 + ["purchase"] * 2 + [f"rare{n}" for n in range(20)]
    folder = write_events(tmp_path, [{"event_type": name} for name in types])
    (sentence,) = warned("clickstream_anomaly", folder)
    rare = ", ".join(f"'rare{n}' (1)" for n in range(9))
    assert sentence == (
        f"{folder / CLICKSTREAM} column event_type: no event is a page_view or checkout_start or "
        f"checkout_complete; found: 'view' (5), 'cart' (3), 'purchase' (2), {rare}. "
        "Where one of these means the same, say so like this: event_types=view:page_view,cart:checkout_start"
    )
    said = "view:page_view,cart:checkout_start"
    (sentence,) = warned("clickstream_anomaly", folder, event_types=said)
    assert "no event is a checkout_complete; found: 'view' (5)" in sentence
    assert warned("clickstream_anomaly", folder, event_types=f"{said},rare0:checkout_complete") == []
    with pytest.raises(BadConfiguration, match="rare0:nothing"):
        warned("clickstream_anomaly", folder, event_types="rare0:nothing")


@pytest.fixture
def unsorted(tmp_path: Path) -> Path:
    change(write_recording(tmp_path, 30) / dataset.BROWSING.name, 9, "event_time", "2023-01-01 00:00:00")
    return tmp_path


UNSORTED = (
    "line 9: column event_time lies before an earlier row's, so the file is not sorted by time; sort it, or "
    "allow it with unsorted_ok (file order)"
)


def test_an_unsorted_file_is_refused_by_the_check_in_the_replays_words(unsorted: Path) -> None:
    sentence = refused("ecommerce_fraud", unsorted)
    assert sentence == f"{unsorted / dataset.BROWSING.name} {UNSORTED}"
    with pytest.raises(DatasetUnusable) as caught:
        source_of("ecommerce_fraud").recording(unsorted)
    assert str(caught.value) == sentence


def test_an_unsorted_file_that_is_allowed_is_warned_about(unsorted: Path, warned: Any) -> None:
    (sentence,) = warned("ecommerce_fraud", unsorted, unsorted_ok=True)
    assert sentence.endswith("so the file is not sorted by time; it is replayed in file order")


def test_what_was_found_in_a_stored_dataset_is_judged_by_each_run_without_its_files(
    unsorted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, history = FileStore(), {"needs_history": False}
    stored = ensure(store, "ecommerce_fraud", str(unsorted), wishes=Wishes(unsorted_ok=True), **history)
    caplog.clear()
    with pytest.raises(DatasetUnusable) as caught:
        ensure(store, "ecommerce_fraud", stored.fingerprint, **history)
    where = f"dataset {stored.fingerprint}, {dataset.BROWSING.name}"
    assert str(caught.value) == f"{where} {UNSORTED}"
    again = ensure(store, "ecommerce_fraud", stored.fingerprint, wishes=Wishes(unsorted_ok=True), **history)
    assert again == stored
    assert [record.getMessage().startswith(f"{where} line 9") for record in caplog.records] == [True]
    assert store.downloads == []


def test_a_dataset_that_an_earlier_version_stored_is_read_and_its_findings_are_kept_when_it_is_checked(
    unsorted: Path,
) -> None:
    store, wishes = FileStore(), Wishes(unsorted_ok=True)
    stored = ensure(store, "ecommerce_fraud", str(unsorted), wishes=wishes, needs_history=False)
    described = stored.to_json()
    for file in described["files"]:
        del file["findings"]
    store.put_json(stored.root / "dataset.json", described)
    assert ensure(store, "ecommerce_fraud", stored.fingerprint, needs_history=False).files != stored.files
    uploads = list(store.uploads)
    assert ensure(store, "ecommerce_fraud", str(unsorted), wishes=wishes, needs_history=False) == stored
    assert store.uploads == uploads
    with pytest.raises(DatasetUnusable, match="unsorted_ok"):
        ensure(store, "ecommerce_fraud", stored.fingerprint, needs_history=False)


def test_a_generated_dataset_is_judged_by_each_runs_wishes_new_or_stored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, made = FileStore(), []
    for _ in range(2):
        wishes = Wishes(event_types="buy:purchase")
        made.append(ensure(store, "clickstream_anomaly", "", seed=1, wishes=wishes, batches=7 * 3600))
        with pytest.raises(BadConfiguration, match="buy:nothing"):
            ensure(
                store,
                "clickstream_anomaly",
                "",
                seed=1,
                wishes=Wishes(event_types="buy:nothing"),
                batches=7 * 3600,
            )
    assert made[0] == made[1]


ODD = st.sampled_from(
    ["", " ", "x", "0", "1.0", "-3", "1e400", SOUND, "2023-01-01", MS, SECONDS, 'a"\n,b', "\0", "é"]
)
ROWS = st.lists(st.lists(ODD, min_size=1, max_size=6), max_size=6)
LIVE = {
    "ecommerce_fraud": (dataset.BROWSING.name, ["event_time", "session_id", "event_type", "customer_id"]),
    "card_fraud": (FILE, ["Time", "V1", "Amount", "Class"]),
    "clickstream_anomaly": (CLICKSTREAM, ["timestamp", "event_id", "session_id", "event_type"]),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    made = {name: tmp_path_factory.mktemp(name) for name in LIVE}
    write_recording(made["ecommerce_fraud"], 9)
    write_cards(made["card_fraud"], at("5", "0"))
    write_events(made["clickstream_anomaly"], [{}])
    return made


@pytest.mark.parametrize("pipeline", LIVE)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, cut=st.integers(0, 40), unsorted_ok=st.booleans())
def test_what_the_check_approves_the_replay_accepts(
    sound: Mapping[str, Path], pipeline: str, rows: list[list[str]], cut: int, *, unsorted_ok: bool
) -> None:
    name, first = LIVE[pipeline]
    with TemporaryDirectory() as made:
        folder = Path(made)
        for file in sound[pipeline].iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        lines = (folder / name).read_text().splitlines(keepends=True)
        names = next(csv.reader(lines))
        ordered = [*first, *(other for other in names if other not in first)]
        with (folder / name).open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(ordered)
            writer.writerows(
                [row[names.index(column)] for column in ordered] for row in csv.reader(lines[1:])
            )
            writer.writerows(rows)
        with (folder / name).open("ab") as out:
            out.truncate(max(0, out.tell() - cut))
        try:
            (found,) = [
                file
                for file in check(pipeline, folder, needs_history=False, wishes=Wishes(unsorted_ok))
                if file.name == name
            ]
        except DatasetUnusable:
            return
        recording = source_of(pipeline).recording(folder, unsorted_ok=unsorted_ok)
        assert sum(1 for _ in recording.batches()) == len(recording.seconds)
        assert recording.rows == found.rows
