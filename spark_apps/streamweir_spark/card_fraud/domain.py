"""How `card_fraud` judges transactions: each by itself, each once."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from streamweir.contracts.card_fraud import EVENT_TIME, LATENESS_S, MODEL_COLUMNS, PIPELINE
from streamweir.contracts.card_fraud.dataset import CLASS
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.rejected import Reason
from streamweir_spark.card_fraud.reader import Transaction
from streamweir_spark.core import Judged, Reject, Released, State
from streamweir_spark.decode import canonical
from streamweir_spark.ids import ID_BYTES, Ids
from streamweir_spark.needs import ModelNeeds

SCORED_COLUMNS = (*MODEL_COLUMNS, CLASS)
_NAMES = tuple(column.name for column in SCORED_COLUMNS)
_WHOLE = -1
"""A transaction is the whole of its message."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER_BYTES = 8

Plain = tuple[int, tuple[object, ...] | None, str | None, bytes | None]
"""A `Transaction` as it travels."""


class Domain:
    """Scores card transactions; see `streamweir_spark.core.Domain`."""

    reads = PIPELINE.reads
    scored_columns = SCORED_COLUMNS

    def __init__(
        self, needs: ModelNeeds, *, lateness_s: int = LATENESS_S, retention_s: int = RETENTION_S
    ) -> None:
        self.needs = needs
        # Every transaction that was read has all its numbers: only what a number or id may be is asked.
        self.choosy = bool(needs.categories or needs.ranges)
        self.lateness_s, self.retention_s = lateness_s, retention_s
        self.load(None)

    def load(self, state: State | None) -> None:
        """Go on from a state, or from nothing."""
        self.scored = Ids(self.retention_s, state.blocks if state else ())

    def dump(self, max_ts: int | None) -> State:
        """Which transactions were scored, as far as one that is not late may be a duplicate."""
        return State(None, self.scored.dump(None if max_ts is None else max_ts - self.lateness_s))

    def use(self, topic: str, ts: int, rows: Any) -> tuple[int, Iterable[Judged]]:
        """There is no topic of context."""
        raise AssertionError(f"topic {topic} has no rows to use")

    def prepare(self, messages: Sequence[Released]) -> list[Any]:
        """The rows as they are: each was parsed when it was read. Which were scored before is looked up."""
        in_time = [message for message in messages if message.rows and not message.is_late]
        self.scored.look_up([_id(message.run, message.rows[0]) for message in in_time])
        return [message.rows for message in messages]

    def score(self, run: str, ts: int, rows: Plain) -> Iterator[Judged]:
        """Judge a transaction: unscorable, duplicate, or ready for the model."""
        found = Transaction._make(rows)
        name = str(found.number)
        if problem := found.problem or self._refused(found):
            raw = found.raw or _as_json(found)
            yield Judged(_WHOLE, name, None, Reason.UNSCORABLE.value, problem, raw)
        elif self.scored.first_time(_id(run, found.number), ts):
            yield Judged(_WHOLE, name, found.values)
        else:
            detail = f"transaction {name} was scored before in its run"
            yield Judged(_WHOLE, name, found.values, Reason.DUPLICATE.value, detail, _as_json(found))

    def late(self, topic: str, ts: int, rows: Plain) -> Iterator[Reject]:
        """The transaction of a late message."""
        found = Transaction._make(rows)
        detail = f"ts {ts} is more than {self.lateness_s} s behind a message that was sent before"
        yield Reject(_WHOLE, 1, str(found.number), detail, found.raw or _as_json(found))

    def closed(self, max_ts: int | None) -> Iterable[tuple[object, ...]]:
        """Nothing: there are no figures."""
        return ()

    def _refused(self, found: Transaction) -> str | None:
        if not self.choosy or found.values is None:
            return None
        return self.needs.problem(dict(zip(_NAMES, found.values, strict=True)))


def _id(run: str, number: int) -> bytes:
    """Of a transaction: its number is unique within its run."""
    return _digest(run) + number.to_bytes(_NUMBER_BYTES)


@lru_cache(maxsize=64)
def _digest(run: str) -> bytes:
    return blake2b(run.encode(), digest_size=ID_BYTES - _NUMBER_BYTES).digest()


def _as_json(found: Transaction) -> bytes:
    """A sound transaction as its message had it."""
    row: dict[str, Any] = dict(zip(_NAMES, found.values or (), strict=True))
    row[EVENT_TIME.name] = (_EPOCH + timedelta(microseconds=row[EVENT_TIME.name])).isoformat()
    if row[CLASS.name] is None:
        del row[CLASS.name]
    return canonical(row)
