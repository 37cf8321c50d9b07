"""How `ecommerce_fraud` remembers browsing rows and judges transactions."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np

from streamweir.contracts.ecommerce_fraud import (
    BROWSING_TOPIC,
    LATENESS_S,
    LOOKBACK_S,
    MODEL_COLUMNS,
    PIPELINE,
    SESSION_TIME_ZONE,
    TRANSACTIONS_TOPIC,
)
from streamweir.contracts.ecommerce_fraud.dataset import BROWSING_KEY
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.rejected import Reason
from streamweir.errors import RejectRecord
from streamweir.values import identifier, identifiers
from streamweir_spark.core import Judged, Reject, Released
from streamweir_spark.decode import Row, canonical
from streamweir_spark.ecommerce_fraud.features import Customer, LocalClock, features, typed
from streamweir_spark.ecommerce_fraud.memory import Asked, Memory, State
from streamweir_spark.ecommerce_fraud.parsing import Parsed, parse, parse_at_once
from streamweir_spark.ecommerce_fraud.reader import opened

_MICROSECONDS = 1_000_000
_SCORED_COLUMNS = tuple(column for column in MODEL_COLUMNS if column.name != "ts")
_NAMES = tuple(column.name for column in MODEL_COLUMNS)
_IDS = ("session_id", "transaction_id", "customer_id")


class Prepared(NamedTuple):
    """A transaction. place: index in its message. values: of the scored columns, or the problem."""

    place: int
    row: Row
    session: str
    name: str
    values: tuple[object, ...] | None
    problem: str | None


class _Bought(NamedTuple):
    """Transactions that came in time, by column.

    turn, ts: of the message. place: in it. The ids are those that `values.identifier` reads.
    """

    turn: Sequence[int]
    ts: Sequence[int]
    place: Sequence[int]
    row: Sequence[Row]
    session_id: Sequence[str]
    transaction_id: Sequence[str]
    customer_id: Sequence[str]

    @classmethod
    def of(cls, messages: Sequence[tuple[int, Released]]) -> "_Bought":
        """Those of messages with their turns."""
        found = [(turn, one.ts, *pair) for turn, one in messages for pair in one.rows]
        turn, ts, place, row = zip(*found, strict=True) if found else ((),) * 4
        return cls(turn, ts, place, row, *(identifiers([one[name] for one in row]) for name in _IDS))

    def take(self, numbers: Sequence[int]) -> "_Bought":
        """Some of them."""
        return _Bought._make([column[number] for number in numbers] for column in self)


class Needs(Protocol):
    """What a model refuses; see `streamweir_spark.needs.ModelNeeds`."""

    def problem(self, row: Mapping[str, object]) -> str | None:
        """Why the model would skip or refuse this row, with column and value; None when it would not."""


class Domain:
    """Scores transactions with their session's browsing behaviour; see `streamweir_spark.core.Domain`."""

    reads = PIPELINE.reads
    scored_columns = _SCORED_COLUMNS

    def __init__(
        self,
        customers: Mapping[str, Customer],
        needs: Needs,
        *,
        time_zone: str = SESSION_TIME_ZONE,
        lookback_s: int = LOOKBACK_S,
        lateness_s: int = LATENESS_S,
        retention_s: int = RETENTION_S,
    ) -> None:
        self.customers = customers
        self.needs = needs
        self.clock = LocalClock(time_zone)
        self.lookback_s = lookback_s
        self.lateness_s, self.retention_s = lateness_s, retention_s
        self.load(None)

    def load(self, state: State | None) -> None:
        """Go on from a state, or from nothing."""
        self.memory = Memory(self.retention_s, state)
        self.ends: list[int] = []

    def dump(self, max_ts: int | None) -> State:
        """The state without what no transaction can reach any more without being late itself."""
        return self.memory.dump(None if max_ts is None else max_ts - self.lateness_s, self.lookback_s)

    def prepare(self, messages: Sequence[Released]) -> list[Any]:
        """The rows as `use` and `score` take them: all browsing rows are remembered, then transactions judged
        by what they say and what they see; late rows are only opened."""
        rows = [self._opened(message) for message in messages]
        in_time = [turn for turn, message in enumerate(messages) if rows[turn] and not message.is_late]
        seen = [turn for turn in in_time if messages[turn].topic == BROWSING_TOPIC.name]
        bought = [turn for turn in in_time if messages[turn].topic == TRANSACTIONS_TOPIC.name]
        self.memory.remember([(turn, rows[turn]) for turn in seen])
        found = self._judged(_Bought.of([(turn, messages[turn]) for turn in bought]))
        for turn in bought:
            rows[turn] = list(islice(found, len(rows[turn])))
        return rows

    def use(self, topic: str, ts: int, rows: Any) -> tuple[int, tuple[Judged, ...]]:
        """Count browsing rows, or remember an end; none is refused."""
        if not rows:
            self.ends.append(ts)
        return len(rows), ()

    def score(self, run: str, ts: int, rows: Sequence[Prepared]) -> Iterator[Judged]:
        """Judge transactions: unscorable, duplicate, or ready for the model."""
        for place, row, session, name, values, problem in rows:
            if problem is not None:
                yield Judged(place, name, None, Reason.UNSCORABLE.value, problem, canonical(row))
            elif self.memory.first_time(session, name, ts):
                yield Judged(place, name, values)
            else:
                detail = f"transaction {name[:80]!r} of session {session[:80]!r} was scored before"
                yield Judged(place, name, values, Reason.DUPLICATE.value, detail, canonical(row))

    def late(self, topic: str, ts: int, rows: Any) -> Iterator[Reject]:
        """The rows of a late message: a browsing row as its key columns, a transaction whole."""
        detail = f"ts {ts} is more than {self.lateness_s} s behind a message that was sent before"
        if topic == TRANSACTIONS_TOPIC.name:
            for place, row in rows:
                yield Reject(place, 1, identifier(row["transaction_id"]), detail, canonical(row))
        elif rows:
            places, keys = rows["place"].to_pylist(), rows.select(BROWSING_KEY).to_pylist()
            for place, key in zip(places, keys, strict=True):
                yield Reject(place, 1, None, detail, canonical(key))

    def closed(self, max_ts: int | None) -> tuple[tuple[object, ...], ...]:
        """The ts of each end since the last time this was asked."""
        found, self.ends = self.ends, []
        return tuple((ts,) for ts in found)

    def _opened(self, message: Released) -> Any:
        is_browsing = message.topic == BROWSING_TOPIC.name
        return opened(message.rows) if is_browsing and message.rows else message.rows

    def _judged(self, bought: _Bought) -> Iterator[Prepared]:
        customers = list(map(self.customers.get, bought.customer_id))
        parsed = list(map(_parsed, bought.row, customers, parse_at_once(bought.row)))
        sound = [number for number, found in enumerate(parsed) if isinstance(found, Parsed)]
        known = [self.customers[bought.customer_id[number]] for number in sound]
        columns = self._columns(bought.take(sound), known, [one for one in parsed if isinstance(one, Parsed)])
        values = zip(*(columns[column.name] for column in _SCORED_COLUMNS), strict=True)
        asked = zip(*(columns[name] for name in _NAMES), strict=True)
        for found, place, row, session, name in zip(
            parsed, bought.place, bought.row, bought.session_id, bought.transaction_id, strict=True
        ):
            if isinstance(found, str):
                yield Prepared(place, row, session, name, None, found)
            else:
                problem = self.needs.problem(dict(zip(_NAMES, next(asked), strict=True)))
                yield Prepared(place, row, session, name, next(values), problem)

    def _columns(
        self, bought: _Bought, customers: Sequence[Customer], parsed: Sequence[Parsed]
    ) -> dict[str, Sequence[Any]]:
        """What a model may use, by name."""
        ts, own_ts = (np.array(found, np.int64) for found in (bought.ts, [row["ts"] for row in bought.row]))
        # A redriven row keeps its own ts. It looks back as far as the state reaches in any micro-batch.
        earliest = np.maximum(own_ts, ts - self.lateness_s) - self.lookback_s
        created = np.array([one.created for one in parsed], np.int64)
        turn = np.array(bought.turn, np.int64)
        seen = self.memory.visits(Asked(bought.session_id, earliest, own_ts, created, turn))
        return {
            **typed(bought.row, parsed),
            **{name: getattr(bought, name) for name in _IDS},
            **features(seen, parsed, customers, self.clock),
            "ts": bought.ts,
            "event_ts": (ts * _MICROSECONDS).tolist(),
        }


def _parsed(row: Row, customer: Customer | None, parsed: Parsed | None) -> Parsed | str:
    """What the row's texts say, or why it cannot be scored."""
    if customer is None:
        return f"customer_id {row['customer_id'][:80]!r} is not a known customer"
    try:
        return parsed or parse(row)
    except RejectRecord as problem:
        return str(problem)
