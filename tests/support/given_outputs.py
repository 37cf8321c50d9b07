"""A placement whose outputs are given, for tests of what becomes of them."""

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import DataFrame

from streamweir.commits import Commit
from streamweir_spark.core import Output
from streamweir_spark.outputs import in_order, named, split
from streamweir_spark.placement import Outputs

STATE = b"what the shard remembers"


class _Frame:
    """Takes the place of what Spark computes."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = outputs

    def toArrow(self) -> Sequence[Output]:
        return self._outputs


def frame_of(outputs: Sequence[Output]) -> DataFrame:
    """What a sink is given of a micro-batch that puts these out."""
    return cast(DataFrame, _Frame(outputs))


class Given:
    """See `streamweir_spark.placement.Placement`."""

    frame = cast(DataFrame, None)

    def __init__(self, scored_schema: pa.Schema) -> None:
        self.scored_schema = scored_schema

    def outputs(self, found: Any, before: Commit) -> Outputs:
        scored, others = split(found, self.scored_schema)
        state = STATE + str(before.batch_id + 1).encode()
        return Outputs(in_order(scored), named(others), len(state), state)
