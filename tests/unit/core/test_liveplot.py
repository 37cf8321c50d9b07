"""The live chart's series, picture and page, without a server."""

import io
from functools import partial
from pathlib import Path

import orjson
import pytest
from matplotlib.image import imread

from streamweir.broker.records import Record
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import DependencyUnreachable
from streamweir.liveplot.chart import Chart
from streamweir.liveplot.ecommerce_fraud import count
from streamweir.liveplot.live import LivePage, draw_live
from streamweir.liveplot.series import Point, Series, with_gaps
from tests.support.memory_store import MemoryStore


def record(
    sequence: int, *, paid: int = 0, run: str = "r1", kind: Kind = Kind.BATCH, value: bytes = b""
) -> Record:
    rows = [{"payment_status": "Success"}] * paid + [{"payment_status": "Fail"}, {}]
    said = Headers(run, sequence - 10, sequence, 90 + sequence, kind, len(rows))
    return Record("t", sequence % 4, sequence, 0, said.encode(), value or orjson.dumps(rows))


def series(*records: Record) -> Series:
    made = Series("r1", 10, partial(count, options={}))
    for one in records:
        made.add(one)
    return made


def test_points_are_counted_per_batch_in_any_order_and_sorted_by_ts() -> None:
    found = series(record(12, paid=5), record(10, paid=2), record(11))
    assert found.points() == [Point(0, 100, 2), Point(1, 101, 0), Point(2, 102, 5)]


def test_a_point_may_sum_up_a_span_of_the_clock() -> None:
    made = Series("r1", 10, partial(count, options={}), span_s=10)
    for sequence in (20, 11, 19, 10, 11):
        made.add(record(sequence, paid=sequence))
    assert made.points() == [Point(0, 100, 10 + 11 + 19), Point(10, 110, 20)]
    assert made.batches == 4


def test_a_message_may_hold_a_single_row() -> None:
    made = series(record(10, value=b'{"payment_status":"Success"}'), record(11, value=b'"Success"'))
    assert [point.value for point in made.points()] == [1, 0]


def test_a_stretch_without_batches_is_drawn_as_zeros() -> None:
    points = [Point(0, 600, 7), Point(1, 660, 8), Point(2, 900, 9), Point(3, 1500, 5)]
    assert with_gaps(points, 60) == [
        *points[:3],
        Point(2, 960, 0),
        Point(3, 1440, 0),
        points[3],
    ]
    assert with_gaps([], 60) == []


def test_a_message_read_twice_counts_once_and_others_do_not_count() -> None:
    foreign = Record("t", 0, 1, 0, [], b"[]")
    found = series(
        record(10, paid=2), record(10, paid=2), record(11, run="r0"), foreign, record(9, kind=Kind.REDRIVE)
    )
    assert found.points() == [Point(0, 100, 2)]
    assert found.seen == 1


@pytest.mark.parametrize("value", [b"{}", b"not json", b'[1, "x", null]', b"\xff"])
def test_a_malformed_message_is_a_batch_without_payments(value: bytes) -> None:
    assert series(record(10, value=value)).points() == [Point(0, 100, 0)]


def test_it_is_complete_when_the_flush_and_all_before_it_were_seen() -> None:
    flush = record(12, kind=Kind.FLUSH)
    assert not series(record(10), record(11)).complete
    assert not series(record(11), flush).complete
    assert series(flush, record(11), record(10)).complete


def test_a_picture_is_drawn_for_none_one_and_many_points() -> None:
    chart = Chart("Title", "payments", "r$1_$x")
    pictures = [chart.draw([Point(n, 100 + n, n % 7) for n in range(many)], many) for many in (0, 1, 500)]
    assert len(set(pictures)) == 3
    for picture in pictures:
        assert imread(io.BytesIO(picture)).shape == (360, 960, 4)


def test_no_word_of_the_picture_is_cut_off() -> None:
    for seconds in (1, 300, 3 * 86_400):
        chart = Chart(
            "Successful payments per batch", "transactions paid", "manual__2026-01-01T00:00:00+00:00"
        )
        picture = imread(
            io.BytesIO(chart.draw([Point(n, 1_700_000_000 + n * seconds, n) for n in range(9)], 9))
        )
        edges = [picture[:3], picture[-3:], picture[:, :3], picture[:, -3:]]
        assert all((edge == 1).all() for edge in edges), seconds


def test_the_page_shows_the_newest_picture_and_escapes_the_run(tmp_path: Path) -> None:
    page = LivePage(tmp_path / "live", "payments", "Title", "<script>alert(1)</script>")
    for picture in (b"one", b"two"):
        page.show(picture)
    assert (tmp_path / "live" / "payments.png").read_bytes() == b"two"
    shown = (tmp_path / "live" / "index.html").read_text()
    assert "<script>alert" not in shown
    assert 'src="payments.png"' in shown
    assert sorted(path.name for path in (tmp_path / "live").iterdir()) == ["index.html", "payments.png"]


def test_a_run_that_never_starts_is_given_up_with_a_clear_error() -> None:
    run = Run(Stream("ecommerce_fraud", "s"), "r1")
    with pytest.raises(DependencyUnreachable, match=r"run r1 was not planned within 0\.01 s"):
        draw_live(run, kafka=KafkaConnection("nowhere:1"), store=MemoryStore(), timeout_s=0.01)
