"""`clickstream_anomaly` again, as one batch in DuckDB: the windows from the messages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from streamweir.contracts.clickstream_anomaly import (
    EVENTS_TOPIC,
    LATENESS_S,
    SLIDE_S,
    THRESHOLDS,
    WINDOW_S,
    WINDOWS,
)
from streamweir.contracts.clickstream_anomaly.dataset import CLICKSTREAM_KEY, counted_types
from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.values import identifier
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import micros_of, reader_of, rows

_EVENTS = pa.schema(
    [
        ("run", pa.string()),
        ("sequence", pa.int64()),
        ("row", pa.int64()),
        ("ts", pa.int64()),
        *((name, pa.string()) for name in CLICKSTREAM_KEY),
    ]
)


CARRIES: dict[str, pa.Schema] = {}
"""Nothing: a run's flush lies further behind its events than any lateness, so no later event repeats one."""


def recompute(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> dict[str, duckdb.DuckDBPyRelation]:
    """All windows with figures, means and flags."""
    variables = {
        "run": inputs.replayed.run,
        "lateness_s": inputs.parameters.get("lateness_s", LATENESS_S),
        "window_s": WINDOW_S,
        "slide_s": SLIDE_S,
        **{name: inputs.parameters.get(name, value) for name, value in THRESHOLDS.items()},
    }
    for name, value in variables.items():
        sql.execute(f"set variable {name} = $1", [value])
    sql.register("event_rows", reader_of(_events(inputs), _EVENTS))
    counts_as = counted_types(inputs.parameters.get("event_types"))
    names = {"event_type": list(counts_as), "counts_as": [event.value for event in counts_as.values()]}
    sql.register("counted_types", pa.table(names))
    sql.execute((Path(__file__).parent / "recompute.sql").read_text(encoding="utf-8"))
    return {WINDOWS.name: sql.table("batch_windows")}


def _events(inputs: Inputs) -> Iterator[tuple[Any, ...]]:
    """The events that were sent in time, duplicates included, of all runs of the stream.

    One that was put back comes late when its windows are final: which those are, the stream itself says.
    """
    frame = inputs.frame(REJECTED.name, ["reason", "partition", "offset", "row"])
    late = frame[frame["reason"] == Reason.LATE.value]
    too_late = set(zip(late["partition"], late["offset"], late["row"], strict=True))
    for message in inputs.replayed.of(EVENTS_TOPIC):
        headers = message.headers
        for place, row in rows(message, CLICKSTREAM_KEY):
            if (message.partition, message.offset, place) in too_late or micros_of(row["timestamp"]) is None:
                continue
            key = {name: row[name] for name in CLICKSTREAM_KEY}
            key |= {name: identifier(row[name]) for name in ("event_id", "session_id")}
            yield headers.run, headers.sequence, place, row["ts"], *key.values()
