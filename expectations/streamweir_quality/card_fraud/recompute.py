"""`card_fraud` again, as one batch in DuckDB: which transactions are scored, and what is kept of them.

What the model says is taken as it is: which rows it refuses; `streamweir_quality.model_again` asks it again.
"""

from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb.func import SPECIAL

from streamweir.contracts.card_fraud import IS_ALERT, SCORED, TRANSACTIONS_TOPIC
from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS, NUMBER_NAMES
from streamweir.contracts.messages import RETENTION_S
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import micros_of
from streamweir_quality.model_again import Score
from streamweir_quality.rejected import refused_by_model

CARRIES: dict[str, pa.Schema] = {}
"""Nothing: a transaction's number is unique within its run."""
SCORES = {"fraud_prob": Score.FRAUD, "prediction": Score.OWN, IS_ALERT.name: Score.DECIDED}
"""What the columns of SCORED hold that come from the model."""


def recompute(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> dict[str, duckdb.DuckDBPyRelation]:
    """The scored transactions, but for what the model says of them."""
    sql.execute("set variable run = $1", [inputs.replayed.run])
    sql.execute("set variable retention_s = $1", [inputs.parameters.get("retention_s", RETENTION_S)])
    sql.create_function("micros_of", micros_of, ["VARCHAR"], "BIGINT", null_handling=SPECIAL)
    names = ("transaction_id", CLASS.name, "event_time", *NUMBER_NAMES)
    sql.execute("set variable paths = $1", [[f"$.{name}" for name in names]])
    sql.execute("set variable amount = $1", [names.index(AMOUNT.name) + 1])
    sql.read_parquet(str(inputs.replayed.messages[TRANSACTIONS_TOPIC.name])).create_view("messages")
    refused_by_model(inputs, sql).create_view("refused")
    sql.execute((Path(__file__).parent / "recompute.sql").read_text(encoding="utf-8"))
    return {SCORED.name: sql.table("batch_scored")}


def model_rows(sql: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """The columns that a model may use, of the scored transactions; and the rest of their key."""
    numbers = ", ".join(f'numbers[{place}] as "{name}"' for place, name in enumerate(NUMBER_NAMES, 1))
    return sql.sql(
        # Column names are the contract's, never the data's.
        f"select transaction_id, batch_index, make_timestamptz(micros) as event_time, {numbers} "  # noqa: S608
        "from model_numbers"
    )
