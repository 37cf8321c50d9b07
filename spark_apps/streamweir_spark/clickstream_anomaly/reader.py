"""How a message of events is read: its columns, as far as the windows ask for them."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import NamedTuple

from streamweir.contracts.clickstream_anomaly.dataset import CLICKSTREAM_KEY
from streamweir.contracts.messages import Headers, Kind
from streamweir.times import moment
from streamweir_spark.columnar import columns_of, times_of
from streamweir_spark.core import Reject
from streamweir_spark.decode import Row, row_list
from streamweir_spark.row_checks import all_well_formed, sort_out, time_problem

END: tuple[()] = ()
"""What stands for the rows of a flush: the replay's last event was before it."""

_ID, _TIME = "event_id", "timestamp"
_key = itemgetter(*CLICKSTREAM_KEY)
_ts_of = itemgetter("ts")


class Events(NamedTuple):
    """A message's events by column: index in the message, then the key columns as they came.

    own_ts: the clock of each event when it is not the message's, as after a redrive.
    """

    places: tuple[int, ...]
    ids: tuple[str, ...]
    times: tuple[str, ...]
    sessions: tuple[str, ...]
    types: tuple[str, ...]
    own_ts: tuple[int, ...] | None = None


class Reader:
    """Reads the events; see `streamweir_spark.core.Reader`. All are in shard 0, which is the only one."""

    def read(
        self, topic: str, headers: Headers, value: bytes, shards: int
    ) -> tuple[Mapping[int, object], list[Reject]]:
        """The events and the malformed rows; raises RejectRecord for a message that is no list of rows."""
        rows = row_list(value, headers)
        if headers.kind is Kind.FLUSH:
            return {0: END}, []
        if all_well_formed(rows, CLICKSTREAM_KEY, headers) and _have_times(rows):
            good, rejects = list(enumerate(rows)), list[Reject]()
        else:
            good, rejects = sort_out(rows, CLICKSTREAM_KEY, headers, _ID, time_problem(_TIME))
        return ({0: tuple(_events(good, headers.kind))} if good else {}), rejects

    def read_at_once(
        self, topic: str, messages: Sequence[tuple[Headers, bytes]], shards: int
    ) -> list[dict[int, object]] | None:
        """The events of well-formed batches."""
        rows = columns_of(messages, CLICKSTREAM_KEY)
        if rows is None or times_of(rows.field(_TIME)) is None:
            return None
        columns = [rows.field(name).to_pylist() for name in CLICKSTREAM_KEY]
        ends = accumulate((headers.rows for headers, _ in messages), initial=0)
        return [_in_shard_0(columns, start, end) for start, end in pairwise(ends)]


READER = Reader()


def _in_shard_0(columns: list[list[str]], start: int, end: int) -> dict[int, object]:
    ids, times, sessions, types = (tuple(column[start:end]) for column in columns)
    places = tuple(range(end - start))
    return {0: tuple(Events(places, ids, times, sessions, types))} if places else {}


def _have_times(rows: list[Row]) -> bool:
    try:
        moment.all([row[_TIME] for row in rows])
    except ValueError:
        return False
    return True


def _events(good: list[tuple[int, Row]], kind: Kind) -> Events:
    places, rows = zip(*good, strict=True)
    ids, times, sessions, types = zip(*map(_key, rows), strict=True)
    own_ts = tuple(map(_ts_of, rows)) if kind is Kind.REDRIVE else None
    return Events(places, ids, times, sessions, types, own_ts)
