"""How browsing and transaction messages are read: lists of rows, split by session."""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter

import numpy as np
import pyarrow as pa

from streamweir.contracts.ecommerce_fraud import BROWSING_TOPIC
from streamweir.contracts.ecommerce_fraud.dataset import BROWSING_KEY, TRANSACTION_KEY
from streamweir.contracts.messages import Headers, Kind
from streamweir.times import moment
from streamweir_spark.columnar import Ints, columns_of, times_of
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

    def read_at_once(
        self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int
    ) -> list[dict[int, Browsing]] | None:
        """The rows of well-formed batches of browsing rows."""
        if topic != BROWSING_TOPIC.name:
            return None
        rows = columns_of(messages, BROWSING_KEY)
        times = None if rows is None else times_of(rows.field("event_time"))
        if rows is None or times is None:
            return None
        return _browsing_at_once(rows, times, [headers.rows for headers, _ in messages], _shard_of(shards))


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


def _browsing_at_once(
    rows: pa.StructArray, times: Ints, lengths: Sequence[int], shard_of: ShardOf
) -> list[dict[int, Browsing]]:
    shards, messages = range(shard_of.shards), range(len(lengths))
    sessions = rows.field("session_id").dictionary_encode()
    shard = np.array([shard_of[name] for name in sessions.dictionary.to_pylist()])[sessions.indices]
    # A share is what one message has for one shard; in order, they lie one behind the other.
    share = np.repeat(np.array(messages) * len(shards), lengths) + shard
    order = np.argsort(share, kind="stable")
    places = np.concatenate([np.arange(length) for length in lengths])[order].tolist()
    names, events, texts = (_texts(rows.field(name), order) for name in BROWSING_KEY)
    times = times[order]
    bounds = np.searchsorted(share[order], np.arange(len(lengths) * len(shards) + 1)).tolist()

    def browsing(begin: int, end: int) -> Browsing:
        mine = slice(begin, end)
        micros = array("q", times[mine].tobytes())
        return tuple(places[mine]), tuple(names[mine]), tuple(events[mine]), tuple(texts[mine]), micros, None

    found: list[dict[int, Browsing]] = [{} for _ in messages]
    for number, (begin, end) in enumerate(pairwise(bounds)):
        if begin < end:
            found[number // len(shards)][number % len(shards)] = browsing(begin, end)
    return found


def _texts(column: pa.StringArray, order: Ints) -> list[str]:
    """Equal texts become one object, which pickle then writes once."""
    encoded = column.dictionary_encode()
    texts: list[str] = np.array(encoded.dictionary.to_pylist(), object)[
        encoded.indices.to_numpy()[order]
    ].tolist()
    return texts


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
