"""The fast way through messages: it takes what is well-formed, and says of it what the careful way says."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamweir.contracts.messages import Headers, Kind
from streamweir.errors import RejectRecord
from streamweir.values import parse_time
from streamweir_spark.clickstream_anomaly.reader import READER as SITE
from streamweir_spark.columnar import times_of
from streamweir_spark.core import Reader, Received
from streamweir_spark.decode import decode, unpack
from streamweir_spark.ecommerce_fraud.reader import READER as SHOP
from tests.unit.core.clickstream import event
from tests.unit.core.ecommerce_stream import START, browsing, plain

Wire = tuple[Headers, bytes]
SUBJECTS: dict[str, tuple[Reader, str, dict[str, Any]]] = {
    "shop": (SHOP, "browsing", browsing()),
    "site": (SITE, "events", event("e")),
}
SHARDS = 3


def wire(value: bytes, rows: int, ts: int = START) -> Wire:
    return Headers("run", 0, 0, ts, Kind.BATCH, rows), value


def of(rows: Sequence[dict], ts: int = START) -> Wire:
    return wire(json.dumps([row | {"ts": ts} for row in rows]).encode(), len(rows), ts)


def all_plain(shares: Mapping[int, object]) -> dict[int, Any]:
    return {shard: plain(rows) for shard, rows in shares.items()}


def careful(reader: Reader, topic: str, messages: Sequence[Wire]) -> list[object]:
    """What the careful way finds, or None where it rejects anything."""
    found: list[object] = []
    for headers, value in messages:
        try:
            rows, rejects = reader.read(topic, headers, value, SHARDS)
        except RejectRecord:
            return [None]
        found.append(None if rejects else all_plain(rows))
    return found


def _rows(share: Any) -> int:
    return len(share["place"] if isinstance(share, dict) else share[0])


@pytest.mark.parametrize(("reader", "topic", "row"), SUBJECTS.values(), ids=SUBJECTS)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"device_type": ""},
        {"extra": "", "ünïcode": "\U0001f600 \uffff"},
        {"extra": 'quoted " \\ / \b \f \n \r \t \x00 \x7f },{ ]}\n{"rows":['},
        {"session_id": "90264.0"},
        {"event_time": "2024-02-29T23:59:59.123456Z", "timestamp": "2024-02-29T23:59:59"},
        {"event_time": "0001-01-02 00:00:00", "timestamp": "9999-12-30 23:59:59.9"},
    ],
)
def test_well_formed_rows_are_read_at_once_and_as_the_careful_way_reads_them(
    reader: Reader, topic: str, row: dict, change: dict
) -> None:
    rows = [row | change | {"session_id": f"{change.get('session_id', 's')}{n}"} for n in range(7)]
    spaced = f" [ {', '.join(json.dumps(one | {'ts': START + 1}, indent=1) for one in rows)} ]\r\n"
    messages = [of(rows), wire(b"[]", 0), wire(spaced.encode(), 7, START + 1), of(rows[3:4])]
    found = reader.read_at_once(topic, messages, SHARDS)
    assert found is not None
    read = list(map(all_plain, found))
    assert read == careful(reader, topic, messages)
    assert [sum(map(_rows, shares.values())) for shares in read] == [7, 0, 7, 1]


ODD = {
    "missing key": '{"KEY": 0, KEYS}',
    "no ts": "{ROW}",
    "null": '{ROW, TS, "n": null}',
    "number": '{ROW, TS, "n": 1}',
    "a number in a column of its own": '{ROW, TS, "another": 1}',
    "boolean": '{ROW, TS, "n": true}',
    "list": '{ROW, TS, "n": ["x"]}',
    "object": '{ROW, TS, "n": {"a": "x"}}',
    "deep": '{ROW, TS, "n": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "ts as text": f'{{ROW, "ts": "{START}"}}',
    "another ts": f'{{ROW, "ts": {START + 1}}}',
    "ts as a fraction": f'{{ROW, "ts": {START}.0}}',
    "ts with an exponent": f'{{ROW, "ts": {START}e0}}',
    "huge ts": f'{{ROW, "ts": {START}{"0" * 40}}}',
    "NaN": '{ROW, "ts": NaN}',
    "ts twice": "{ROW, TS, TS}",
    "a column twice": '{ROW, TS, "x": "a", "x": "a"}',
    "twice by an escape": '{ROW, TS, "x": "a", "\\u0078": "a"}',
    "a lone surrogate": '{ROW, TS, "x": "\\ud800"}',
    "a lone low surrogate": '{ROW, TS, "x": "\\udc00"}',
    "a control character": '{ROW, TS, "x": "\n"}',
    "no such escape": '{ROW, TS, "x": "\\x"}',
    "a comma too many": "{ROW, TS},",
    "a comment": "/* */{ROW, TS}",
    "two lists": '{ROW, TS}],"rows":[{ROW, TS}',
    "two lines": '{ROW, TS}]}\n{"rows":[',
    "not UTF-8": b'{ROW, TS, "x": "\xff"}',
    "an encoded surrogate": b'{ROW, TS, "x": "\xed\xa0\x80"}',
    "overlong": b'{ROW, TS, "x": "\xc0\x80"}',
}


@pytest.mark.parametrize(("reader", "topic", "row"), SUBJECTS.values(), ids=SUBJECTS)
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
@pytest.mark.parametrize("first", [False, True])
def test_an_odd_message_is_left_to_the_careful_way(
    reader: Reader, topic: str, row: dict, text: str | bytes, first: bool
) -> None:
    odd = text if isinstance(text, bytes) else text.encode()
    odd = odd.replace(b"ROW", json.dumps(row)[1:-1].encode()).replace(b"TS", f'"ts": {START}'.encode())
    # The other rows have the odd row's columns, so that it is not refused for having them.
    good = of([row | {name: "" for name in "nx" if f'"{name}"'.encode() in odd}])
    messages = [wire(b"[" + odd + b"]", 1), good]
    assert reader.read_at_once(topic, messages if first else messages[::-1], SHARDS) is None
    assert reader.read_at_once(topic, [good, good], SHARDS) is not None


@pytest.mark.parametrize("announced", [0, 1, 3])
def test_a_message_of_another_length_than_announced_is_left_to_the_careful_way(announced: int) -> None:
    value = of([browsing()] * 2)[1]
    assert SHOP.read_at_once("browsing", [wire(value, announced)], SHARDS) is None
    assert SHOP.read_at_once("browsing", [wire(value, announced), wire(value, 4 - announced)], SHARDS) is None
    assert SHOP.read_at_once("browsing", [wire(value, 2)] * 2, SHARDS) is not None


# Few different characters, so that quotes, brackets and escapes meet.
texts = st.text(max_size=6) | st.text('"\\{}[],:\n\x00ua', max_size=8) | st.just("")
others = st.none() | st.booleans() | st.integers() | st.floats() | st.lists(texts, max_size=2)
rows = st.lists(
    st.sampled_from([browsing(), browsing("t", "AP"), event("a"), event("b", "t")]).flatmap(
        lambda row: st.dictionaries(
            st.sampled_from([*row, "ts", "x", "\x00"]), texts | others, max_size=1
        ).map(lambda change: row | {"ts": START} | change)
    ),
    max_size=3,
)


@st.composite
def messages(draw: st.DrawFn) -> Wire:
    """A replay's message, mostly; with a change of a value, of bytes, or of the announced number."""
    found = draw(rows)
    spaces = draw(st.sampled_from([None, 1, "\t"]))
    value = json.dumps(found, ensure_ascii=draw(st.booleans()), indent=spaces).encode(
        "utf-8", "surrogatepass"
    )
    if not draw(st.integers(0, 3)):
        cut = draw(st.integers(0, len(value)))
        more = draw(st.binary(max_size=3) | st.sampled_from([b"},{", b',"ts":5', b"\\", b'"', b" ", b"]}\n"]))
        value = value[:cut] + more + value[cut + draw(st.integers(0, 2)) :]
    return wire(value, max(0, len(found) + draw(st.sampled_from([0] * 9 + [-1, 1]))))


@settings(max_examples=400)
@given(st.lists(messages(), max_size=4), st.sampled_from(sorted(SUBJECTS)))
def test_what_is_read_at_once_is_what_is_read_one_by_one(found: list[Wire], subject: str) -> None:
    reader, topic, _ = SUBJECTS[subject]
    at_once = reader.read_at_once(topic, found, SHARDS)
    assert at_once is None or list(map(all_plain, at_once)) == careful(reader, topic, found)


@settings(max_examples=200)
@given(st.lists(messages(), max_size=8), st.integers(1, 4))
def test_parts_are_the_same_however_many_messages_are_read_at_once(found: list[Wire], shards: int) -> None:
    received = [
        Received("browsing", 0, place, 5, headers.encode(), value)
        for place, (headers, value) in enumerate(found)
    ]

    def parts(taken: list[Received], reader: Reader) -> list[tuple]:
        return [
            (part._replace(blob=b""), rejects, plain(rows))
            for part in decode(taken, shards, reader)
            for rejects, rows in [unpack(part.blob)]
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamweir_spark.decode._FEWEST_ROWS", 0)
        together = parts(received, SHOP)
    assert together == [part for one in received for part in parts([one], SHOP)]
    assert together == parts(received, OneByOne())


class OneByOne:
    """The shop's reader, without its fast way."""

    read = SHOP.read

    def read_at_once(self, topic: str, messages: Sequence[Wire], shards: int) -> None:
        return None


def test_many_rows_are_read_at_once_and_few_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Told(OneByOne):
        def read_at_once(self, topic: str, messages: Sequence[Wire], shards: int) -> None:
            asked.append(len(messages))

    def decoded(messages: list[Wire]) -> None:
        taken = (Received("browsing", 0, at, 5, one[0].encode(), one[1]) for at, one in enumerate(messages))
        assert all(part.blob for part in decode(taken, 1, Told()))

    decoded([of([browsing()] * 499)])
    assert not asked
    decoded([of([browsing()] * 400)] * 28)
    assert asked == [13, 13, 2]


stamps = st.datetimes().map(lambda found: found.isoformat(" ")) | st.datetimes().map(
    lambda found: found.isoformat()
)
tails = st.sampled_from(["", "Z", "ZZ", "\n", " UTC", "+11:00", ".5", ".123456789", "x", "."])
nearly = st.from_regex(r"\A\d{4}-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,6})?Z?\Z")


@settings(max_examples=300)
@given(st.lists(st.tuples(stamps, tails).map("".join) | nearly | st.text(max_size=25), max_size=3))
def test_times_are_read_at_once_as_one_by_one(texts: list[str]) -> None:
    found = times_of(pa.array(texts, pa.string()))
    if found is not None:
        assert found.tolist() == list(map(parse_time, texts))


# The calendar's first and last day are none.
inside = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
usual = st.tuples(inside, st.sampled_from(" T"), st.sampled_from(["", "Z"]))


@settings(max_examples=200)
@given(st.lists(usual.map(lambda found: found[0].isoformat(found[1]) + found[2]), min_size=1, max_size=5))
def test_times_in_the_usual_spelling_are_read_at_once(texts: list[str]) -> None:
    found = times_of(pa.array(texts, pa.string()))
    assert found is not None
    assert found.tolist() == list(map(parse_time, texts))
