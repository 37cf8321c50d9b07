"""A placement whose outputs are given, for tests of what becomes of them."""

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import DataFrame

from streamweir.commits import Commit
from streamweir_spark.core import Output
from streamweir_spark.ids import Block, Ids
from streamweir_spark.memory import Memory
from streamweir_spark.outputs import in_order, named, split
from streamweir_spark.placement import Outputs

WORKING = b"what the shard remembers"


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
        self._next, self._blocks = 0, tuple[Block, ...]()

    def go_on(self, last: Commit, memory: Memory | None) -> None:
        if memory is None:
            raise AssertionError(f"nothing is kept of micro-batch {last.batch_id}")
        self._next, self._blocks = last.batch_id + 1, memory.blocks

    def outputs(self, found: Any) -> Outputs:
        scored, others = split(found, self.scored_schema)
        ids = Ids(0, self._blocks)
        ids.look_up([b"%016d" % self._next])
        ids.first_time(b"%016d" % self._next, self._next)
        # Those of the one before make no duplicates any more.
        self._blocks = ids.dump(self._next)
        memory = Memory(WORKING + str(self._next).encode(), self._blocks)
        self._next += 1
        return Outputs(in_order(scored), named(others), memory.size, memory)
