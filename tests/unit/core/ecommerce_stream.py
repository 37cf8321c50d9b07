"""Small e-commerce streams for the tests of the scoring core: rows, messages, and how they may be read."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from random import Random
from typing import Any

from streamweir.contracts.messages import Headers, Kind
from streamweir_spark.core import Output, Received
from streamweir_spark.decode import decode
from streamweir_spark.ecommerce_fraud.domain import Domain
from streamweir_spark.ecommerce_fraud.features import Customer
from streamweir_spark.ecommerce_fraud.reader import READER, opened
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.shard import work

START = 1_700_000_000
PARTITIONS = 4
CUSTOMERS = {
    "7": Customer("F", date(1990, 6, 15), date(2019, 3, 1)),
    "29": Customer("M", date(2000, 2, 29), date(2021, 12, 31)),
}


def domain(needs: ModelNeeds | None = None, **settings: Any) -> Domain:
    """The domain with the test's two customers."""
    return Domain(CUSTOMERS, needs or ModelNeeds(), **settings)


def browsing(session: str = "s", event: str = "HP", time: str = "2024-01-01 00:00:00", **more: Any) -> dict:
    """A browsing row without ts."""
    row = {"session_id": session, "event_type": event, "event_time": time, "traffic_source": "MOBILE"}
    return row | {"device_type": "Android", "customer_id": "7"} | more


def transaction(name: str = "t", session: str = "s", time: str = "2024-01-01 00:00:10", **more: Any) -> dict:
    """A transaction without ts that can be scored."""
    row = {
        "created_at": time,
        "customer_id": "7",
        "transaction_id": name,
        "session_id": session,
        "product_metadata": "[{'product_id': 3231, 'quantity': 2, 'item_price': 367619}]",
        "payment_method": "Gopay",
        "payment_status": "Success",
        "promo_amount": "0",
        "promo_code": "",
        "shipment_fee": "10000",
        "shipment_location_lat": "-8.5",
        "shipment_location_long": "112.25",
        "total_amount": "745238",
        "clear_payment": "1",
    }
    return row | more


def message(
    topic: str,
    sequence: int,
    rows: Sequence[dict],
    *,
    ts: int | None = None,
    kind: Kind = Kind.BATCH,
    value: bytes | None = None,
    announced: int | None = None,
) -> Received:
    """A message as the replay sends it; offset and append time follow from the sequence."""
    ts = START + sequence if ts is None else ts
    headers = Headers("run", sequence, sequence, ts, kind, len(rows) if announced is None else announced)
    content = json.dumps([{"ts": ts} | row for row in rows]).encode() if value is None else value
    place = sequence % PARTITIONS
    return Received(topic, place, 10 * sequence, 1_000_000 * sequence, headers.encode(), content)


def batch(
    sequence: int, seen: Sequence[dict] = (), bought: Sequence[dict] = (), **more: Any
) -> list[Received]:
    """A batch's two messages."""
    return [message("browsing", sequence, seen, **more), message("transactions", sequence, bought, **more)]


def run(messages: Iterable[Received], dom: Domain | None = None, shards: int = 1) -> list[Output]:
    """All outputs when the messages are read in one go."""
    return run_apart([list(messages)], dom or domain(), shards)


def run_apart(micro_batches: Iterable[Sequence[Received]], dom: Domain, shards: int) -> list[Output]:
    """All outputs when the messages are read in these micro-batches."""
    states: dict[int, bytes] = {}
    found: list[Output] = []
    for messages in micro_batches:
        parts = list(decode(messages, shards, READER))
        for shard in range(shards):
            mine = [part for part in parts if part.shard == shard]
            states[shard], outputs = work(states.get(shard), mine, dom)
            found += outputs
    return found


def fall_apart(messages: Sequence[Received], random: Random) -> list[list[Received]]:
    """Micro-batches as Kafka may give them: any topic or partition first, each partition in its order."""
    logs: dict[tuple[str, int], list[Received]] = {}
    for one in sorted(messages, key=lambda one: one.offset):
        logs.setdefault((one.topic, one.partition), []).append(one)
    found: list[list[Received]] = [[]]
    while logs:
        place = random.choice(sorted(logs))
        count = random.randint(1, 4)
        found[-1] += logs[place][:count]
        logs[place] = logs[place][count:]
        if not logs[place]:
            del logs[place]
        if random.random() < 0.5:
            found.append([])
    # Within a micro-batch Spark promises no order at all.
    for micro_batch in found:
        random.shuffle(micro_batch)
    return found


def plain(rows: Any) -> Any:
    """A shard's rows of a message, browsing rows by column: equal ones may be packed in other bytes."""
    return opened(rows).to_pydict() if isinstance(rows, bytes) and rows else rows


def scored(outputs: Iterable[Output], dom: Domain) -> list[dict]:
    """The scored rows with their columns by name."""
    names = [column.name for column in dom.scored_columns]
    return [
        output._asdict() | dict(zip(names, output.values, strict=True))
        for output in outputs
        if output.kind == "scored"
    ]


def rejected(outputs: Iterable[Output]) -> list[Output]:
    """The rejected records."""
    return [output for output in outputs if output.kind == "rejected"]


def without_frontiers(outputs: Iterable[Output]) -> list[Output]:
    """What must not depend on micro-batches, in a fixed order; the tallies of all shards summed up."""
    sums: dict[Any, int] = {}
    lines = []
    for output in outputs:
        if output.kind == "closed":
            lines.append(output._replace(sequence=None, ts=None))
        elif output.kind == "tally":
            key = output._replace(rows=None)
            sums[key] = sums.get(key, 0) + (output.rows or 0)
        elif output.kind != "frontier":
            lines.append(output)
    lines += [key._replace(rows=rows) for key, rows in sums.items()]
    return sorted(
        lines, key=lambda o: (o.kind, o.topic, o.partition, o.offset, -1 if o.row is None else o.row)
    )
