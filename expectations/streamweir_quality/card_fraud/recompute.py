"""`card_fraud` again, as one batch in DuckDB: which transactions are scored, and what is kept of them.

What the model says is taken as it is: which rows it refuses; `streamweir_quality.model_again` asks it again.
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb.func import SPECIAL

from streamweir.contracts.card_fraud import TRANSACTIONS_TOPIC
from streamweir.contracts.card_fraud.dataset import NUMBER_NAMES
from streamweir.contracts.card_fraud.results import IS_ALERT, SCORED
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.rejected import BY_MODEL, REJECTED, Reason
from streamweir_quality.inputs import Inputs
from streamweir_quality.model_again import Score
from streamweir_quality.replayed import micros_of

_AT_ONCE = 50_000
"""Messages that are there a second time while they go to DuckDB."""
SCORES = {"fraud_prob": Score.FRAUD, "prediction": Score.OWN, IS_ALERT.name: Score.DECIDED}
"""What the columns of SCORED hold that come from the model."""

_MESSAGES = pa.schema(
    [
        ("batch_index", pa.int64()),
        ("sequence", pa.int64()),
        ("ts", pa.int64()),
        ("partition", pa.int64()),
        ("offset", pa.int64()),
        ("value", pa.binary()),
    ]
)


def recompute(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> dict[str, duckdb.DuckDBPyRelation]:
    """The scored transactions, but for what the model says of them."""
    sql.execute("set variable retention_s = $1", [inputs.parameters.get("retention_s", RETENTION_S)])
    sql.create_function("micros_of", micros_of, ["VARCHAR"], "BIGINT", null_handling=SPECIAL)
    sql.register("messages", _messages(inputs))
    sql.execute("set variable numbers = $1", [[f"$.{name}" for name in NUMBER_NAMES]])
    rejected = inputs.frame(REJECTED.name)
    refused = (rejected["reason"] == Reason.UNSCORABLE.value) & rejected["detail"].str.contains(BY_MODEL)
    sql.register("refused", rejected.loc[refused, ["partition", "offset"]].astype("int64"))
    sql.execute((Path(__file__).parent / "recompute.sql").read_text(encoding="utf-8"))
    return {SCORED.name: sql.table("batch_scored")}


def model_rows(sql: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """The columns that a model may use, of the scored transactions; and the rest of their key."""
    numbers = ", ".join(f"""(row ->> '$.{name}')::double as "{name}\"""" for name in NUMBER_NAMES)
    return sql.sql(
        # Column names are the contract's, never the data's.
        f"select transaction_id, batch_index, make_timestamptz(micros) as event_time, {numbers} "  # noqa: S608
        "from counted"
    )


def _messages(inputs: Inputs) -> pa.RecordBatchReader:
    """The run's messages that hold one row, in time; to be read once."""
    rows = (
        (
            message.said.batch,
            message.said.sequence,
            message.said.ts,
            message.partition,
            message.offset,
            message.value,
        )
        for message in inputs.replayed.of(TRANSACTIONS_TOPIC)
        if message.said.rows == 1 and message.said.run == inputs.replayed.run
    )
    shares = iter(lambda: list(islice(rows, _AT_ONCE)), [])
    return pa.RecordBatchReader.from_batches(_MESSAGES, map(_batch, shares))


def _batch(rows: Iterable[tuple[object, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _MESSAGES, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_MESSAGES)
