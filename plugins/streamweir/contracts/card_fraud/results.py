"""The result table of `card_fraud`, and what its alerts tell."""

from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS, NUMBERS
from streamweir.contracts.tables import Column, Table, Type

TRANSACTION_ID = Column("transaction_id", Type.INT, "the row of the file, 0 first")
EVENT_TIME = Column("event_time", Type.TIMESTAMP, "START_TS + the second that Time means")
IS_ALERT = Column("is_alert", Type.BOOL, "fraud by the rule that decides: a threshold, or prediction")

MODEL_COLUMNS = (TRANSACTION_ID, EVENT_TIME, *NUMBERS)
"""What a PipelineModel may use as its inputs."""

SCORED = Table(
    "scored",
    (
        TRANSACTION_ID,
        EVENT_TIME,
        AMOUNT,
        CLASS,
        Column("fraud_prob", Type.DOUBLE, "the probability of fraud"),
        Column("prediction", Type.INT, "1 where the model itself predicts fraud, else 0"),
        IS_ALERT,
        Column("model_version", Type.STRING),
        Column("scored_at", Type.TIMESTAMP, "wall time of the scoring"),
        Column("batch_index", Type.INT, "index of the batch in its run"),
    ),
    # After the retention an id may be scored again.
    ("transaction_id", "batch_index"),
)

ALERT_COLUMNS = (
    EVENT_TIME.name,
    AMOUNT.name,
    CLASS.name,
    "fraud_prob",
    IS_ALERT.name,
    "prediction",
    TRANSACTION_ID.name,
    "model_version",
)
"""What a message on the alerts topic holds, in order."""
