"""How fast the pure scoring core is, on one core and without Spark: `python -m tests.bench.core`.

Prints a line per figure: rows a second of CPU time, the best of several rounds over one generated dataset.
"""

import csv
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from streamweir.contracts.ecommerce_fraud import BROWSING_TOPIC, PIPELINE, TRANSACTIONS_TOPIC
from streamweir.datagen import generator
from streamweir.progress import no_progress
from streamweir.replay.ecommerce_fraud import batches
from streamweir_spark.core import Output, OutputKind, Part, Received
from streamweir_spark.decode import decode
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import customers_of
from streamweir_spark.ecommerce_fraud.figures import Figures, ScoredRow
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.local import LocalBatch, messages
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.shard import work

SHARDS = PIPELINE.shards
BATCHES = 200
BATCHES_IN_MICRO_BATCH = 50
ROUNDS = 7


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generator("ecommerce_fraud")(folder, seed=1, batches=BATCHES, history_batches=1, progress=no_progress)
        domain = Domain(customers_of(_customers(folder)), ModelNeeds())
        sent = _messages(folder, domain)
    seen = [one for one in sent if one.topic == BROWSING_TOPIC.name]
    bought = [one for one in sent if one.topic == TRANSACTIONS_TOPIC.name]
    browsing, transactions = _rows(seen), _rows(bought)
    say = "{:48} {:>12,.0f} rows/s".format
    lines = [
        say(
            "browsing, JSON alone", browsing / _best(lambda: [orjson.loads(one.value or b"") for one in seen])
        ),
        say("browsing, decode", browsing / _best(lambda: _decode(seen))),
        say("transactions, decode", transactions / _best(lambda: _decode(bought))),
    ]
    parts = _decode(sent)
    lines.append(
        say(
            f"browsing, work (with {transactions:,} transactions)",
            browsing / _best(lambda: _work(parts, domain)),
        )
    )
    scored = _scored(_work(parts, domain), domain)
    lines.append(say("scored transactions, figures", len(scored) / _best(lambda: _figures(scored))))
    sys.stdout.write("\n".join(lines) + "\n")


def _best(measured: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        measured()
        found.append(time.process_time() - start)
    return min(found)


def _messages(folder: Path, domain: Domain) -> list[Received]:
    found: list[Received] = []
    for batch in batches(folder):
        rows = {topic: [dict(row) for row in rows] for topic, rows in batch.rows.items()}
        found += messages(batch.index, LocalBatch(batch.index, rows), domain.reads)
    return found


def _rows(sent: list[Received]) -> int:
    return sum(len(orjson.loads(one.value or b"")) for one in sent)


def _decode(sent: list[Received]) -> list[Part]:
    return list(decode(sent, SHARDS, READER))


def _work(parts: list[Part], domain: Domain) -> list[Output]:
    """All parts, in micro-batches as a scorer that catches up has them."""
    found: list[Output] = []
    states: dict[int, bytes] = {}
    for first in range(0, BATCHES, BATCHES_IN_MICRO_BATCH):
        taken = range(first, first + BATCHES_IN_MICRO_BATCH)
        for shard in range(SHARDS):
            mine = [part for part in parts if part.shard == shard and part.sequence in taken]
            states[shard], outputs = work(states.get(shard), mine, domain)
            found += outputs
    return found


def _scored(outputs: list[Output], domain: Domain) -> list[ScoredRow]:
    place = [column.name for column in domain.scored_columns].index("product_metadata")
    return [
        ScoredRow(one.ts or 0, 0, str((one.values or ())[place]))
        for one in outputs
        if one.kind == OutputKind.SCORED
    ]


def _figures(scored: list[ScoredRow]) -> object:
    return Figures({}).advance(None, scored, BATCHES + PIPELINE.flush_after_s)


def _customers(folder: Path) -> list[dict[str, str | None]]:
    with (folder / "customer.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
