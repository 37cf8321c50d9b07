"""The stream's table of the messages that were worked on: what `used` is counted by, and latency."""

from streamweir.contracts.tables import Column, Table, Type

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
