"""Examples to learn fraud from: the transactions as a replay would send them, through the scorer's reader."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from streamweir.arrow import arrow_schema
from streamweir.contracts.card_fraud import MODEL_COLUMNS
from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS, COMPONENTS, FILE
from streamweir.contracts.messages import Headers, Kind
from streamweir.errors import RejectRecord
from streamweir.replay.batches import virtual_ts
from streamweir.replay.card_fraud import recording, value
from streamweir_spark.card_fraud.domain import SCORED_COLUMNS
from streamweir_spark.card_fraud.reader import READER, Transaction
from streamweir_spark.columns import core_arrow_schema
from streamweir_spark.training.examples import LABEL, Examples

FILES = (FILE,)
"""What training reads of a dataset."""

NUMBERS = tuple(column.name for column in (*COMPONENTS, AMOUNT))
"""What the models learn from. Not Time: what lies later is never like what was."""

_START_TS = 1_600_000_000
"""Any start of the virtual clock will do: no input of the models depends on it."""


def examples(folder: Path) -> Examples:
    """The transactions that can be scored and have a class, in order of Time.

    Raises DatasetUnusable with file, line and column.
    """
    rows = list(_scorable(folder))
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCORED_COLUMNS)
    core = core_arrow_schema(SCORED_COLUMNS)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, core, strict=True)]
    table = pa.table(arrays, core).cast(arrow_schema(SCORED_COLUMNS))
    labels = table[CLASS.name].cast(pa.float64())
    known = table.select([column.name for column in MODEL_COLUMNS]).append_column(LABEL, labels)
    return Examples(known, NUMBERS, ())


def _scorable(folder: Path) -> Iterator[tuple[object, ...]]:
    for batch in recording(folder).batches():
        ts = virtual_ts(_START_TS, batch.second)
        headers = Headers("training", batch.index, batch.index, ts, Kind.BATCH, 1)
        for topic, rows in batch.rows.items():
            found = _read(topic, headers, value(rows, ts))
            if found is not None and found.values is not None and found.values[-1] is not None:
                yield found.values


def _read(topic: str, headers: Headers, message: bytes) -> Transaction | None:
    try:
        shares, _ = READER.read(topic, headers, message, 1)
    except RejectRecord:
        return None
    share = shares[0]
    return Transaction(*share) if isinstance(share, tuple) else None
