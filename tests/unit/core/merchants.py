"""Small streams of payments for the tests: chunks, their messages, and what the detector makes of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from streamweir.contracts.merchant_patterns import Rules
from streamweir.contracts.messages import Headers, Kind
from streamweir_spark.core import Output, Received
from streamweir_spark.decode import decode
from streamweir_spark.merchant_patterns.domain import Domain
from streamweir_spark.merchant_patterns.patterns import places_of
from streamweir_spark.merchant_patterns.reader import READER
from streamweir_spark.shard import work

START = 1_700_000_000
PARTITIONS = 2
HEADER = b"step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud"


def payment(customer: str, merchant: str, amount: str = "10", gender: str = "F") -> bytes:
    """A row as the file has it."""
    row = f"0,'{customer}','4','{gender}','28007','{merchant}','28007','es_food',{amount},0"
    return row.encode()


def chunk_of(rows: Sequence[bytes], end: bytes = b"\n") -> bytes:
    """A chunk's object."""
    return b"".join(row + end for row in (HEADER, *rows))


def message(sequence: int, rows: Sequence[bytes] = (), kind: Kind = Kind.BATCH, **more: Any) -> Received:
    """A message with the chunk's object in place of the claim to it. more: `value`, `run`, `ts`, `count`."""
    count = more.get("count", len(rows))
    headers = Headers(
        more.get("run", "run"), sequence, sequence, more.get("ts", START + sequence), kind, count
    )
    value = more.get("value", chunk_of(rows))
    return Received(
        "chunks", sequence % PARTITIONS, sequence // PARTITIONS, 5_000_000, headers.encode(), value
    )


class Result(NamedTuple):
    """What was closed, all other outputs but the frontier, and every output in its order."""

    closed: list[tuple[Any, ...]]
    outputs: list[Output]
    every: list[Output]

    @property
    def detections(self) -> list[tuple[Any, ...]]:
        """Chunk, pattern, merchant and customer, in order."""
        return [values[1:] for values in self.closed if values]

    def rejected(self) -> list[tuple[int | None, str | None]]:
        """Rows and details of what was not used."""
        return [(one.row, one.detail) for one in self.outputs if one.kind == "rejected"]

    def used(self) -> int:
        """How many payments were counted."""
        return sum(one.rows or 0 for one in self.outputs if one.kind == "tally")


def run(messages: Iterable[Received], importance: Iterable[Mapping[str, str]] = (), **options: Any) -> Result:
    """What the detector makes of the messages in one micro-batch."""
    return run_apart([list(messages)], importance, **options)


def run_apart(
    micro_batches: Iterable[Sequence[Received]],
    importance: Iterable[Mapping[str, str]] = (),
    **options: Any,
) -> Result:
    """The same when they are read in these micro-batches, each by a domain of its own as after a restart."""
    rules = Rules.of(options)
    places = places_of(importance, rules)
    state = None
    outputs: list[Output] = []
    for messages in micro_batches:
        state, found = work(state, list(decode(messages, 1, READER)), Domain(rules, places))
        outputs += found
    closed = [one.values or () for one in outputs if one.kind == "closed"]
    return Result(closed, [one for one in outputs if one.kind not in ("closed", "frontier")], outputs)
