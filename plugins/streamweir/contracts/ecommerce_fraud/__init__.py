"""The contracts of `ecommerce_fraud`: a shop's browsing and transactions, scored for fraud."""

from streamweir.contracts.ecommerce_fraud.results import (
    FRAUD_WINDOW_S,
    FRAUD_WINDOWS,
    PREDICTIONS,
    SOLD_QUANTITY,
    TOP_CATEGORIES,
    TOP_PRODUCTS,
)
from streamweir.contracts.models import MODEL_OPTIONS
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.tables import Input, OutputTopic, Pipeline, Role, Stage, Topic

BROWSING_TOPIC = Topic("browsing", partitions=4)
TRANSACTIONS_TOPIC = Topic("transactions", partitions=4)
PREDICTIONS_TOPIC = OutputTopic("predictions", partitions=4, table=PREDICTIONS)
REJECTED_TOPIC = OutputTopic("rejected", partitions=1, table=REJECTED)

LATENESS_S = 60

PIPELINE = Pipeline(
    name="ecommerce_fraud",
    title="E-commerce fraud",
    stages=(
        Stage(
            reads=(Input(BROWSING_TOPIC, Role.CONTEXT), Input(TRANSACTIONS_TOPIC, Role.SCORED)),
            writes=(PREDICTIONS_TOPIC, REJECTED_TOPIC),
            tables=(PREDICTIONS, FRAUD_WINDOWS, SOLD_QUANTITY, TOP_PRODUCTS, TOP_CATEGORIES, REJECTED),
        ),
    ),
    interval_s=1,
    lateness_s=LATENESS_S,
    # A window of every length is closed once the clock has passed its end by the allowed lateness.
    flush_after_s=2 * FRAUD_WINDOW_S + LATENESS_S,
    scored_table=PREDICTIONS.name,
    identity=("session_id", "transaction_id"),
    options=("lookback_s", "retention_s", *MODEL_OPTIONS),
)
