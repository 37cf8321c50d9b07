"""What the report says of detections, and that it is drawn with and without any."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from streamweir.arrow import parquet, schema_of
from streamweir.contracts.merchant_patterns import DETECTIONS, HELD, PIPELINE
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.ledger.values import Batches, Ledger, Lines
from streamweir.reporting import publish
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.merchant_patterns import plots
from streamweir.reporting.merchant_patterns.analysis import by_merchant, by_pattern, held, so_far, waited
from tests.support.memory_store import MemoryStore

RUN = Run(Stream("merchant_patterns", "s"), "r")
AT = datetime(2026, 1, 1, tzinfo=UTC)


def detection(number: int, chunk: int, action: str, merchant: str, customer: str) -> dict[str, Any]:
    pattern = {"UPGRADE": "PatId1", "CHILD": "PatId2", "DEI-NEEDED": "PatId3"}[action]
    values = (number, AT, AT, pattern, action, customer, merchant, chunk)
    return dict(zip(DETECTIONS.names, values, strict=True))


FOUND = [
    detection(1, 3, "CHILD", "M1", "C1"),
    detection(2, 3, "DEI-NEEDED", "M2", ""),
    detection(3, 7, "CHILD", "M1", "<C2>"),
    detection(4, 9, "CHILD", "M2", "C1"),
]


def test_detections_are_summed_up_by_pattern_and_by_merchant() -> None:
    assert by_pattern(FOUND) == [
        {"action": "CHILD", "detections": 3, "first_chunk": 3, "last_chunk": 9, "merchants": 2},
        {"action": "DEI-NEEDED", "detections": 1, "first_chunk": 3, "last_chunk": 3, "merchants": 1},
    ]
    assert [(row["merchant"], row["action"], row["detections"]) for row in by_merchant(FOUND)] == [
        ("M1", "CHILD", 2),
        ("M2", "CHILD", 1),
        ("M2", "DEI-NEEDED", 1),
    ]
    assert so_far(FOUND, "CHILD", range(2, 10)) == [0, 1, 1, 1, 1, 2, 2, 3]


def test_how_long_patterns_held_and_what_detections_waited_for() -> None:
    told = {1: (9, True), 2: (1, False), 3: (2, False), 4: (3, True)}
    rows = [{"number": number, "chunks": chunks, "holds": holds} for number, (chunks, holds) in told.items()]
    tables = {
        DETECTIONS.name: pa.Table.from_pylist(FOUND, schema_of(DETECTIONS)),
        HELD.name: pa.Table.from_pylist(rows, schema_of(HELD)),
    }
    seconds = pa.table({"sequence": [3, 7, 9], "seconds": [0.5, 0.25, 2.0]})
    bundle = Bundle(RUN, PIPELINE, tables=tables, latency={"": seconds})
    assert drawn(plots.how_long(bundle)) == {"CHILD": [2, 3, 9], "DEI-NEEDED": [1]}
    assert drawn(plots.from_chunk(bundle)) == {"CHILD": [0.25, 0.5, 2.0], "DEI-NEEDED": [0.5]}
    assert [list(row.values()) for row in held(bundle)] == [
        ["CHILD", 3, 2, 2, 3, 9],
        ["DEI-NEEDED", 1, 0, 1, 1, 1],
    ]
    assert [list(row.values()) for row in waited(bundle)] == [
        ["CHILD", 3, 0.25, 0.5, 2.0],
        ["DEI-NEEDED", 1, 0.5, 0.5, 0.5],
    ]
    nothing = Bundle(RUN, PIPELINE)
    assert (held(nothing), waited(nothing)) == ([], [])
    assert plots.how_long(nothing) is plots.from_chunk(nothing) is None


def drawn(figure: Figure | None) -> dict[str, list[float]]:
    """By the lines' names, where they rise."""
    assert figure is not None
    return {str(line.get_label()): list(line.get_xdata())[1:] for line in figure.axes[0].lines}


def test_a_bar_is_called_by_its_merchant_and_action() -> None:
    table = pa.Table.from_pylist(FOUND, schema_of(DETECTIONS))
    figure = plots.by_merchants(Bundle(RUN, PIPELINE, tables={DETECTIONS.name: table}))
    assert figure is not None
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["M1, CHILD", "M2, CHILD", "M2, DEI-NEEDED"]


@pytest.mark.parametrize("found", [FOUND, []])
def test_the_report_tells_of_them_or_that_there_are_none(found: list[dict[str, Any]]) -> None:
    store: Any = MemoryStore()
    store.put(RUN.table_file(DETECTIONS.name), parquet(pa.Table.from_pylist(found, schema_of(DETECTIONS))))
    manifest = {"start_ts": 1_700_000_000, "first_sequence": 0, "batches": 12, "rows": {"chunks": 120}}
    store.put_json(RUN.manifest, manifest | {"seconds": 1.0, "resumed_at_sequence": None, "labels": []})
    store.put(RUN.table_file(REJECTED.name), parquet(schema_of(REJECTED).empty_table()))
    zero, nine = np.array([0]), np.array([9])
    lines = Lines("used", nine, nine, zero, nine, {}, zero)
    batches = Batches(zero, zero, np.array([1_700_000_000]), {}, {"chunks": lines})
    none = dict.fromkeys(("foreign", "flush", "waiting", "dropped_by_watermark", "next_sequence"), 0)
    ledger = Ledger(RUN.id, RUN.stream.id, batches, {"chunks": lines.line()}, (), examples={}, **none)
    store.put_json(RUN.ledger, ledger.to_dict())
    store.put_json(RUN.quality / "results.json", [])
    publish(RUN, store)
    page = store.get(RUN.report).decode()
    told = "4 detections: CHILD 3, DEI-NEEDED 1." if found else "No pattern held after any chunk."
    assert told in page
    assert store.exists(RUN.plot("detections")) == store.exists(RUN.plot("merchants")) == bool(found)
    assert ("&lt;C2&gt;" in page) == bool(found)
    assert "<C2>" not in page
