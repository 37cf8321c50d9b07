"""Putting rejected records back: what is sent, what is refused, what a terminal gets to see."""

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamweir.broker.records import Record
from streamweir.claims import Claim
from streamweir.cli import escaped
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import ORIGINS, VALUE_BYTES, Headers, Kind
from streamweir.contracts.rejected import Reason
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration
from streamweir.redrive import putting_back
from streamweir.redrive.contents import MOST_ROWS, Content, as_it_is, deliveries, edited
from streamweir.redrive.records import WHOLE, Place, Rejected, choose, rows_as_written
from streamweir.redrive.text import MOST_CHARACTERS, counts, shown
from streamweir.replay.deliveries import Message, list_of_objects

TS = 1_700_000_000


def rejected(place: str, *, batch: int | None = 3, reason: str = "late", rows: int = 1) -> Rejected:
    run = None if batch is None else "run"
    return Rejected(Place.parse(place), run, batch, rows, None, Reason(reason), "it is wrong", b"{}")


def content(place: str, value: bytes = b'{"a":1}', **more: Any) -> Content:
    record = rejected(place, **more)
    return Content(record, value, record.rows, whole=record.place.row == WHOLE, ts=TS)


def message_at(place: str, value: bytes) -> dict[Place, Record]:
    where = Place.parse(place)
    headers = Headers("run", 3, 3, TS, Kind.BATCH, 1).encode()
    return {where: Record("t", where.partition, where.offset, 0, headers, value)}


def sent(*contents: Content) -> dict[int, list[Message]]:
    return deliveries(contents, PIPELINE, 40, TS + 900, lateness_s=0, value=list_of_objects)


def said(message: Message) -> Headers:
    found = Headers.decode(message.headers)
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["transactions/2/1403/17", "transactions/2/1403"])
def test_a_place_is_read_as_it_is_written(text: str) -> None:
    assert str(Place.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "transactions", "transactions/1", "t/1/2/3/4", "t/1/-2", "/1/2", "t/1/x"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(BadConfiguration, match="is not a place"):
        Place.parse(text)


@given(
    st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.booleans()))),
    st.sampled_from([None, 2]),
)
def test_the_rows_of_a_list_are_found_as_they_are_written(rows: list[dict], indent: int | None) -> None:
    found = rows_as_written(json.dumps(rows, indent=indent).encode())
    assert found is not None
    assert [json.loads(row) for row in found] == rows


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"7", b'"[1]"', b"null", b"\xff[]", b"[1}", b"[1,", b"[" * 5_000]
)
def test_what_is_no_list_has_no_rows(value: bytes) -> None:
    assert rows_as_written(value) is None


@given(st.binary() | st.text(alphabet='[]{}",: 1').map(str.encode))
@example(b'[0, "\xc3\xa4"]')
def test_whatever_the_bytes_are_the_rows_found_stand_in_them(value: bytes) -> None:
    assert all(row.encode() in value for row in rows_as_written(value) or ())


def test_a_row_goes_back_with_the_very_characters_it_came_with() -> None:
    messages = message_at("transactions/1/5", b'[{"a":1},  {"b": 1e5, "b" :"\\u00e4"} , {}]')
    found = as_it_is(rejected("transactions/1/5/1"), messages)
    assert found is not None
    assert (found.value, found.rows, found.whole, found.ts) == (
        b'{"b": 1e5, "b" :"\\u00e4"}',
        1,
        False,
        TS,
    )


def test_a_row_of_an_object_goes_back_as_it_was_written_down() -> None:
    claim = orjson.dumps(Claim.of(ObjectKey("streams", "chunks/7.csv"), b"rows").to_json())
    record = replace(rejected("chunks/0/3/12"), raw=b'{"amount":"x","ts":1}')
    found = as_it_is(record, message_at("chunks/0/3", claim))
    assert found is not None
    assert (found.value, found.rows, found.whole, found.ts) == (record.raw, 1, False, TS)
    whole = as_it_is(rejected("chunks/0/3", rows=9), message_at("chunks/0/3", claim))
    assert whole is not None
    assert (whole.value, whole.rows, whole.whole) == (claim, 9, True)


def test_a_whole_message_and_a_message_of_one_object_go_back_byte_by_byte() -> None:
    broken = as_it_is(rejected("transactions/1/5", rows=7), message_at("transactions/1/5", b"[{\xff"))
    single = as_it_is(rejected("transactions/1/5/0"), message_at("transactions/1/5", b'{"a":1}'))
    assert broken is not None
    assert single is not None
    assert (broken.value, broken.rows, broken.whole) == (b"[{\xff", 7, True)
    assert (single.value, single.rows, single.whole) == (b'{"a":1}', 1, True)


def test_a_message_that_the_topic_lost_cannot_go_back_as_it_is() -> None:
    assert as_it_is(rejected("transactions/1/5/1"), {}) is None


def test_an_edited_row_takes_the_rows_place() -> None:
    found = edited(content("transactions/1/5/1"), b' {"ts": 5, "a": "x"}\n', "row.json", clocked=True)
    assert (found.value, found.rows, found.whole) == (b'{"ts": 5, "a": "x"}', 1, False)


def test_an_edited_message_may_have_other_rows_than_it_announced() -> None:
    found = edited(content("transactions/1/5", rows=7), b'[{"ts": 5}, {"ts": 5}]', "m.json", clocked=True)
    assert (found.rows, found.whole) == (2, True)


def test_an_edited_message_may_be_a_single_object_of_a_list() -> None:
    found = edited(content("transactions/1/5"), b'\xef\xbb\xbf{"ts": 5}', "m.json", clocked=True)
    assert (found.value, found.rows, found.whole) == (b'[{"ts": 5}]', 1, True)


def test_an_edited_message_of_a_single_row_needs_no_ts() -> None:
    found = edited(content("transactions/1/5"), b'{"transaction_id": 3}', "m.json", clocked=False)
    assert (found.value, found.rows, found.whole) == (b'{"transaction_id": 3}', 1, True)


@pytest.mark.parametrize(
    ("place", "text", "problem"),
    [
        ("transactions/1/5/1", b'{"ts": 5', "f.json is not JSON"),
        ("transactions/1/5/1", b"\xff", "f.json is not JSON"),
        ("transactions/1/5/1", '{"ts": 5}'.encode("utf-16"), "f.json is not JSON"),
        ("transactions/1/5/1", b'{"ts": 5, "a": NaN}', "f.json is not JSON"),
        ("transactions/1/5/1", b'[{"ts": 5}]', "a row is one object"),
        ("transactions/1/5", b'[{"ts": 5}, 3]', "element 1 is not an object: a message is a list"),
        ("transactions/1/5", b"7", "element 0 is not an object"),
        ("transactions/1/5/1", b'{"a": "x"}', f'no integer "ts": give it the time of the record, {TS}'),
        ("transactions/1/5/1", b'{"ts": "5"}', 'no integer "ts"'),
        ("transactions/1/5/1", b'{"ts": true}', 'no integer "ts"'),
    ],
)
def test_an_edited_file_that_cannot_be_a_record_is_refused(place: str, text: bytes, problem: str) -> None:
    with pytest.raises(BadConfiguration, match=problem):
        edited(content(place), text, "f.json", clocked=True)


@pytest.mark.parametrize(("first_offset", "sequences"), [(0, [2, 6, 10]), (200, [402, 406, 410])])
def test_what_was_put_back_is_known_also_when_the_topic_has_lost_its_beginning(
    monkeypatch: pytest.MonkeyPatch, first_offset: int, sequences: list[int]
) -> None:
    def record(number: int, sequence: int, kind: Kind = Kind.BATCH) -> Record:
        origins = [(ORIGINS, orjson.dumps([[1, number, WHOLE]]))]
        headers = [*Headers("run", 1, sequence, TS, kind, 1).encode(), *origins]
        return Record("transactions", 2, first_offset + number, 0, headers, b"[]")

    first, second, third = sequences
    records = [record(0, first), record(1, second, Kind.REDRIVE), record(2, 999, Kind.REDRIVE)]
    records.append(record(3, third, Kind.REDRIVE))
    stream = Stream(PIPELINE.name, "s")
    topic = stream.topic("transactions")
    monkeypatch.setattr(putting_back, "existing", lambda *_: {topic})
    monkeypatch.setattr(putting_back, "read_topic", lambda *_: records)
    found = putting_back.places_put_back(KafkaConnection("broker:9092"), stream)
    assert found == {Place("transactions", 1, 1, WHOLE), Place("transactions", 1, 3, WHOLE)}


def test_every_sequence_has_a_message_on_every_input_topic() -> None:
    found = sent(content("transactions/1/5/1"), content("browsing/0/9/3"))
    assert list(found) == [40, 41, 42]
    for sequence, messages in found.items():
        assert [message.topic for message in messages] == ["browsing", "transactions"]
        assert {said(message).sequence for message in messages} == {sequence}
        assert {said(message).kind for message in messages} == {Kind.REDRIVE}
        assert {(said(message).run, said(message).batch) for message in messages} == {("run", 3)}
        empty = [message for message in messages if said(message).rows == 0]
        assert {message.value for message in empty} == {b"[]"}
        assert len(empty) == (2 if sequence == 42 else 1)


def test_context_goes_before_what_is_scored_and_the_clock_closes_all_windows_at_last() -> None:
    found = sent(content("transactions/1/5/1"), content("browsing/0/9/3", batch=8))
    rows = [{message.topic: said(message).rows for message in messages} for messages in found.values()]
    assert rows == [
        {"browsing": 1, "transactions": 0},
        {"browsing": 0, "transactions": 1},
        dict.fromkeys(rows[0], 0),
    ]
    clock = [said(messages[0]).ts for messages in found.values()]
    assert clock == [TS + 900, TS + 900, TS + 900 + PIPELINE.flush_after_s]


def test_the_clock_goes_on_the_further_the_more_lateness_a_run_allows() -> None:
    more = PIPELINE.lateness_s + 500
    found = deliveries([content("transactions/1/5")], PIPELINE, 0, 0, lateness_s=more, value=list_of_objects)
    assert said(found[1][0]).ts == PIPELINE.flush_after_s + 500


def test_rows_of_one_batch_share_a_message_and_whole_messages_never_do() -> None:
    places = ["transactions/1/5/1", "transactions/1/5/0", "transactions/1/9", "transactions/3/7/2"]
    found = sent(*(content(place, b'"%s"' % place.encode()) for place in places))
    values = [message.value for messages in found.values() for message in messages if said(message).rows]
    assert values == [
        b'["transactions/1/5/0","transactions/1/5/1"]',
        b'"transactions/1/9"',
        b'["transactions/3/7/2"]',
    ]


def test_records_of_two_batches_are_counted_in_their_own() -> None:
    found = sent(content("transactions/1/5/1", batch=3), content("transactions/1/6/1", batch=4))
    batches = [
        said(message).batch for messages in found.values() for message in messages if said(message).rows
    ]
    assert batches == [3, 4]


def test_a_message_says_which_places_its_records_come_from() -> None:
    found = sent(
        content("transactions/1/5/1"), content("transactions/0/9/0"), content("transactions/1/7", rows=4)
    )
    origins = [dict(message.headers).get(ORIGINS) for message in found[40] + found[41]]
    assert [orjson.loads(each) for each in origins if each] == [[[0, 9, 0], [1, 5, 1]], [[1, 7, -1]]]


def test_messages_stay_small() -> None:
    many = sent(*(content(f"transactions/0/1/{row}") for row in range(2 * MOST_ROWS + 1)))
    assert [said(messages[1]).rows for messages in many.values()] == [MOST_ROWS, MOST_ROWS, 1, 0]
    long = b'"' + b"x" * (VALUE_BYTES // 3) + b'"'
    big = sent(*(content(f"transactions/0/1/{row}", long) for row in range(5)))
    assert [said(messages[1]).rows for messages in big.values()] == [2, 2, 1, 0]


def test_nothing_is_sent_for_nothing() -> None:
    assert sent() == {}


def test_records_are_chosen_by_reason_or_by_place() -> None:
    records = [rejected("t/0/1/0"), rejected("t/0/1/1", reason="duplicate"), rejected("t/0/2", reason="late")]
    assert [str(record.place) for record in choose(records, "late", [])] == ["t/0/1/0", "t/0/2"]
    assert [str(record.place) for record in choose(records, "", [Place("t", 0, 1, 1)])] == ["t/0/1/1"]
    with pytest.raises(BadConfiguration, match=r"no record was rejected at t/5/1"):
        choose(records, "", [Place("t", 5, 1, WHOLE)])


def test_a_record_that_stages_rejected_for_different_reasons_is_chosen_by_each_of_them() -> None:
    records = [rejected("t/0/1/0", reason="late"), rejected("t/0/1/0", reason="malformed")]
    for reason in ("late", "malformed"):
        assert [(str(r.place), r.reason) for r in choose(records, reason, [])] == [("t/0/1/0", reason)]
    assert len(choose(records, "", [Place("t", 0, 1, 0)])) == 1


def test_a_foreign_message_is_nobodys_to_put_back() -> None:
    records = [rejected("t/0/1", reason="foreign", batch=None), rejected("t/0/2/0")]
    for reason, places in (("foreign", []), ("", [Place("t", 0, 1, WHOLE)])):
        with pytest.raises(BadConfiguration, match=r"a foreign message \(t/0/1\)"):
            choose(records, reason, places)


@given(st.binary() | st.text(max_size=50).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_record_can_steer_the_terminal(value: bytes) -> None:
    assert all(each.isprintable() or each == "\n" for each in shown(value))


def test_what_is_odd_is_shown_as_an_escape() -> None:
    assert (
        escaped(b"\x1b[31m\x00\xff\r\n\xc3\xa4")
        == "\\x1b[31m\\x00\\xff\\r\n\N{LATIN SMALL LETTER A WITH DIAERESIS}"
    )


def test_a_long_record_is_cut_and_says_so() -> None:
    text = shown(b"x" * 900_000)
    assert len(text) < MOST_CHARACTERS + 60
    assert "900,000 bytes" in text


def test_the_list_counts_records_by_reason_and_topic_and_what_was_put_back() -> None:
    records = [
        rejected("transactions/0/1", rows=7),
        rejected("transactions/0/2/0"),
        rejected("browsing/0/2/0"),
    ]
    lines = counts(records, {Place.parse("transactions/0/1")})
    assert [tuple(line.values()) for line in lines] == [
        ("late", "browsing", 1, 0, "browsing/0/2/0"),
        ("late", "transactions", 8, 7, "transactions/0/2/0"),
    ]
