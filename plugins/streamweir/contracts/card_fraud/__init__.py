"""The contracts of `card_fraud`: card transactions, each scored for fraud; alerts go out at once."""

from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS, NUMBERS
from streamweir.contracts.models import MODEL_OPTIONS
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import (
    Column,
    Input,
    OutputTopic,
    Pipeline,
    Role,
    Scores,
    Stage,
    Table,
    Topic,
    Type,
)

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
        Column("model_version", Type.STRING, own=True),
        Column("scored_at", Type.TIMESTAMP, "wall time of the scoring", own=True),
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


# Two, because alerts are waited for: each further partition is a further task in every micro-batch.
TRANSACTIONS_TOPIC = Topic("transactions", partitions=2)
ALERTS_TOPIC = OutputTopic("alerts", partitions=4, table=SCORED, columns=ALERT_COLUMNS, where=IS_ALERT.name)
REJECTED_TOPIC = OutputTopic("rejected", partitions=1, table=REJECTED)

LATENESS_S = 60

PIPELINE = Pipeline(
    name="card_fraud",
    title="Card fraud",
    stages=(
        Stage(
            reads=(Input(TRANSACTIONS_TOPIC, Role.SCORED),),
            writes=(ALERTS_TOPIC, REJECTED_TOPIC),
            tables=(SCORED, REJECTED),
        ),
    ),
    # Every transaction has a place of its own on the clock, to which this is only the unit.
    interval_s=1,
    lateness_s=LATENESS_S,
    flush_after_s=LATENESS_S + 1,
    scored_table=SCORED.name,
    scores=Scores(probability="fraud_prob", called=IS_ALERT.name, label=CLASS.name),
    # A transaction is a row of the run's file, and the next run may replay the same file.
    identity=("run", TRANSACTION_ID.name),
    # One message per transaction: a part per shard and message costs more than a second state saves.
    shards=1,
    max_messages=50_000,
    options=("console_alerts", "retention_s", *MODEL_OPTIONS),
)
