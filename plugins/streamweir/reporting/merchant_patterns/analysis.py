"""Detections summed up: by pattern, and by merchant. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from streamweir.contracts.merchant_patterns import ACTIONS, DETECTIONS
from streamweir.reporting.inputs import Bundle

Row = dict[str, Any]


def detections_of(bundle: Bundle) -> list[Row]:
    """The run's detections by number; none when the bundle has no table of them."""
    frame = bundle.tables.get(DETECTIONS.name)
    rows: list[Row] = [] if frame is None else frame.to_pylist()
    return sorted(rows, key=lambda row: row["number"])


def by_pattern(detections: Sequence[Row]) -> list[Row]:
    """A row per pattern that was found: detections, merchants, first and last chunk."""
    return [
        {"action": action, **_summed_up(mine), "merchants": len({row["MerchantId"] for row in mine})}
        for action in ACTIONS.values()
        if (mine := [row for row in detections if row["ActionType"] == action])
    ]


def by_merchant(detections: Sequence[Row]) -> list[Row]:
    """A row per merchant and pattern, those with most detections first."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in detections:
        groups.setdefault((row["MerchantId"], row["ActionType"]), []).append(row)
    found = [
        {"merchant": merchant, "action": action, **_summed_up(mine)}
        for (merchant, action), mine in groups.items()
    ]
    return sorted(found, key=lambda row: (-row["detections"], row["merchant"], row["action"]))


def so_far(detections: Iterable[Row], action: str, chunks: Sequence[int]) -> list[int]:
    """How many detections of an action there were up to each of the chunks."""
    found = [row["chunk"] for row in detections if row["ActionType"] == action]
    return [sum(chunk <= until for chunk in found) for until in chunks]


def _summed_up(mine: Sequence[Row]) -> Row:
    chunks = [row["chunk"] for row in mine]
    return {"detections": len(mine), "first_chunk": min(chunks), "last_chunk": max(chunks)}
