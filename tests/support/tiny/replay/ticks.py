"""The replay of `ticks`: batch k holds k % 5 numbers of its moment, in an object that its message names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from streamweir.claims import Claim
from streamweir.contracts.streams import ObjectKey
from streamweir.replay.batches import Batch, Row
from streamweir.replay.plan import Options

BATCH_ROWS = 1
made: list[int] = []
"""The batches that were made, in order."""


class Numbers(Sequence[Any]):
    """The rows of a batch: how many they are, and the claim to them."""

    def __init__(self, claim: Claim, length: int) -> None:
        self.claim, self._length = claim, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        raise AssertionError("the rows lie in the object")


@dataclass(frozen=True)
class Ticks:
    """A pure function of the run's plan and the batch's index."""

    limit: int | None
    plan: Any = None
    store: Any = None
    rows = finding = None
    labels = ()

    @property
    def seconds(self) -> Sequence[float] | None:
        return None if self.limit is None else range(self.limit)

    def made_for(self, plan: Any, store: Any) -> "Ticks":
        return replace(self, plan=plan, store=store)

    def batches(self, first: int = 0) -> Iterator[Batch]:
        for index in count(first) if self.limit is None else range(first, self.limit):
            made.append(index)
            data = numbers(self.plan.start_ts, index, self.plan.options["step"])
            claim = Claim.of(ObjectKey("datasets", f"ticks/{self.plan.stream}/{index:06d}.json"), data)
            self.store.put_if_absent(claim.key, data)
            yield Batch(index, index, {"ticks": Numbers(claim, index % 5)})


def numbers(start_ts: int, index: int, step: int) -> bytes:
    """The object of a batch."""
    return orjson.dumps([start_ts + index * step] * (index % 5))


def recording(
    folder: Path, *, batch_rows: int, limit: int | None, unsorted_ok: bool, options: Options
) -> Ticks:
    return Ticks(limit)


def value(rows: Sequence[Row], ts: int) -> bytes:
    return orjson.dumps(rows.claim.to_json() if isinstance(rows, Numbers) else {})


def facts(rows: Mapping[str, Sequence[Row]], options: Options) -> dict[str, int]:
    return {"odd": len(rows["ticks"]) % 2}
