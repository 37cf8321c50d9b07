"""The contracts of `card_fraud`: card transactions, each scored for fraud; alerts go out at once."""

from streamweir.contracts.card_fraud.results import ALERT_COLUMNS, IS_ALERT, SCORED, TRANSACTION_ID
from streamweir.contracts.models import MODEL_OPTIONS
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import Input, OutputTopic, Pipeline, Role, Stage, Topic

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
    # A transaction is a row of the run's file, and the next run may replay the same file.
    identity=("run", TRANSACTION_ID.name),
    # One message per transaction: a part per shard and message costs more than a second state saves.
    shards=1,
    max_messages=50_000,
    options=("console_alerts", "retention_s", *MODEL_OPTIONS),
)
