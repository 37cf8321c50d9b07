"""What became of a stream's messages: the table of those that were worked on, by which `used` is counted and
latency, and the table and topic of the records that were neither scored nor used.
"""

from enum import StrEnum

from streamweir.contracts.tables import Column, Table, Type
from streamweir.variables import WARN_REJECTED_SHARE


class Reason(StrEnum):
    """Why a record was not scored or used. The first that applies wins; `foreign` stands apart."""

    MALFORMED = "malformed"
    LATE = "late"
    UNSCORABLE = "unscorable"
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"


REMEDIES = {
    Reason.DUPLICATE: "take another stream, because an earlier run of this one scored or counted these rows",
    Reason.LATE: "raise `lateness_s`, or delay fewer batches with `late`",
}
"""What to do when no row of a topic could be used, by the most frequent reason; else it is the dataset's."""

WARN_SHARE = float(WARN_REJECTED_SHARE.default)
"""A run of which a larger share of a topic's rows was rejected ends with a warning, by default."""

BY_MODEL = "the model"
"""The words with which a record's detail says that nothing but the model refuses it."""

REJECTED = Table(
    name="rejected",
    key=("topic", "partition", "offset", "row"),
    # Offsets depend on the transactions of a replay.
    matched_by=("topic", "batch_index", "row"),
    columns=(
        Column("run", Type.STRING, "the run that sent the record; null for a foreign message", own=True),
        Column("batch_index", Type.INT, "index of the batch in its run; null for a foreign message"),
        Column("sequence", Type.INT, "send order within the stream; null for a foreign message", own=True),
        Column("topic", Type.STRING, "the topic's short name, e.g. transactions"),
        Column("partition", Type.INT, "Kafka partition", own=True),
        Column("offset", Type.INT, "Kafka offset", own=True),
        Column("row", Type.INT, "index of the row in its message; -1 for the whole message"),
        Column("rows", Type.INT, "how many records this line accounts for: 1, or all rows of the message"),
        Column("id", Type.STRING, "the record's own id where it has one"),
        Column("reason", Type.STRING, "malformed, late, unscorable, duplicate or foreign"),
        Column("detail", Type.STRING, "one sentence: what is wrong, with column and value"),
        Column("raw", Type.BINARY, "the message's bytes, or the row as JSON"),
    ),
)


WORKED = Table(
    name="worked",
    key=("sequence", "topic"),
    columns=(
        Column("run", Type.STRING, "the run that sent the message"),
        Column("batch_index", Type.INT, "index of the batch in its run"),
        Column("sequence", Type.INT, "send order within the stream"),
        Column("topic", Type.STRING, "the topic's short name"),
        Column(
            "rows", Type.INT, "how many of its rows were used or scored; messages without one are left out"
        ),
        Column("appended_at", Type.TIMESTAMP, "when the broker appended it"),
    ),
)
