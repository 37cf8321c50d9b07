"""The clickstream's dataset: what is generated, what is refused, and how it is cut into batches."""

import csv
import hashlib
import json
from bisect import bisect_left
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.contracts.clickstream_anomaly.dataset import (
    CLICKSTREAM,
    CLICKSTREAM_COLUMNS,
    Incident,
    counted_types,
)
from streamweir.datagen.clickstream_anomaly import generate
from streamweir.datasets.checks import check
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.liveplot.clickstream_anomaly import count
from streamweir.replay.batches import Label
from streamweir.replay.clickstream_anomaly import facts, recording
from streamweir.times import TimeReader

HOUR = 3600
micros = TimeReader()
DIGEST = "ef8cf26d85a8c34f60630666e7c4a0a1e35aa5afa5521603fe55d473fba4766a"
"""Of the files of seven hours from seed 42, as every Python and processor must write them."""


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(folder: Path, times: list[str], name: str = CLICKSTREAM) -> Path:
    with (folder / name).open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(CLICKSTREAM_COLUMNS)
        out.writerows([str(n), time, "s", "", "page_view", "/", "mobile"] for n, time in enumerate(times))
    return folder


def at(second: float) -> str:
    return f"2024-03-01T{int(second) // 3600:02d}:{int(second) // 60 % 60:02d}:{second % 60:06.3f}Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    generate(made, seed=3, batches=54 * HOUR)
    return made


@pytest.fixture(scope="module")
def events(folder: Path) -> list[dict[str, str]]:
    return read(folder / CLICKSTREAM)


@pytest.fixture(scope="module")
def times(events: list[dict[str, str]]) -> list[int]:
    return [micros(row["timestamp"]) for row in events]


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    digests = []
    for number, seed in enumerate((42, 42, 43)):
        made = tmp_path / str(number)
        generate(made, seed=seed, batches=7 * HOUR)
        files = sorted(made.iterdir())
        assert [file.name for file in files] == ["clickstream.csv", "incidents.csv"]
        digests.append(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())
    assert digests[0] == digests[1] == DIGEST
    assert digests[2] != DIGEST


def test_a_dataset_has_about_as_many_events_as_asked_and_all_in_time_order(
    times: list[int], tmp_path: Path
) -> None:
    assert times == sorted(times)
    assert 0.8 < len(times) / (54 * HOUR) < 1.1
    generate(tmp_path, seed=3, batches=HOUR, events_per_second=20)
    assert len(read(tmp_path / CLICKSTREAM)) > 20 * 0.2 * HOUR


def test_nights_are_quieter_than_evenings(times: list[int]) -> None:
    by_hour = Counter(time // 1_000_000 // HOUR % 24 for time in times)
    assert by_hour[19] > 2 * by_hour[3]


def test_every_event_has_its_key_and_repeats_only_what_was_sent_twice(events: list[dict[str, str]]) -> None:
    assert all(row[name] for row in events for name in ("event_id", "session_id", "event_type"))
    often = Counter(row["event_id"] for row in events)
    twice = [name for name, count in often.items() if count > 1]
    assert 0.001 < len(twice) / len(often) < 0.003
    first = {row["event_id"]: row for row in reversed(events)}
    again = next(row for row in reversed(events) if often[row["event_id"]] > 1)
    assert again | {"timestamp": ""} == first[again["event_id"]] | {"timestamp": ""}
    assert 0 < micros(again["timestamp"]) - micros(first[again["event_id"]]["timestamp"]) < 10**7


def test_the_incidents_are_of_every_kind_apart_from_each_other_and_within_the_data(folder: Path) -> None:
    incidents = read(folder / "incidents.csv")
    assert len(incidents) == 9
    assert {row["kind"] for row in incidents} == set(Incident)
    bounds = [datetime.fromisoformat(row[name]) for row in incidents for name in ("start", "end")]
    assert bounds == sorted(bounds)
    assert min((b - a).total_seconds() for a, b in zip(bounds[1::2], bounds[2::2], strict=False)) >= 2 * HOUR


Look = tuple[Counter[str], int]
"""Events by type, and sessions."""


def test_each_incident_shows_in_the_events(
    folder: Path, events: list[dict[str, str]], times: list[int]
) -> None:
    def look(start: int, end: int) -> Look:
        rows = events[bisect_left(times, start) : bisect_left(times, end)]
        return Counter(row["event_type"] for row in rows), len({row["session_id"] for row in rows})

    looks: dict[str, tuple[Look, Look]] = {}
    for row in read(folder / "incidents.csv"):
        start, end = micros(row["start"]), micros(row["end"])
        looks[row["kind"]] = look(start, end), look(2 * start - end, start)
    (now, _), (before, _) = looks[Incident.OUTAGE]
    assert not now
    assert before["page_view"] > 100
    (now, _), (before, _) = looks[Incident.TRAFFIC_LOSS]
    assert 0 < now["page_view"] < 0.45 * before["page_view"]
    (now, sessions), (before, usual) = looks[Incident.SESSION_LOSS]
    assert now["page_view"] > 0.6 * before["page_view"]
    assert 0 < sessions < 0.4 * usual
    (now, _), _ = looks[Incident.BROKEN_CHECKOUT]
    assert now["checkout_complete"] < 0.4 * now["checkout_start"]
    (now, _), _ = looks[Incident.CONVERSION_SLUMP]
    assert now["purchase"] < 0.1 * now["checkout_start"] < now["checkout_complete"]


def test_a_generated_dataset_can_be_used(folder: Path) -> None:
    found = check("clickstream_anomaly", folder, needs_history=True)
    assert [(file.name, file.history) for file in found] == [
        ("clickstream.csv", False),
        ("incidents.csv", False),
    ]
    assert found[0].rows == len(read(folder / CLICKSTREAM))


def test_the_event_types_that_a_check_found_can_be_stored(tmp_path: Path) -> None:
    (found,) = check("clickstream_anomaly", write(tmp_path, [at(0), at(1)]), needs_history=False)
    assert json.loads(json.dumps(asdict(found.findings)))["event_types"] == {"page_view": 2}


def test_a_short_time_without_any_incident_can_be_used_as_well(tmp_path: Path) -> None:
    generate(tmp_path, seed=1, batches=HOUR)
    found = check("clickstream_anomaly", tmp_path, needs_history=True)
    assert [file.rows for file in found] == [len(read(tmp_path / CLICKSTREAM)), 0]
    assert list(recording(tmp_path).labels) == []


def test_incidents_may_be_missing_but_not_wrong(tmp_path: Path) -> None:
    write(tmp_path, [at(0)])
    assert len(check("clickstream_anomaly", tmp_path, needs_history=False)) == 1
    incidents = tmp_path / "incidents.csv"
    for text, complaint in (
        (f"outage,{at(5)},{at(5)}", "line 2, column end: .* is not after the start"),
        (f",{at(5)},{at(9)}", "line 2, column kind"),
        (f"outage,soon,{at(9)}", "line 2, column start"),
    ):
        incidents.write_text(f"kind,start,end\n{text}\n")
        with pytest.raises(DatasetUnusable, match=complaint):
            check("clickstream_anomaly", tmp_path, needs_history=False)


def test_bad_events_are_for_the_stream_but_a_time_from_another_age_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [at(0), "yesterday", ""])
    assert check("clickstream_anomaly", tmp_path, needs_history=False)[0].rows == 3
    write(tmp_path, ["never", at(0), "2026-03-01T00:00:00Z"])
    with pytest.raises(DatasetUnusable, match=r"clickstream\.csv line 4, column timestamp: .* 400 days"):
        check("clickstream_anomaly", tmp_path, needs_history=False)


def test_a_batch_holds_the_events_of_a_second_at_its_place_on_the_clock(tmp_path: Path) -> None:
    found = recording(write(tmp_path, [at(0.9), at(1), at(1.999), at(7200)]))
    assert (found.rows, list(found.seconds), found.finding) == (4, [0, 1, 7200], None)
    batches = list(found.batches())
    assert [[row["event_id"] for row in batch.rows["events"]] for batch in batches] == [
        ["0"],
        ["1", "2"],
        ["3"],
    ]
    assert [facts(batch.rows, {})["page_views"] for batch in batches] == [1, 2, 1]
    assert batches[1].rows["events"][1] == {
        "event_id": "2",
        "timestamp": at(1.999),
        "session_id": "s",
        "user_id": "",
        "event_type": "page_view",
        "page": "/",
        "device": "mobile",
    }


def test_the_incidents_are_labels_at_their_place_on_the_clock(tmp_path: Path) -> None:
    write(tmp_path, [at(10.9), at(7000)])
    assert list(recording(tmp_path).labels) == []
    (tmp_path / "incidents.csv").write_text(f"kind,start,end\noutage,{at(60)},{at(3661.5)}\n")
    assert list(recording(tmp_path).labels) == [Label("outage", 50, 3651)]
    short_row = f"kind,start,end,note\noutage,{at(60)},{at(70)}\n"
    (tmp_path / "incidents.csv").write_text(short_row)
    assert list(recording(tmp_path).labels) == [Label("outage", 50, 60)]


def test_only_so_many_batches_as_asked(tmp_path: Path) -> None:
    found = recording(write(tmp_path, [at(0), at(5), at(5), at(9)]), limit=2)
    assert (found.rows, list(found.seconds), len(list(found.batches()))) == (3, [0, 5], 2)


def test_an_event_without_a_readable_time_goes_with_its_neighbour(tmp_path: Path) -> None:
    found = recording(write(tmp_path, ["never", at(3), "", at(4)]))
    assert [[row["event_id"] for row in batch.rows["events"]] for batch in found.batches()] == [
        ["0", "1", "2"],
        ["3"],
    ]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_an_unsorted_file_is_put_in_order_and_keeps_the_files_order_within_a_second(
    tmp_path_factory: pytest.TempPathFactory, times: list[int]
) -> None:
    folder = write(tmp_path_factory.mktemp("unsorted"), [at(time) for time in times])
    expected = sorted(range(len(times)), key=times.__getitem__)
    found = recording(folder)
    assert [int(row["event_id"]) for batch in found.batches() for row in batch.rows["events"]] == expected
    assert list(found.seconds) == sorted({time - min(times) for time in times})


def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnusable, match=r"no clickstream\.csv"):
        recording(tmp_path)
    write(tmp_path, [])
    with pytest.raises(DatasetUnusable, match="holds no rows"):
        recording(tmp_path)
    with pytest.raises(BadConfiguration, match="batch_rows is 200"):
        recording(write(tmp_path, [at(0)]), batch_rows=200)


OURS = {name: name for name in ("page_view", "checkout_start", "checkout_complete", "purchase")}


@pytest.mark.parametrize("nothing", [None, ""])
def test_our_event_types_count_as_themselves(nothing: str | None) -> None:
    assert counted_types(nothing) == OURS


def test_other_event_types_count_as_the_run_says() -> None:
    assert counted_types("view:page_view, cart:checkout_start,a:b:page_view,purchase:checkout_complete") == {
        **OURS,
        "view": "page_view",
        "cart": "checkout_start",
        "a:b": "page_view",
        "purchase": "checkout_complete",
    }


def test_replay_and_live_chart_count_page_views_as_the_run_says() -> None:
    rows = [{"event_type": name} for name in ("view", "view", "page_view", "cart")] + [{}]
    for event_types, views in (
        (None, 1),
        ("view:page_view,cart:checkout_start", 3),
        ("view:page_view,page_view:purchase", 2),
    ):
        said = {"event_types": event_types, "low_conversion": 0.1}
        assert facts({"events": rows}, said) == {"page_views": views}
        assert count(rows, said) == views


@pytest.mark.parametrize(
    ("event_types", "complaint"),
    [
        ("view:pageview", "'view:pageview' is not .* one of page_view, checkout_start, .*, purchase"),
        ("view", "'view' is not"),
        (":page_view", "':page_view' is not"),
        ("view:page_view,", "'' is not"),
        ("view:page_view,view:purchase", "'view' is named twice"),
    ],
)
def test_event_types_that_cannot_be_meant_are_refused(event_types: str, complaint: str) -> None:
    with pytest.raises(BadConfiguration, match=f"event_types: {complaint}"):
        counted_types(event_types)
