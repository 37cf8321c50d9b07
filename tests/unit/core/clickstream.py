"""Small clickstreams for the tests: events, messages, and what the scorer makes of them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from streamweir.contracts.clickstream_anomaly import WINDOWS
from streamweir.contracts.messages import Headers, Kind
from streamweir_spark.clickstream_anomaly.domain import Domain
from streamweir_spark.clickstream_anomaly.figures import Figures
from streamweir_spark.clickstream_anomaly.reader import READER
from streamweir_spark.core import Output, Received
from streamweir_spark.decode import decode
from streamweir_spark.shard import work

START = 1_700_000_100
"""A multiple of 300: a window begins here."""
PARTITIONS = 4


def event(name: str, session: str = "s", kind: str = "page_view", **more: Any) -> dict[str, Any]:
    """An event without ts."""
    row = {"event_id": name, "timestamp": "2024-03-01T00:00:00.623Z", "session_id": session}
    return row | {"user_id": "", "event_type": kind, "page": "/", "device": "mobile"} | more


def message(
    sequence: int, ts: int, events: Sequence[Any] = (), kind: Kind = Kind.BATCH, **raw: Any
) -> Received:
    """The message of a second; a flush has no events. raw: `value` instead of the events' JSON."""
    rows = [{"ts": ts, **one} if isinstance(one, dict) else one for one in events]
    headers = Headers("run", sequence, sequence, ts, kind, len(rows))
    value = raw.get("value", json.dumps(rows).encode())
    return Received(
        "events", sequence % PARTITIONS, sequence // PARTITIONS, 5_000_000, headers.encode(), value
    )


class Result(NamedTuple):
    """Rows of `windows` by column, window bounds in seconds; and all outputs but the frontier."""

    windows: list[dict[str, Any]]
    outputs: list[Output]

    def rejected(self) -> list[tuple[str | None, str | None]]:
        """Ids and reasons of what was not used."""
        return [(one.id, one.reason) for one in self.outputs if one.kind == "rejected"]

    def used(self) -> int:
        """How many events were counted."""
        return sum(one.rows or 0 for one in self.outputs if one.kind == "tally")


def run(messages: Iterable[Received], **settings: Any) -> Result:
    """What a scorer makes of the messages in one micro-batch."""
    return run_apart([list(messages)], **settings)


def run_apart(
    micro_batches: Iterable[Sequence[Received]], thresholds: dict[str, float] | None = None, **settings: Any
) -> Result:
    """The same when they are read in these micro-batches, each by a domain of its own as after a restart."""
    state, totals = None, None
    rows: list[tuple[Any, ...]] = []
    outputs: list[Output] = []
    for messages in micro_batches:
        state, found = work(state, list(decode(messages, 1, READER)), Domain(**settings))
        closed = [one.values or () for one in found if one.kind == "closed"]
        totals, now = Figures(thresholds).advance(json.loads(json.dumps(totals)), closed)
        rows += now
        outputs += [one for one in found if one.kind not in ("closed", "frontier")]
    named = [dict(zip(WINDOWS.names, row, strict=True)) for row in rows]
    for row in named:
        for bound in ("window_start", "window_end"):
            row[bound] //= 1_000_000
    return Result(named, outputs)
