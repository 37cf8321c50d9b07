"""How browsing and transaction messages are read: lists of rows, split by session."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from streamweir.contracts.ecommerce_fraud import BROWSING_TOPIC
from streamweir.contracts.ecommerce_fraud.dataset import BROWSING_KEY, TRANSACTION_KEY
from streamweir.contracts.messages import Headers
from streamweir.times import moment
from streamweir_spark.columnar import columns_of, times_of
from streamweir_spark.core import Reject
from streamweir_spark.decode import Row, Rows, ShardOf, row_list
from streamweir_spark.row_checks import all_well_formed, sort_out, time_problem

BROWSED = pa.schema(
    [
        pa.field("place", pa.int32()),
        *(pa.field(name, pa.string()) for name in BROWSING_KEY),
        pa.field("micros", pa.int64()),
        pa.field("ts", pa.int64()),
    ]
)
"""A browsing row: index in the message, the key as it came, event_time in microseconds, and the virtual
clock: the row's own, which is the message's but for a redrive."""

Browsing = bytes
"""A shard's rows of a message: a record batch of BROWSED."""
Transactions = list[tuple[int, Row]]
"""A shard's rows: index in the message, and the row as it came."""

END = b""
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
        lengths = [headers.rows for headers, _ in messages]
        places = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        key = [rows.field(name) for name in BROWSING_KEY]
        return _by_shard([places, *key, times, rows.field("ts")], lengths, _shard_of(shards))


READER = Reader()


def opened(share: Browsing) -> pa.RecordBatch:
    """The rows as BROWSED."""
    return pa.ipc.read_record_batch(pa.py_buffer(share), BROWSED)


@lru_cache(maxsize=8)
def _shard_of(shards: int) -> ShardOf:
    return ShardOf(shards)


def _browsing(rows: Rows, headers: Headers, shard_of: ShardOf) -> tuple[Mapping[int, Browsing], list[Reject]]:
    if all_well_formed(rows, BROWSING_KEY, headers):
        with suppress(ValueError):  # One of the times is none; which one is found out below.
            return _shares(range(len(rows)), rows, shard_of), []
    good, rejects = sort_out(rows, BROWSING_KEY, headers, _ID, time_problem("event_time"))
    return _shares([place for place, _ in good], [row for _, row in good], shard_of), rejects


def _shares(places: Sequence[int], rows: Sequence[Row], shard_of: ShardOf) -> dict[int, Browsing]:
    if not rows:
        return {}
    key = list(zip(*map(_browsing_key, rows), strict=True))
    columns = [places, *key, moment.all(key[-1]), list(map(_ts_of, rows))]
    return _by_shard(columns, [len(rows)], shard_of)[0]


def _by_shard(columns: Iterable[Any], lengths: Sequence[int], shard_of: ShardOf) -> list[dict[int, Browsing]]:
    """The columns of BROWSED, of messages of these lengths, cut by message and shard."""
    rows = pa.record_batch(list(columns), schema=BROWSED)
    shards, messages = shard_of.shards, range(len(lengths))
    sessions = rows["session_id"].dictionary_encode()
    shard = np.array([shard_of[name] for name in sessions.dictionary.to_pylist()])[sessions.indices]
    # A share is what one message has for one shard; in order, they lie one behind the other.
    share = np.repeat(np.array(messages) * shards, lengths) + shard
    order = np.argsort(share, kind="stable")
    bounds = np.searchsorted(share[order], np.arange(len(lengths) * shards + 1)).tolist()
    rows = rows.take(pa.array(order))
    found: list[dict[int, Browsing]] = [{} for _ in messages]
    for number, (begin, end) in enumerate(pairwise(bounds)):
        if begin < end:
            some = rows.slice(begin, end - begin)
            found[number // shards][number % shards] = some.serialize().to_pybytes()
    return found


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
