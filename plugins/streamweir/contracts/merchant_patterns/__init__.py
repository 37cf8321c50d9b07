"""The contracts of `merchant_patterns`: payments in chunks, three patterns of customers and merchants."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from streamweir.contracts.merchant_patterns.dataset import UNITS
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.contracts.tables import (
    Column,
    Input,
    OutputTopic,
    Payload,
    Pipeline,
    Role,
    Stage,
    Table,
    Topic,
    Type,
)
from streamweir.errors import BadConfiguration


class Pattern(StrEnum):
    """The patterns by their ids, in the order in which the detections of a chunk are numbered."""

    UPGRADE = "PatId1"
    CHILD = "PatId2"
    DEI_NEEDED = "PatId3"


ACTIONS = {Pattern.UPGRADE: "UPGRADE", Pattern.CHILD: "CHILD", Pattern.DEI_NEEDED: "DEI-NEEDED"}

MEAN, TOTAL = "mean", "total"
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "assignment_v1": {"upgrade_weight": MEAN, "upgrade_share": 0.10},
}
"""Values of an earlier text of the assignment, by the name that a run may say in place of them."""

DEFAULTS: Mapping[str, Any] = {
    "upgrade_min_transactions": 50_000,
    "upgrade_share": 0.01,
    "upgrade_weight": MEAN,
    "child_min_transactions": 80,
    "child_mean_below": 23.0,
    "dei_min_female": 100,
}
"""What the patterns go by; a run may choose others under the same names, or a preset."""


@dataclass(frozen=True)
class Rules:
    """What the patterns go by, as exact numbers.

    upgrade_above: a merchant with more transactions than this is looked at. share: of its customers at either
    end. total_weight: a pair's weight is the sum of its importance rows, not their mean. child_from,
    child_mean: transactions of a pair at least, and what their mean lies below, in units. female_above: more
    female customers than this.
    """

    upgrade_above: int
    share: Fraction
    total_weight: bool
    child_from: int
    child_mean: Fraction
    female_above: int

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Rules":
        """The rules of a run by its params; a preset's values stand above them.

        Raises BadConfiguration for a preset or a weight that is none.
        """
        preset = options.get("preset")
        if preset and preset not in PRESETS:
            raise BadConfiguration(f"preset is {str(preset)[:80]!r}; there is {', '.join(PRESETS)}")
        said = {**DEFAULTS, **options, **(PRESETS[preset] if preset else {})}
        if said["upgrade_weight"] not in (MEAN, TOTAL):
            raise BadConfiguration(
                f"upgrade_weight is {str(said['upgrade_weight'])[:80]!r}; take {MEAN} or {TOTAL}"
            )
        return cls(
            upgrade_above=said["upgrade_min_transactions"],
            # As it is written: 0.01 is a hundredth, and not the double next to it.
            share=Fraction(str(said["upgrade_share"])),
            total_weight=said["upgrade_weight"] == TOTAL,
            child_from=said["child_min_transactions"],
            child_mean=Fraction(str(said["child_mean_below"])) * UNITS,
            female_above=said["dei_min_female"],
        )


FILE_ROWS = 50
DETECTIONS = Table(
    "detections",
    (
        Column("number", Type.INT, "counts the detections of the stream, from 1, without gaps"),
        Column(
            "YStartTime",
            Type.TIMESTAMP,
            "wall time at which the detector first started on the stream",
            own=True,
        ),
        Column("detectionTime", Type.TIMESTAMP, "wall time at which the micro-batch was worked on", own=True),
        Column("patternId", Type.STRING, "PatId1, PatId2 or PatId3"),
        Column("ActionType", Type.STRING, "UPGRADE, CHILD or DEI-NEEDED"),
        Column("customerName", Type.STRING, "empty for PatId3"),
        Column("MerchantId", Type.STRING, "the merchant"),
        Column("chunk", Type.INT, "the first chunk after which the pattern holds"),
    ),
    ("number",),
    # One detection more would give all later ones another number.
    matched_by=("patternId", "MerchantId", "customerName"),
)

HELD = Table(
    "held",
    (
        Column("number", Type.INT, "of the detection"),
        Column("chunks", Type.INT, "after how many chunks the pattern held, the first one included"),
        Column("holds", Type.BOOL, "whether it still holds after the last chunk that was looked at"),
    ),
    ("number",),
)

CHUNKS_TOPIC = Topic("chunks", partitions=2)
DETECTIONS_TOPIC = OutputTopic("detections", partitions=1, table=DETECTIONS)
REJECTED_TOPIC = OutputTopic("rejected", partitions=1, table=REJECTED)

CHUNK_ROWS = 10_000
WATCH = "watch"
"""The feeder that announces what others drop, and cuts no file."""
IDLE_STOP_S = 60
LATENESS_S = 60
TIME_ZONE = "Asia/Kolkata"

PIPELINE = Pipeline(
    name="merchant_patterns",
    title="Merchant patterns",
    stages=(
        Stage(
            reads=(Input(CHUNKS_TOPIC, Role.COUNTED, Payload.REFERENCE),),
            writes=(DETECTIONS_TOPIC, REJECTED_TOPIC),
            tables=(DETECTIONS, REJECTED),
        ),
    ),
    interval_s=1,
    lateness_s=LATENESS_S,
    flush_after_s=LATENESS_S + 1,
    # The order of chunks is total: the patterns come and go.
    shards=1,
    # A message is 10,000 rows.
    max_messages=40,
    options=(*DEFAULTS, "preset", "flush_after_s", "feeder", "watch", "idle_stop_s"),
    told=(HELD,),
)


def chunk_key(stream: Stream, chunk: int) -> ObjectKey:
    """Where a chunk's bytes lie; its number is the sequence of the message that announces it."""
    return stream.root / "chunks" / f"chunk_{chunk:06d}.csv"


def detections_folder(stream: Stream) -> ObjectKey:
    """Where the CSV files of the detections lie."""
    return stream.root / DETECTIONS.name


def started_key(stream: Stream) -> ObjectKey:
    """When the detector first started on the stream."""
    return stream.root / "first_start.json"
