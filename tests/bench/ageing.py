"""What a micro-batch and a start cost with 10,000,000 remembered ids, beside a new stream, in turns.

`python -m tests.bench.ageing`: CPU time of the core in the driver and of what it keeps, with a store in
memory; without Spark, the model, and the process of the store. Beside those the difference is smaller.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, cast

import numpy as np
import orjson

from streamweir.commits import BEGINNING, Commit
from streamweir.contracts.card_fraud import TRANSACTIONS_TOPIC
from streamweir.contracts.card_fraud.dataset import NUMBER_NAMES
from streamweir.contracts.messages import RETENTION_S, Headers, Kind
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir_spark.card_fraud.domain import Domain
from streamweir_spark.card_fraud.reader import READER
from streamweir_spark.core import Part, Received
from streamweir_spark.decode import decode
from streamweir_spark.ids import ID_BYTES, Block, Ids
from streamweir_spark.kept import Kept
from streamweir_spark.memory import Memory
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.shard import Shard
from tests.support.memory_store import MemoryStore

IDS, EACH = 10_000_000, 10_000
"""What an old stream remembers, and how many ids its micro-batches brought."""
MICRO_BATCHES, TRANSACTIONS = 64, 1_000
STREAM, START = Stream("card_fraud", "bench"), 1_700_000_000


class Driver:
    """A driver's core and what it keeps. memory: what it begins with."""

    def __init__(self, memory: Memory) -> None:
        self.store = MemoryStore()
        self._kept = Kept(cast(ObjectStore, self.store), STREAM)
        self._shard = Shard(Domain(ModelNeeds()))
        self.last = BEGINNING
        self._keep(memory)
        self.open()

    def open(self) -> None:
        """What a start does before the first micro-batch."""
        memory = self._kept.memory(self.last)
        self._shard = Shard(Domain(ModelNeeds()), memory)

    def work(self, parts: Sequence[Part]) -> None:
        """A micro-batch."""
        self._shard.work(parts)
        self._keep(self._shard.dump())

    def _keep(self, memory: Memory) -> None:
        number = self.last.batch_id + 1
        objects, said = self._kept.to_keep(number, self.last, None, memory)
        for key, data in objects.items():
            self.store.put(key, data)
        record = Commit(number, **said)
        self._kept.drop(self.last, record)
        self.last = record


def main() -> None:
    """Print the figures."""
    blocks, making = _blocks()
    working = Shard(Domain(ModelNeeds())).dump().working
    new, old = Driver(Memory(working, ())), Driver(Memory(working, blocks))
    spent: dict[Driver, list[float]] = {new: [], old: []}
    for parts in _micro_batches():
        for driver, found in spent.items():
            found.append(_seconds(lambda: driver.work(parts)))  # noqa: B023
    mean = {driver: sum(found) / len(found) for driver, found in spent.items()}
    starts = median(_seconds(old.open) for _ in range(5))
    _say(f"{IDS:,} ids in {len(blocks)} blocks, {sum(len(block.data) for block in blocks) >> 20} MiB")
    _say(f"to look them up, enter and merge them: {making / IDS * 1e6:.2f} us of CPU an id")
    _say(
        f"a micro-batch of {TRANSACTIONS:,} transactions, ms of CPU: new {mean[new] * 1e3:.1f}, old "
        f"{mean[old] * 1e3:.1f}, ratio {mean[old] / mean[new]:.3f} (mean of {MICRO_BATCHES} each, in turns)"
    )
    _say(f"to open the memory at a start: {starts:.2f} s of CPU")


def _blocks() -> tuple[tuple[Block, ...], float]:
    """What an old stream has, and the CPU time that it took."""
    ids, random, spent = Ids(RETENTION_S), np.random.default_rng(7), 0.0
    for _ in range(IDS // EACH):
        data = random.bytes(EACH * ID_BYTES)
        found = [data[place : place + ID_BYTES] for place in range(0, len(data), ID_BYTES)]
        spent += _seconds(lambda: _enter(ids, found))  # noqa: B023
    return ids.dump(START), spent


def _enter(ids: Ids, found: Sequence[bytes]) -> None:
    ids.look_up(found)
    if not all(ids.first_time(id, START) for id in found):
        raise AssertionError("random ids repeat")
    ids.dump(START)


def _micro_batches() -> Iterator[list[Part]]:
    values: dict[str, Any] = {"event_time": "2023-11-14T22:13:20+00:00", **dict.fromkeys(NUMBER_NAMES, 0.5)}
    partitions = TRANSACTIONS_TOPIC.partitions
    for first in range(0, MICRO_BATCHES * TRANSACTIONS, TRANSACTIONS):
        sent = []
        for number in range(first, first + TRANSACTIONS):
            headers = Headers("r", number, number, START, Kind.BATCH, 1).encode()
            value = orjson.dumps({"transaction_id": number, **values, "Class": 0})
            place = number % partitions, number // partitions
            sent.append(Received("transactions", *place, 0, headers, value))
        yield list(decode(sent, 1, READER))


def _seconds(measured: Callable[[], object]) -> float:
    began = time.process_time()
    measured()
    return time.process_time() - began


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
