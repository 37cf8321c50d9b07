"""The report of `merchant_patterns`: what was detected, where, and when in the course of the chunks."""

from collections.abc import Sequence

from streamweir.contracts.merchant_patterns import ACTIONS, DETECTIONS
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.merchant_patterns import plots
from streamweir.reporting.merchant_patterns.analysis import (
    by_merchant,
    by_pattern,
    detections_of,
    held,
    waited,
)
from streamweir.reporting.pieces import Content, Fact, Finding, Plot, Row, Sample

_SHOWN = 12
_MERCHANTS = 20


def _finding(bundle: Bundle) -> str:
    if DETECTIONS.name not in bundle.tables:
        return ""
    found = by_pattern(detections_of(bundle))
    if not found:
        return "No pattern held after any chunk."
    told = ", ".join(f"{row['action']} {row['detections']:,}" for row in found)
    return f"{sum(row['detections'] for row in found):,} detections: {told}."


def _facts(bundle: Bundle) -> Sequence[Fact]:
    if DETECTIONS.name not in bundle.tables:
        return []
    counts = {row["action"]: row["detections"] for row in by_pattern(detections_of(bundle))}
    return [Fact(action, f"{counts.get(action, 0):,}", "detections") for action in ACTIONS.values()]


def _first(bundle: Bundle) -> Sequence[Row]:
    return detections_of(bundle)[:_SHOWN]


def _patterns(bundle: Bundle) -> Sequence[Row]:
    return by_pattern(detections_of(bundle))


def _merchants(bundle: Bundle) -> Sequence[Row]:
    return by_merchant(detections_of(bundle))[:_MERCHANTS]


CONTENT = Content(
    finding=_finding,
    facts=_facts,
    plots=(
        Plot(
            "detections",
            "Detections over the chunks",
            "How many customers, or merchants, of each pattern were reported up to each chunk.",
            plots.over_chunks,
        ),
        Plot(
            "merchants",
            "Detections by merchant",
            "The merchants with most detections, by pattern.",
            plots.by_merchants,
        ),
        Plot(
            "held",
            "How long they held",
            "The share of each pattern's detections that held for at most so many chunks.",
            plots.how_long,
        ),
        Plot(
            "waited",
            "From chunk to detection",
            "The share of each pattern's detections there within so many seconds of the chunk's message.",
            plots.from_chunk,
        ),
        Plot(
            "payments",
            "Payments",
            "Drawn live by a plain Kafka consumer while the replay ran, from the announcements alone.",
        ),
    ),
    samples=(
        Sample(
            DETECTIONS.name,
            "Detections",
            "the first",
            {
                "number": "number",
                "patternId": "pattern",
                "ActionType": "action",
                "customerName": "customer",
                "MerchantId": "merchant",
                "chunk": "chunk",
                "detectionTime": "detected (UTC)",
            },
            _first,
        ),
    ),
    analysis=(
        Finding(
            "patterns",
            "Patterns",
            "Each detection is made at the first chunk after which its pattern holds.",
            {
                "action": "action",
                "detections": "detections",
                "merchants": "merchants",
                "first_chunk": "first chunk",
                "last_chunk": "last chunk",
            },
            _patterns,
        ),
        Finding(
            "held",
            "How long they held",
            "The patterns come and go: after how many chunks each detection held, up to the run's last one.",
            {
                "action": "action",
                "detections": "detections",
                "hold_still": "hold at the end",
                "least_chunks": "least chunks",
                "median_chunks": "median",
                "most_chunks": "most",
            },
            held,
        ),
        Finding(
            "waited",
            "From chunk to detection",
            "Seconds from the append of a chunk's message to the commit of its detections.",
            {
                "action": "action",
                "detections": "detections",
                "least_s": "least seconds",
                "median_s": "median",
                "most_s": "most",
            },
            waited,
        ),
        Finding(
            "merchants",
            "Merchants",
            "The merchants with most detections.",
            {
                "merchant": "merchant",
                "action": "action",
                "detections": "detections",
                "first_chunk": "first chunk",
                "last_chunk": "last chunk",
            },
            _merchants,
        ),
    ),
)
