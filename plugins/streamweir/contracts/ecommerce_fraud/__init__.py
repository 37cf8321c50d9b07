"""The contracts of `ecommerce_fraud`: a shop's browsing and transactions, scored for fraud."""

from streamweir.contracts.ecommerce_fraud.dataset import TRANSACTION_COLUMNS
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

SESSION_TIME_ZONE = "Australia/Melbourne"
LOOKBACK_S = 600
"""How far back in the virtual clock the browsing rows of a transaction reach, by default."""

EVENT_LEVELS = {
    **dict.fromkeys(("AP", "ATC", "CO"), 1),
    **dict.fromkeys(("VC", "VP", "VI", "SER"), 2),
    **dict.fromkeys(("SCR", "HP", "CL"), 3),
}
"""The level of each known event type."""

FRAUD_WINDOW_S = 120
FRAUD_SLIDE_S = 10
SOLD_WINDOW_S = 30
TOP_WINDOW_S = 60
TOP_PRODUCTS_SHOWN = 20

FEATURES = (
    Column("L1_ratio", Type.DOUBLE, "share of level 1 events among those with a known level, percent"),
    Column("L2_ratio", Type.DOUBLE, "share of level 2 events among those with a known level, percent"),
    Column("time_of_day", Type.STRING, "morning, afternoon, evening or night, in the session time zone"),
    Column("num_purchase", Type.INT, "sum of the quantities bought"),
    Column("age", Type.INT, "whole years from birthdate to created_at"),
    Column("first_join_year", Type.INT, "year of first_join_date"),
    Column("gender", Type.STRING, "the customer's"),
    Column("session_events", Type.INT, "browsing rows of the session within the lookback"),
)

MODEL_COLUMNS = (
    *TRANSACTION_COLUMNS,
    Column("ts", Type.INT, "virtual clock, Unix seconds"),
    Column("event_ts", Type.TIMESTAMP, "the same as a timestamp"),
    *FEATURES,
)
"""What a PipelineModel may use as its inputs."""

SCORES = (
    Column("rawPrediction", Type.DOUBLES, "the model's raw prediction"),
    Column("probability", Type.DOUBLES, "the model's probabilities"),
    Column("fraud_probability", Type.DOUBLE, "the probability of fraud"),
    Column("prediction", Type.INT, "1 for fraud by the rule that decides: a threshold, or the model's own"),
    Column("model_version", Type.STRING, own=True),
    Column("batch_index", Type.INT, "index of the batch in its run"),
    Column("scored_at", Type.TIMESTAMP, "wall time of the scoring", own=True),
)

# After the retention an id may be scored again.
PREDICTIONS = Table("predictions", (*MODEL_COLUMNS, *SCORES), ("session_id", "transaction_id", "ts"))

_WINDOW = (
    Column("window_start", Type.TIMESTAMP, "inclusive, UTC"),
    Column("window_end", Type.TIMESTAMP, "exclusive, UTC"),
)
FRAUD_WINDOWS = Table(
    "fraud_windows",
    (
        *_WINDOW,
        Column("frauds", Type.INT, "transactions with prediction 1"),
        Column("scored", Type.INT, "scored transactions"),
    ),
    ("window_start",),
)
SOLD_QUANTITY = Table(
    "sold_quantity",
    (
        *_WINDOW,
        Column("quantity", Type.INT, "products sold in non-fraud transactions of the window"),
        Column("quantity_so_far", Type.INT, "the same since the stream's start"),
    ),
    ("window_start",),
)
TOP_PRODUCTS = Table(
    "top_products",
    (
        *_WINDOW,
        Column("rank", Type.INT, "1 is the product sold most so far"),
        Column("product_id", Type.STRING),
        Column("name", Type.STRING, "productDisplayName; null for a product that product.csv lacks"),
        Column("quantity", Type.INT, "sold so far in non-fraud transactions"),
    ),
    ("window_start", "rank"),
)
TOP_CATEGORIES = Table(
    "top_categories",
    (
        *_WINDOW,
        Column("category", Type.STRING, "cat_level1; null for a product without a known category"),
        Column("quantity", Type.INT, "sold so far in non-fraud transactions"),
    ),
    ("window_start", "category"),
)


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
    scores=Scores(probability="fraud_probability", called="prediction"),
    identity=("session_id", "transaction_id"),
    options=("lookback_s", "retention_s", *MODEL_OPTIONS),
)
