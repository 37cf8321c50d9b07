"""How `ecommerce_fraud` remembers browsing rows and judges transactions."""

from collections.abc import Iterator, Mapping
from itertools import repeat
from operator import itemgetter
from typing import Any, Protocol

from streamweir.contracts.ecommerce_fraud import (
    EVENT_LEVELS,
    LATENESS_S,
    LOOKBACK_S,
    MODEL_COLUMNS,
    PIPELINE,
    SESSION_TIME_ZONE,
    TRANSACTIONS_TOPIC,
)
from streamweir.contracts.ecommerce_fraud.dataset import BROWSING_KEY, IDS, TRANSACTION_KEY
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.rejected import Reason
from streamweir.errors import RejectRecord
from streamweir.values import identifier
from streamweir_spark.core import Judged, Reject
from streamweir_spark.decode import Row, canonical
from streamweir_spark.ecommerce_fraud.features import (
    Customer,
    LocalClock,
    features,
    typed,
    visit,
)
from streamweir_spark.ecommerce_fraud.memory import Memory, State
from streamweir_spark.ecommerce_fraud.parsing import Parsed, parse, parse_at_once
from streamweir_spark.ecommerce_fraud.reader import Browsing, Transactions

_MICROSECONDS = 1_000_000
_IDS = tuple(IDS.intersection(TRANSACTION_KEY))
_SCORED_COLUMNS = tuple(column for column in MODEL_COLUMNS if column.name != "ts")
_in_order = itemgetter(*(column.name for column in _SCORED_COLUMNS))


Prepared = list[tuple[int, Row, Parsed | None]]
"""A shard's transactions, with what their texts say where it is known already."""


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

    def use(self, topic: str, ts: int, rows: Browsing | tuple[()]) -> tuple[int, tuple[Judged, ...]]:
        """Remember browsing rows, or an end; none is refused."""
        if not rows:
            self.ends.append(ts)
            return 0, ()
        _, sessions, events, _, times, own_ts = rows
        known, clock = self.memory.sessions, own_ts or repeat(ts, len(sessions))
        levels = map(EVENT_LEVELS.get, events, repeat(0))
        # Looked up row by row, though by map: a row finds the session of the one before it.
        found = zip(map(known.get, sessions), sessions, clock, times, levels, strict=True)
        for numbers, session, row_ts, time, level in found:
            if numbers is None:
                numbers = known.setdefault(identifier(session), [])
            numbers += (row_ts, time, level)
        return len(sessions), ()

    def prepare(self, messages: list[Transactions | None]) -> list[Prepared | None]:
        """The transactions with what their texts say, as far as that is found out for many at once."""
        parsed = parse_at_once([row for rows in messages for _, row in rows or ()])
        return [None if rows is None else [(*one, next(parsed)) for one in rows] for rows in messages]

    def score(self, run: str, ts: int, rows: Prepared) -> Iterator[Judged]:
        """Judge transactions: unscorable, duplicate, or ready for the model."""
        for place, row, parsed in rows:
            ids = {column: identifier(row[column]) for column in _IDS}
            name, session = ids["transaction_id"], ids["session_id"]
            try:
                values = self._values(row, ids, ts, parsed)
            except RejectRecord as problem:
                yield Judged(place, name, None, Reason.UNSCORABLE.value, str(problem), canonical(row))
                continue
            if self.memory.first_time(session, name, ts):
                yield Judged(place, name, values)
            else:
                detail = f"transaction {name[:80]!r} of session {session[:80]!r} was scored before"
                yield Judged(place, name, values, Reason.DUPLICATE.value, detail, canonical(row))

    def late(self, topic: str, ts: int, rows: Any) -> Iterator[Reject]:
        """The rows of a late message: a browsing row as its key columns, a transaction whole."""
        detail = f"ts {ts} is more than {self.lateness_s} s behind a message that was sent before"
        if topic == TRANSACTIONS_TOPIC.name:
            for place, row, _ in rows:
                yield Reject(place, 1, identifier(row["transaction_id"]), detail, canonical(row))
            return
        if not rows:
            return
        places, sessions, events, times, *_ = rows
        for place, *key in zip(places, sessions, events, times, strict=True):
            yield Reject(place, 1, None, detail, canonical(dict(zip(BROWSING_KEY, key, strict=True))))

    def closed(self, max_ts: int | None) -> tuple[tuple[object, ...], ...]:
        """The ts of each end since the last time this was asked."""
        found, self.ends = self.ends, []
        return tuple((ts,) for ts in found)

    def _values(self, row: Row, ids: dict[str, str], ts: int, parsed: Parsed | None) -> tuple[object, ...]:
        customer = self.customers.get(ids["customer_id"])
        if customer is None:
            raise RejectRecord(f"customer_id {row['customer_id'][:80]!r} is not a known customer")
        found = parsed or parse(row)
        # A redriven row keeps its own ts. It looks back as far as the state reaches in any micro-batch.
        own_ts = int(row["ts"])
        earliest = max(own_ts, ts - self.lateness_s) - self.lookback_s
        seen = visit(self.memory.sessions.get(ids["session_id"], []), earliest, own_ts, found.created)
        values = typed(row, found) | ids | features(seen, found, customer, self.clock)
        values |= {"ts": ts, "event_ts": ts * _MICROSECONDS}
        problem = self.needs.problem(values)
        if problem is not None:
            raise RejectRecord(problem)
        return _in_order(values)
