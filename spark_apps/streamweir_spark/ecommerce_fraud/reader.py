"""How browsing and transaction messages are read: lists of rows, split by session."""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter

from streamweir.contracts.ecommerce_fraud import BROWSING_TOPIC
from streamweir.contracts.ecommerce_fraud.dataset import BROWSING_KEY, TRANSACTION_KEY
from streamweir.contracts.messages import Headers, Kind
from streamweir.times import moment
from streamweir_spark.core import Reject
from streamweir_spark.decode import Row, Rows, ShardOf, row_list
from streamweir_spark.row_checks import all_well_formed, sort_out, time_problem

Places = tuple[int, ...]
Browsing = tuple[Places, tuple[str, ...], tuple[str, ...], tuple[str, ...], "array[int]", Places | None]
"""A shard's rows by column: index in the message, session_id, event_type, event_time as text and micros, and
their own ts where it is not the message's, as after a redrive."""
Transactions = list[tuple[int, Row]]
"""A shard's rows: index in the message, and the row as it came."""

END: tuple[()] = ()
"""What stands for the rows of a message that is an end (`Headers.is_end`): none at all."""

_browsing_key = itemgetter(*BROWSING_KEY)
_ts_of = itemgetter("ts")
_ID = "transaction_id"


class Reader:
    """Reads both topics; see `streamweir_spark.core.Reader`."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """Rows by shard and the malformed ones; raises RejectRecord for a message that is no list of rows."""
        rows = row_list(value, headers)
        if not rows:
            return ({0: END} if headers.is_end and topic == BROWSING_TOPIC.name else {}), []
        shard_of = _shard_of(shards)
        if topic == BROWSING_TOPIC.name:
            return _browsing(rows, headers, shard_of)
        return _transactions(rows, headers, shard_of)


READER = Reader()


@lru_cache(maxsize=8)
def _shard_of(shards: int) -> ShardOf:
    return ShardOf(shards)


def _browsing(rows: Rows, headers: Headers, shard_of: ShardOf) -> tuple[Mapping[int, Browsing], list[Reject]]:
    as_sent = headers.kind is not Kind.REDRIVE
    if all_well_formed(rows, BROWSING_KEY, headers):
        try:
            return _by_shard(range(len(rows)), rows, shard_of, as_sent), []
        except ValueError:
            pass  # One of the times is none; which one is found out below.
    good, rejects = sort_out(rows, BROWSING_KEY, headers, _ID, time_problem("event_time"))
    return _by_shard([place for place, _ in good], [row for _, row in good], shard_of, as_sent), rejects


def _by_shard(
    places: Sequence[int], rows: Sequence[Row], shard_of: ShardOf, as_sent: bool
) -> dict[int, Browsing]:
    if not rows:
        return {}
    sessions, events, times = zip(*map(_browsing_key, rows), strict=True)
    # Equal event types become one object, which pickle then writes once.
    same: dict[str, str] = {}
    columns = zip(
        places, sessions, map(same.setdefault, events, events), times, moment.all(times), strict=True
    )
    shares: defaultdict[int, list[tuple[int, str, str, str, int]]] = defaultdict(list)
    for shard, row in zip(map(shard_of.__getitem__, sessions), columns, strict=True):
        shares[shard].append(row)
    own = None if as_sent else dict(zip(places, map(_ts_of, rows), strict=True))
    return {shard: _columns(share, own) for shard, share in shares.items()}


def _columns(share: list[tuple[int, str, str, str, int]], own: Mapping[int, int] | None) -> Browsing:
    places, sessions, events, times, micros = zip(*share, strict=True)
    ts = None if own is None else tuple(own[place] for place in places)
    return places, sessions, events, times, array("q", micros), ts


def _transactions(
    rows: Rows, headers: Headers, shard_of: ShardOf
) -> tuple[Mapping[int, Transactions], list[Reject]]:
    rejects: list[Reject] = []
    good = list(enumerate(rows))
    if not all_well_formed(rows, TRANSACTION_KEY, headers):
        good, rejects = sort_out(rows, TRANSACTION_KEY, headers, _ID)
    shares: defaultdict[int, Transactions] = defaultdict(list)
    for place, row in good:
        shares[shard_of[row["session_id"]]].append((place, row))
    return dict(shares), rejects
