"""How `ecommerce_fraud` remembers browsing rows and judges transactions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from operator import itemgetter
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
from streamweir.contracts.ecommerce_fraud.dataset import BROWSING_KEY, TRANSACTION_COLUMNS
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.rejected import Reason
from streamweir.errors import RejectRecord
from streamweir.values import identifier, identifiers
from streamweir_spark.core import Judged, Reject, Released, State
from streamweir_spark.decode import Row, canonical
from streamweir_spark.ecommerce_fraud.features import Customer, LocalClock, features
from streamweir_spark.ecommerce_fraud.memory import Asked, Memory
from streamweir_spark.ecommerce_fraud.parsing import PARSED, Parsed, parse, parse_at_once
from streamweir_spark.ecommerce_fraud.reader import opened
from streamweir_spark.ids import ID_BYTES, Ids

_MICROSECONDS = 1_000_000
_SCORED_COLUMNS = tuple(column for column in MODEL_COLUMNS if column.name != "ts")
_NAMES = tuple(column.name for column in MODEL_COLUMNS)
_scored = itemgetter(*map(MODEL_COLUMNS.index, _SCORED_COLUMNS))
_TEXTS = tuple(column.name for column in TRANSACTION_COLUMNS)
_texts_of = itemgetter(*_TEXTS)
_IDS = ("session_id", "transaction_id", "customer_id")


class Prepared(NamedTuple):
    """A transaction. place: index in its message. values: of the scored columns, or the problem.

    id: a digest of session and name, which may be long.
    """

    place: int
    row: Row
    session: str
    name: str
    values: tuple[object, ...] | None
    problem: str | None
    id: bytes = b""


class _Bought(NamedTuple):
    """Transactions that came in time. found: turn and ts of the message, place in it, and the row.

    columns: their texts, None for one that is missing; ids as `values.identifier` reads them.
    """

    found: Sequence[tuple[int, int, int, Row]]
    columns: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, messages: Iterable[tuple[int, Released]]) -> "_Bought":
        """Those of messages with their turns."""
        found = [(turn, one.ts, *pair) for turn, one in messages for pair in one.rows]
        columns = _columns([row for *_, row in found])
        return cls(found, columns | {name: identifiers(columns[name]) for name in _IDS})

    def take(self, numbers: Sequence[int]) -> "_Bought":
        """Some of them, in their order."""
        if len(numbers) == len(self.found):
            return self
        columns = {name: [column[number] for number in numbers] for name, column in self.columns.items()}
        return _Bought([self.found[number] for number in numbers], columns)


class Needs(Protocol):
    """What a model refuses; see `streamweir_spark.needs.ModelNeeds`."""

    def problem(self, row: Mapping[str, object]) -> str | None:
        """Why the model would skip or refuse this row, with column and value; None when it would not."""

    def met_by(self, columns: Mapping[str, Iterable[object]]) -> bool:
        """Whether there is no such problem with any of the rows of these columns."""


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
        self.memory = Memory(state.working if state else None)
        self.scored = Ids(self.retention_s, state.blocks if state else ())
        self.ends: list[int] = []

    def dump(self, max_ts: int | None) -> State:
        """The state without what no transaction can reach any more without being late itself."""
        now = None if max_ts is None else max_ts - self.lateness_s
        return State(self.memory.dump(now, self.lookback_s), self.scored.dump(now))

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
        self.scored.look_up([one.id for turn in bought for one in rows[turn] if one.id])
        return rows

    def use(self, topic: str, ts: int, rows: Any) -> tuple[int, tuple[Judged, ...]]:
        """Count browsing rows, or remember an end; none is refused."""
        if not rows:
            self.ends.append(ts)
        return len(rows), ()

    def score(self, run: str, ts: int, rows: Sequence[Prepared]) -> Iterator[Judged]:
        """Judge transactions: unscorable, duplicate, or ready for the model."""
        for place, row, session, name, values, problem, id in rows:
            if problem is not None:
                yield Judged(place, name, None, Reason.UNSCORABLE.value, problem, canonical(row))
            elif self.scored.first_time(id, ts):
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
        sessions, names, customers = (bought.columns[name] for name in _IDS)
        rows = [row for *_, row in bought.found]
        found = list(map(self._parsed, rows, customers, parse_at_once(bought.columns)))
        sound = [number for number, said in enumerate(found) if not isinstance(said, str)]
        columns = self._values(bought.take(sound), [said for said in found if not isinstance(said, str)])
        values = zip(*(columns[column.name] for column in MODEL_COLUMNS), strict=True)
        is_met = self.needs.met_by(columns)
        for said, (*_, place, row), session, name in zip(found, bought.found, sessions, names, strict=True):
            if isinstance(said, str):
                yield Prepared(place, row, session, name, None, said)
            else:
                one = next(values)
                problem = None if is_met else self.needs.problem(dict(zip(_NAMES, one, strict=True)))
                id = b"" if problem else _id(session, name)
                yield Prepared(place, row, session, name, _scored(one), problem, id)

    def _values(self, bought: _Bought, found: Sequence[Parsed]) -> dict[str, Sequence[Any]]:
        """The columns that a model may use."""
        parsed = dict(zip(PARSED, zip(*found, strict=True) if found else ((),) * len(PARSED), strict=True))
        numbers = [(turn, ts, row["ts"]) for turn, ts, _, row in bought.found]
        turn, ts, own_ts = np.array(numbers, np.int64).reshape(-1, 3).T
        # A redriven row keeps its own ts. It looks back as far as the state reaches in any micro-batch.
        earliest = np.maximum(own_ts, ts - self.lateness_s) - self.lookback_s
        created = np.array(parsed["created_at"], np.int64)
        seen = self.memory.visits(Asked(bought.columns["session_id"], earliest, own_ts, created, turn))
        customers = [self.customers[customer] for customer in bought.columns["customer_id"]]
        return {
            **bought.columns,
            **parsed,
            **features(seen, parsed, customers, self.clock),
            "ts": ts.tolist(),
            "event_ts": (ts * _MICROSECONDS).tolist(),
        }

    def _parsed(self, row: Row, customer: str, parsed: Parsed | None) -> Parsed | str:
        """What the row's texts say, or why it cannot be scored."""
        if customer not in self.customers:
            return f"customer_id {row['customer_id'][:80]!r} is not a known customer"
        try:
            return parsed or parse(row)
        except RejectRecord as problem:
            return str(problem)


def _id(session: str, name: str) -> bytes:
    return blake2b(f"{len(session)}:{session}{name}".encode(), digest_size=ID_BYTES).digest()


def _columns(rows: Sequence[Row]) -> dict[str, Sequence[Any]]:
    """The columns of a transaction; None where a row lacks one."""
    try:
        found = zip(*map(_texts_of, rows), strict=True) if rows else ((),) * len(_TEXTS)
        return dict(zip(_TEXTS, found, strict=True))
    except KeyError:
        return {name: [row.get(name) for row in rows] for name in _TEXTS}
