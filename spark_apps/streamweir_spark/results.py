"""What a pipeline adds to the generic sink: how its scored rows become tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
from pyspark.sql import DataFrame

Rows = list[tuple[object, ...]]


class Results(Protocol):
    """How what the shards put out in a micro-batch becomes rows of the pipeline's tables.

    probes: rows of the core, as far as a model reads them, that it should be able to score.
    """

    probes: Sequence[Mapping[str, object]]

    def score(self, scored: DataFrame) -> DataFrame:
        """The rows of the table `Pipeline.scored_table`, its columns in any order, from the core's scored
        rows; and UNSCORABLE, which says why a row has no score.

        Every column of the core's outputs is there to be taken along, and `scored_at`. Not called for a
        pipeline without one.
        """

    def figures(
        self, totals: Any, scored: pa.Table, max_ts: int | None, closed: Sequence[tuple[object, ...]]
    ) -> tuple[Any, Mapping[str, Rows]]:
        """The next totals, and by table the rows that are now final, as tuples in the table's column order.

        Timestamps are microseconds since the epoch. totals: of the micro-batch before, None at first; JSON.
        closed: what the domain's `closed` gave, of all shards.
        """
