"""Detections summed up: by pattern, and by merchant. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from streamweir.contracts.merchant_patterns import ACTIONS, DETECTIONS, HELD
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


def chunks_held(bundle: Bundle) -> dict[str, list[Row]]:
    """By action, what `validate` told of each of its detections; nothing before the run was validated."""
    told = bundle.tables.get(HELD.name)
    of = {row["number"]: row for row in ([] if told is None else told.to_pylist())}
    return _by_action(bundle, of, "number")


def seconds_waited(bundle: Bundle) -> dict[str, list[float]]:
    """By action, the seconds from the append of each detection's chunk to the commit of the detection."""
    frame = bundle.latency.get("")
    of = (
        {}
        if frame is None
        else dict(zip(*(frame[name].to_pylist() for name in ("sequence", "seconds")), strict=True))
    )
    return _by_action(bundle, of, "chunk")


def held(bundle: Bundle) -> list[Row]:
    """A row per pattern: after how many chunks its detections held; none before the run was validated."""
    return [
        {
            "action": action,
            "detections": len(told),
            "hold_still": sum(row["holds"] for row in told),
            **_spread([row["chunks"] for row in told], "chunks"),
        }
        for action, told in chunks_held(bundle).items()
    ]


def waited(bundle: Bundle) -> list[Row]:
    """A row per pattern: seconds from the append of a chunk's message to the commit of its detections."""
    return [
        {"action": action, "detections": len(seconds), **_spread(seconds, "s")}
        for action, seconds in seconds_waited(bundle).items()
    ]


def so_far(detections: Iterable[Row], action: str, chunks: Sequence[int]) -> list[int]:
    """How many detections of an action there were up to each of the chunks."""
    found = [row["chunk"] for row in detections if row["ActionType"] == action]
    return [sum(chunk <= until for chunk in found) for until in chunks]


def _by_action(bundle: Bundle, of: Mapping[int, Any], column: str) -> dict[str, list[Any]]:
    """What `of` tells by this column of the detections, for each action of which it knows some."""
    groups: dict[str, list[Any]] = {action: [] for action in ACTIONS.values()}
    for row in detections_of(bundle):
        if row[column] in of:
            groups[row["ActionType"]].append(of[row[column]])
    return {action: told for action, told in groups.items() if told}


def _spread(values: Sequence[float], unit: str) -> Row:
    low, middle, high = (round(value, 2) for value in (min(values), median(values), max(values)))
    return {f"least_{unit}": low, f"median_{unit}": middle, f"most_{unit}": high}


def _summed_up(mine: Sequence[Row]) -> Row:
    chunks = [row["chunk"] for row in mine]
    return {"detections": len(mine), "first_chunk": min(chunks), "last_chunk": max(chunks)}
