"""Reading messages: every byte string gives parts, and the parts account for every record."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.contracts.messages import Headers, Kind
from streamweir.times import moment
from streamweir.values import parse_time
from streamweir_spark.core import Part, Received
from streamweir_spark.decode import decode, row_list, row_problem, unpack
from streamweir_spark.ecommerce_fraud.reader import READER
from tests.unit.core.ecommerce_stream import START, browsing, message, plain, rejected, run, transaction

TOPICS = ("browsing", "transactions")


def parts_of(one: Received, shards: int = 4) -> list[Part]:
    return list(decode([one], shards, READER))


def rows_in(part: Part) -> int:
    _, rows = unpack(part.blob)
    if rows is None:
        return 0
    return len(rows) if part.topic == "transactions" else len(plain(rows)["place"])


def test_a_message_becomes_a_part_in_every_shard_even_without_rows() -> None:
    found = parts_of(message("transactions", 5, []), shards=3)
    assert [part.shard for part in found] == [0, 1, 2]
    assert {(part.sequence, part.partition, part.ts, part.kind) for part in found} == {
        (5, 1, START + 5, "batch")
    }
    assert {part.blob for part in found} == {b""}


def test_rows_of_one_session_share_a_shard_on_both_topics() -> None:
    names = [f"session-{number}" for number in range(40)]
    places: dict[str, set[int]] = {}
    for part in parts_of(message("browsing", 0, [browsing(name) for name in names])):
        for session in plain(unpack(part.blob)[1])["session_id"]:
            places.setdefault(session, set()).add(part.shard)
    for part in parts_of(message("transactions", 0, [transaction("t", name) for name in names])):
        for _, row in unpack(part.blob)[1]:
            places.setdefault(row["session_id"], set()).add(part.shard)
    assert len(places) == 40
    assert all(len(shards) == 1 for shards in places.values())
    assert len(set.union(*places.values())) == 4


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (b"", "not JSON"),
        (b"[{]", "not JSON"),
        (b'[{"a":NaN}]', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'["\\ud800"]', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "list of objects"),
        (b"null", "list of objects"),
        (b"[[]]", "list of objects"),
        (b'[{"ts": 1}, 2]', "list of objects"),
        (b"[{},{},{}]", "holds 3 rows where its header says 2"),
    ],
)
def test_a_message_that_is_no_list_of_rows_is_malformed_whole(value: bytes, sentence: str) -> None:
    one = message("browsing", 0, [browsing(), browsing()], value=value)
    (reject,) = rejected(run([one, message("transactions", 0, [])]))
    assert (reject.reason, reject.row, reject.rows, reject.raw) == ("malformed", -1, 2, value)
    assert sentence in (reject.detail or "")


@pytest.mark.parametrize(
    ("topic", "change", "sentence"),
    [
        ("browsing", {"session_id": ""}, "key column session_id is empty"),
        ("browsing", {"event_type": None}, "event_type is None, not a string"),
        ("browsing", {"event_time": "yesterday"}, "event_time 'yesterday' is not a time"),
        ("browsing", {"event_time": "0001-01-01 00:00:00"}, "outside the years"),
        ("browsing", {"device_type": 4}, "device_type is 4, not a string"),
        ("browsing", {"colour": ["red"]}, "colour is a list, not a string"),
        ("browsing", {"ts": START + 1}, f"ts is {START + 1}, not the message's {START}"),
        ("browsing", {"ts": str(START)}, "not the message's"),
        ("browsing", {"ts": float(START)}, "not the message's"),
        ("transactions", {"customer_id": ""}, "key column customer_id is empty"),
        ("transactions", {"promo_amount": 0}, "promo_amount is 0, not a string"),
        ("transactions", {"created_at": False}, "created_at is False, not a string"),
    ],
)
def test_a_malformed_row_is_rejected_alone_with_column_and_value(
    topic: str, change: dict[str, Any], sentence: str
) -> None:
    good = browsing() if topic == "browsing" else transaction()
    other = next(name for name in TOPICS if name != topic)
    outputs = run(
        [message(topic, 0, [good, good | change, good | {"session_id": "z"}]), message(other, 0, [])]
    )
    (reject,) = rejected(outputs)
    assert (reject.reason, reject.row, reject.rows) == ("malformed", 1, 1)
    assert sentence in (reject.detail or "")
    assert json.loads(reject.raw or b"") == {"ts": START} | good | change
    assert sum(o.rows or 0 for o in outputs if o.kind in ("tally", "scored")) == 2


@pytest.mark.parametrize("name", ["session_id", "event_type", "event_time", "ts"])
def test_a_browsing_row_without_a_key_column_or_ts_is_malformed(name: str) -> None:
    row = {key: value for key, value in (browsing() | {"ts": START}).items() if key != name}
    one = message("browsing", 0, [{}], value=orjson.dumps([row]))
    (reject,) = rejected(run([one, message("transactions", 0, [])]))
    assert (reject.reason, reject.row) == ("malformed", 0)
    assert name in (reject.detail or "")


def test_a_row_may_lack_or_add_columns_that_are_no_keys() -> None:
    row = {name: browsing()[name] for name in ("session_id", "event_type", "event_time")} | {"extra": ""}
    outputs = run([message("browsing", 0, [row]), message("transactions", 0, [])])
    assert [o.rows for o in outputs if o.kind == "tally"] == [1]
    assert not rejected(outputs)


def test_a_row_that_is_nested_too_deeply_to_be_written_again_makes_the_message_malformed() -> None:
    value = orjson.dumps([browsing()])[:-2] + b',"x":' + b"[" * 800 + b"]" * 800 + b"}]"
    one = message("browsing", 0, [browsing()], value=value)
    (reject,) = rejected(run([one, message("transactions", 0, [])]))
    assert (reject.reason, reject.row, reject.raw) == ("malformed", -1, value)


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        [("run", b"r")],
        [*message("browsing", 0, []).headers, ("rows", b"0")],
        [(name, None if name == "ts" else value) for name, value in message("browsing", 0, []).headers],
        Headers("run", 0, 0, 10**17, Kind.BATCH, 0).encode(),
    ],
)
def test_a_message_without_a_replays_headers_is_foreign(headers: Any) -> None:
    one = message("browsing", 0, [browsing()])._replace(headers=headers)
    (part,) = parts_of(one)
    assert (part.kind, part.shard, part.sequence, part.run) == ("foreign", 0, None, None)
    (reject,) = rejected(run([one]))
    assert (reject.reason, reject.row, reject.rows, reject.raw) == ("foreign", -1, 1, one.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
hostile = (
    st.binary(max_size=200)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.lists(st.sampled_from([browsing(), transaction()]).flatmap(
        lambda row: st.dictionaries(st.sampled_from([*row, "ts", "\x00"]), json_values).map(
            lambda bad: row | bad
        )
    ), max_size=4).map(lambda rows: json.dumps(rows).encode())
)  # fmt: skip


@settings(max_examples=400)
@given(hostile, st.sampled_from(TOPICS), st.integers(0, 5), st.integers(1, 4), st.data())
def test_hostile_bytes_never_raise_and_every_announced_row_is_accounted_for(
    value: bytes, topic: str, announced: int, shards: int, data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(value)))
        value = value[:cut] + data.draw(st.binary(max_size=3)) + value[cut:]
    parts = parts_of(message(topic, 0, [], value=value, announced=announced), shards)
    assert [part.shard for part in parts] == list(range(shards))
    rejects = [reject for part in parts for reject in unpack(part.blob)[0]]
    assert sum(map(rows_in, parts)) + sum(reject.rows for reject in rejects) == announced
    assert all(reject.raw is not None and reject.detail for reject in rejects)


@settings(max_examples=300)
@given(st.binary(max_size=8), st.sampled_from(["run", "batch", "sequence", "ts", "kind", "rows"]))
def test_hostile_headers_never_raise(value: bytes, name: str) -> None:
    headers = [(key, value if key == name else old) for key, old in message("browsing", 0, []).headers]
    assert parts_of(message("browsing", 0, [])._replace(headers=headers))


stamps = st.datetimes().map(lambda moment: moment.isoformat(" "))
numbers = st.integers(10**7, 10**18).map(str) | st.floats(1e8, 1e13).map("{:.7f}".format)
tails = st.sampled_from(
    ["", "Z", " UTC", "+11:00", "-0330", ".5", ".123456789Z", "x", "+99:00", " ", "+23:59"]
)


@settings(max_examples=300)
@given(st.lists(st.tuples(stamps | numbers, tails).map("".join) | st.text(max_size=25), max_size=6))
def test_a_remembered_time_is_the_same_as_a_parsed_one(texts: list[str]) -> None:
    for text in texts:
        try:
            expected = parse_time(text)
        except ValueError:
            with pytest.raises(ValueError, match=r".+"):
                moment(text)
            continue
        assert moment(text) == expected
        assert moment.all([text, text]) == [expected, expected]


def test_what_is_remembered_of_times_leads_to_none_outside_the_calendar() -> None:
    assert moment("0001-01-02 10:00:00") == parse_time("0001-01-02 10:00:00")
    assert moment("2024-01-01 10:00:00+23:00") == parse_time("2024-01-01 10:00:00+23:00")
    with pytest.raises(ValueError, match="outside the years"):
        moment("0001-01-02 10:00:00+23:00")


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00+10:00", "0001-01-01 10:00:00", "9999-12-31 23:59:59"])
def test_a_time_that_no_calendar_can_show_everywhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="outside the years"):
        moment(text)


def read(value: bytes, rows: int) -> list[dict]:
    return row_list(value, Headers("run", 0, 0, START, Kind.BATCH, rows))


@settings(max_examples=300)
@given(
    st.lists(st.dictionaries(st.text(), st.text() | st.integers(-9, 9) | st.none()), max_size=4),
    st.booleans(),
)
def test_rows_that_name_each_key_once_are_read_as_they_are(rows: list[dict], plain: bool) -> None:
    value = json.dumps(rows, ensure_ascii=plain, indent=None if plain else 1).encode("utf-8", "replace")
    assert read(value, len(rows)) == json.loads(value)


@settings(max_examples=300)
@given(
    st.dictionaries(st.text(), st.text() | st.integers(-9, 9), min_size=1),
    st.dictionaries(st.text(), st.text() | st.integers(-9, 9) | st.none() | st.lists(st.text())),
    st.text() | st.none() | st.integers(),
    st.data(),
)
def test_a_key_that_is_there_twice_is_always_found(row: dict, other: dict, value: Any, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(row)))
    names = [json.dumps(name), json.dumps(name, ensure_ascii=False)]
    again = f"{data.draw(st.sampled_from(names))} : {json.dumps(value)}"
    text = f"[{json.dumps(other)}, {json.dumps(row)[:-1]}, {again}}}]".encode("utf-8", "replace")
    if b"?" not in text:
        found = read(text, 2)
        assert found == [other, row | {name: [row[name], value]}]
        assert row_problem(found[1], (), Headers("r", 0, 0, 0, Kind.BATCH, 1)) is not None


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("name", ["session_id", "ts", "device_type"])
def test_only_the_row_with_a_key_twice_is_malformed_and_keeps_both_values(topic: str, name: str) -> None:
    row = (browsing() if topic == "browsing" else transaction()) | {"device_type": "x", "ts": START}
    twice = json.dumps(row)[:-1] + f', "{name}": {json.dumps(row[name])}}}'
    value = f"[{json.dumps(row)}, {twice}]".encode()
    outputs = run(
        [message(other, 0, []) for other in TOPICS if other != topic]
        + [message(topic, 0, [], value=value, announced=2)]
    )
    (found,) = rejected(outputs)
    assert (found.row, found.reason, found.detail) == (1, "malformed", f"{name} is there 2 times")
    assert json.loads(found.raw)[name] == [row[name]] * 2


def test_a_message_too_deep_to_be_searched_is_malformed() -> None:
    value = b'[{"a":"b"},{"a":' + b"[" * 1000 + b"]" * 1000 + b"}]"
    (found,) = rejected(
        run([message("browsing", 0, [], value=value, announced=2), message("transactions", 0, [])])
    )
    assert (found.row, found.rows, found.reason) == (-1, 2, "malformed")
