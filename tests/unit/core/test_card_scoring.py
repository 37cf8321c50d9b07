"""How card transactions are read and judged: what is malformed, late, unscorable, duplicate, scored."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pytest

from streamweir.contracts.card_fraud import TRANSACTIONS_TOPIC
from streamweir.contracts.card_fraud.dataset import NUMBER_NAMES
from streamweir.contracts.messages import Headers, Kind
from streamweir_spark.card_fraud.domain import SCORED_COLUMNS, Domain
from streamweir_spark.card_fraud.reader import READER
from streamweir_spark.core import Output, OutputKind, Part, Received
from streamweir_spark.decode import decode
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.shard import work

START = 1_700_000_000
PARTITIONS = TRANSACTIONS_TOPIC.partitions
Row = dict[str, Any]


def row(number: int = 0, **changes: object) -> Row:
    sound = {"transaction_id": number, "event_time": "2023-11-14T22:13:20+00:00"}
    return sound | dict.fromkeys(NUMBER_NAMES, 0.5) | {"Time": 0.0, "Amount": 9.99, "Class": 0} | changes


def message(
    sequence: int,
    value: object,
    *,
    ts: int = START,
    kind: Kind = Kind.BATCH,
    rows: int = 1,
    run: str = "r1",
) -> Received:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    headers = Headers(run, sequence, sequence, ts, kind, rows).encode()
    return Received("transactions", sequence % PARTITIONS, sequence // PARTITIONS, 0, headers, raw)


def parts(messages: Iterable[Received]) -> list[Part]:
    return list(decode(messages, 1, READER))


def judged(messages: Sequence[Received], needs: ModelNeeds | None = None) -> list[Output]:
    outputs = work(None, parts(messages), Domain(needs or ModelNeeds()))[1]
    return [output for output in outputs if output.kind != OutputKind.FRONTIER]


def only(value: object, needs: ModelNeeds | None = None) -> Output:
    (found,) = judged([message(0, value)], needs)
    return found


def test_a_sound_transaction_is_ready_for_the_model() -> None:
    found = only(row(7, V3=-2, Class=1, event_time="2023-11-14T22:13:21.250000+00:00"))
    assert (found.kind, found.row, found.id) == (OutputKind.SCORED, -1, "7")
    values = dict(zip((column.name for column in SCORED_COLUMNS), found.values or (), strict=True))
    assert values["transaction_id"] == 7
    assert values["event_time"] == (START + 1) * 1_000_000 + 250_000
    assert (values["V3"], values["Amount"], values["Class"]) == (-2.0, 9.99, 1)
    assert isinstance(values["V3"], float)


def test_a_dataset_without_classes_is_scored_without_them() -> None:
    found = row()
    del found["Class"]
    assert (only(found).values or ())[-1] is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("'0'", 0),
        ('"1"', 1),
        ("true", 1),
        ("False", 0),
        (True, 1),
        (False, 0),
        ("1.0", 1),
        ("'1e0'", 1),
        ("-0", 0),
        (1.0, 1),
        (-0.0, 0),
    ],
)
def test_a_class_is_read_where_it_is_quoted_or_boolean(said: object, expected: int) -> None:
    assert (only(row(Class=said)).values or ())[-1] == expected


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"Time": "soon"}, "Time is 'soon', not a number"),
        ({"V5": ""}, "V5 is empty"),
        ({"V28": None}, "V28 is None, not a number"),
        ({"Amount": True}, "Amount is True, not a number"),
        ({"Amount": "12.5"}, "Amount is '12.5', not a number"),
        ({"V1": [1]}, "V1 is a list, not a number"),
        ({"Class": ""}, "Class is empty"),
        ({"Class": "x"}, "Class is 'x', neither 0 nor 1"),
        ({"Class": 2}, "Class is 2, neither 0 nor 1"),
        ({"Class": "'1"}, 'Class is "\'1", neither 0 nor 1'),
        ({"Class": [1]}, "Class is a list, neither 0 nor 1"),
        ({"event_time": None}, "event_time is None, not a time"),
        ({"event_time": "noon"}, "event_time 'noon' is not a time"),
    ],
)
def test_what_cannot_be_scored_is_named_with_its_column(change: Row, detail: str) -> None:
    found = only(row(3, **change))
    assert (found.kind, found.reason, found.id, found.rows) == (OutputKind.REJECTED, "unscorable", "3", 1)
    assert (found.detail or "").startswith(detail)
    assert orjson.loads(found.raw or b"") == row(3, **change)


def test_a_missing_column_is_unscorable_too() -> None:
    found = row()
    del found["V9"]
    assert (only(found).reason, only(found).detail) == ("unscorable", "V9 is missing")


def nested(value: bytes) -> bytes:
    """As deep as the parser of messages takes it, and deeper than Python can walk."""
    return b"[" * 1020 + value + b"]" * 1020


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (b"{", "the message is not JSON"),
        ([row()], "the message is not a JSON object"),
        ({"V1": 1}, "transaction_id is None, not the number of a row"),
        (row("7"), "transaction_id is '7', not the number of a row"),  # type: ignore[arg-type]
        (row(-1), "transaction_id is -1"),
        (row(True), "transaction_id is True"),
        (orjson.dumps(row())[:-1] + b',"Amount":1.0}', "Amount is there 2 times"),
        (b'{"transaction_id":' + nested(b"0") + b"}", "transaction_id is a list, not the number of a row"),
        (b'{"transaction_id":1,"V1":' + nested(b'"a"') + b"}", "the message is nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_malformed(value: object, detail: str) -> None:
    found = only(value)
    assert (found.reason, found.row) == ("malformed", -1)
    assert (found.detail or "").startswith(detail)


def test_quotes_inside_a_text_do_not_look_like_a_repeated_key() -> None:
    assert only(row(3, V1='a "quoted" \\ one')).reason == "unscorable"
    assert only(row(3, V1={"a": "b"})).reason == "unscorable"


def test_a_message_that_announces_other_rows_is_malformed_with_all_of_them() -> None:
    (found,) = judged([message(0, row(), rows=3)])
    assert (found.reason, found.rows) == ("malformed", 3)


def test_a_transaction_is_scored_once_in_a_stream() -> None:
    found = judged([message(0, row(5)), message(1, row(6)), message(2, row(5, Amount=1.0))])
    assert [(output.kind, output.id, output.reason) for output in found] == [
        ("scored", "5", None),
        ("scored", "6", None),
        ("rejected", "5", "duplicate"),
    ]
    assert found[2].detail == "transaction 5 was scored before in its run"
    assert orjson.loads(found[2].raw or b"")["Amount"] == 1.0


def test_another_run_on_the_stream_may_bring_the_same_file() -> None:
    first = [message(0, row(5)), message(1, {}, kind=Kind.FLUSH, rows=0, ts=START + 61)]
    second = [message(at, row(5), ts=START + 62, run="r2") for at in (2, 3)]
    put_back = message(4, row(5), kind=Kind.REDRIVE, ts=START + 63)
    found = judged([*first, *second, put_back])
    assert [(output.run, output.reason) for output in found] == [
        ("r1", None),
        ("r2", None),
        ("r2", "duplicate"),
        ("r1", "duplicate"),
    ]


def test_what_was_not_scored_may_come_again() -> None:
    found = judged([message(0, row(5, V1="")), message(1, row(5)), message(2, row(5, V1=""))])
    assert [output.reason for output in found] == ["unscorable", None, "unscorable"]


def test_a_late_transaction_is_late_before_all_else_that_can_be_read() -> None:
    late = message(1, row(2, V1=""), ts=START - 61)
    found = judged([message(0, row(1)), late, message(2, row(3), ts=START - 60)])
    assert [output.reason for output in found] == [None, "late", None]
    assert (found[1].id, found[1].rows) == ("2", 1)


def test_a_redriven_transaction_is_never_late() -> None:
    found = judged([message(0, row(1)), message(1, row(2), ts=START - 999, kind=Kind.REDRIVE)])
    assert [output.kind for output in found] == ["scored", "scored"]


def test_a_flush_holds_nothing() -> None:
    assert judged([message(0, {}, kind=Kind.FLUSH, rows=0)]) == []


def test_a_model_may_refuse_more() -> None:
    needs = ModelNeeds(ranges={"Amount": (0.0, 5.0)})
    found = only(row(Amount=9.99), needs)
    assert (found.reason, only(row(Amount=4), needs).kind) == ("unscorable", "scored")
    assert (found.detail or "").startswith("Amount is 9.99, outside the model's range")


def test_the_outcome_does_not_depend_on_where_a_micro_batch_ends() -> None:
    draw = random.Random(5)
    sent = [message(at, row(draw.randrange(150), V2=draw.choice([1, ""]))) for at in range(200)]
    whole = judged(sent)
    state, cut = None, []
    for start in range(0, 200, 7):
        state, outputs = work(state, parts(sent[start : start + 7]), Domain(ModelNeeds()))
        cut += [output for output in outputs if output.kind != OutputKind.FRONTIER]
    assert cut == whole
    assert {output.reason for output in whole} == {None, "duplicate", "unscorable"}
