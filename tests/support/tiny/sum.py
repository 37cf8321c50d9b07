"""A stage of `ticks`: the sum of the numbers so far; each step is one object, with its offsets."""

import json
from collections.abc import Callable
from copy import deepcopy

from streamweir.broker.follow import Follower
from streamweir.claims import DEFAULT_MOST_BYTES, Claim, fetch
from streamweir.cli import run
from streamweir.contracts.messages import Kind
from streamweir.errors import StreamHeld
from streamweir.objectstore import to_json
from streamweir.scorer.consumer import Setting, Step, consume


class Sum:
    """Goes on from the newest step's object."""

    def __init__(self, setting: Setting) -> None:
        self._store, self._stream = setting.store, setting.spec.stream
        [read] = setting.pipeline.reads
        self._topic = read.topic
        places = range(self._topic.partitions)
        self._at = {"batch_id": -1, "sum": 0, "max_ts": None}
        # By partition: the offset to go on from, and the sequence that is due there.
        self._at |= {"offsets": dict.fromkeys(places, 0), "due": {place: place for place in places}}
        if written := self._store.list(self._stream.commits):
            found = self._store.get_json(written[-1])
            self._at = found | {name: _numbered(found[name]) for name in ("offsets", "due")}
        self._follower = Follower(setting.kafka, self._topic.of(self._stream), self._at["offsets"])

    def stands(self) -> Step | None:
        return None if self._at["batch_id"] < 0 else self._step(0)

    def step(self, check: Callable[[], None]) -> Step | None:
        records = self._follower.poll(0.2)
        if not records:
            return None
        after = deepcopy(self._at)
        after["batch_id"] += 1
        rows = 0
        for record in records:
            said = record.said
            assert said is not None
            assert said.sequence == after["due"][record.partition]
            after["due"][record.partition] += self._topic.partitions
            after["offsets"][record.partition] = record.offset + 1
            after["max_ts"] = max(said.ts, after["max_ts"] or 0)
            if said.kind is Kind.BATCH:
                rows += said.rows
                after["sum"] += sum(
                    json.loads(fetch(self._store, Claim.read(record.value), DEFAULT_MOST_BYTES))
                )
        check()
        if self._store.put_if_absent(self._stream.commit(after["batch_id"]), to_json(after)) is None:
            raise StreamHeld(f"step {after['batch_id']} of {self._stream} was written by another process")
        self._at = after
        return self._step(rows)

    def close(self) -> None:
        self._follower.close()

    def _step(self, rows: int) -> Step:
        at = self._at
        ends = {self._topic.name: {str(place): offset for place, offset in at["offsets"].items()}}
        return Step(at["batch_id"], rows, min(at["due"].values()), at["max_ts"], ends)


def _numbered(value: dict[str, int]) -> dict[int, int]:
    return {int(place): number for place, number in value.items()}


if __name__ == "__main__":
    run(lambda: consume("ticks", Sum))
