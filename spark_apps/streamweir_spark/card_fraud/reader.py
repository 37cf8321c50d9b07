"""How transaction messages are read: one JSON object each."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

import orjson

from streamweir.contracts.card_fraud import EVENT_TIME, TRANSACTION_ID
from streamweir.contracts.card_fraud.dataset import CLASS, NUMBER_NAMES
from streamweir.contracts.messages import Headers
from streamweir.errors import RejectRecord
from streamweir.times import moment
from streamweir.values import parse_class
from streamweir_spark.core import Reject
from streamweir_spark.decode import Row, may_repeat_keys, parse_pairs

_LARGEST_ID = 2**63 - 1
_NUMERIC = frozenset((int, float))
_CLASSES: dict[object, int] = {0: 0, 1: 1}
_numbers_of = itemgetter(*NUMBER_NAMES)


class Transaction(NamedTuple):
    """A transaction, ready for the model or not.

    values: transaction_id, event_time in microseconds, the numbers, Class. problem: why it cannot be scored;
    it has no values then, and raw holds its message.
    """

    number: int
    values: tuple[object, ...] | None
    problem: str | None = None
    raw: bytes | None = None


class Reader:
    """Reads the topic of transactions; see `streamweir_spark.core.Reader`."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """The transaction as a plain tuple, in its shard; raises RejectRecord for a message that is none."""
        if not headers.rows:
            return {}, []
        row = _object(value, headers)
        number = row.get(TRANSACTION_ID.name)
        if type(number) is not int or not 0 <= number <= _LARGEST_ID:
            raise RejectRecord(f"{TRANSACTION_ID.name} is {_shown(number)}, not the number of a row")
        try:
            found = Transaction(number, (number, *_values(row)))
        except ValueError as problem:
            found = Transaction(number, None, str(problem), value)
        return {number % shards: tuple(found)}, []

    def read_at_once(self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int) -> None:
        """Never: for so many numbers it would take as long (ADR 0031)."""


READER = Reader()


def _object(value: bytes, headers: Headers) -> Row:
    try:
        row = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise RejectRecord(f"the message is not JSON: {error}") from error
    if type(row) is not dict:
        raise RejectRecord("the message is not a JSON object")
    if may_repeat_keys(value, list(map(type, row.values()))):
        _refuse_repeated(value)
    if headers.rows != 1:
        raise RejectRecord(f"the message holds 1 row where its header says {headers.rows}")
    return row


def _refuse_repeated(value: bytes) -> None:
    """Raise RejectRecord for an object that names a key twice: a parser silently takes the last."""
    # The hook is given the outermost object last.
    names: list[str] = []

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names[:] = [name for name, _ in pairs]
        return {}

    parse_pairs(value, keep)
    for name, times in Counter(names).items():
        if times > 1:
            raise RejectRecord(f"{name[:80]} is there {times} times")


def _values(row: Row) -> tuple[object, ...]:
    """event_time, the numbers and Class; raises ValueError with the column that makes it unscorable."""
    try:
        numbers = _numbers_of(row)
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from error
    if not set(map(type, numbers)) <= _NUMERIC or not math.isfinite(sum(numbers)):
        _refuse(numbers)
    return (_event_time(row), *map(float, numbers), _class(row))


def _refuse(numbers: tuple[object, ...]) -> None:
    for name, value in zip(NUMBER_NAMES, numbers, strict=True):
        if value == "":
            raise ValueError(f"{name} is empty")
        if not _is_number(value):
            raise ValueError(f"{name} is {_shown(value)}, not a number")


def _is_number(value: object) -> bool:
    return type(value) in _NUMERIC and math.isfinite(float(str(value)))


def _class(row: Row) -> int | None:
    """None where the dataset has no such column."""
    value = row.get(CLASS.name)
    if value is None:
        return None
    if value == "":
        raise ValueError(f"{CLASS.name} is empty")
    try:
        return parse_class(str(value)) if isinstance(value, str | bool) else _CLASSES[value]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{CLASS.name} is {_shown(value)}, neither 0 nor 1") from error


def _event_time(row: Row) -> int:
    value = row.get(EVENT_TIME.name)
    if not isinstance(value, str):
        raise ValueError(f"{EVENT_TIME.name} is {_shown(value)}, not a time")
    try:
        return moment(value)
    except ValueError as error:
        raise ValueError(f"{EVENT_TIME.name} {error}") from error


def _shown(value: object) -> str:
    # Never the whole of a container: it may be nested deeper than it can be printed.
    return f"a {type(value).__name__}" if isinstance(value, list | dict) else f"{value!r:.80}"
