"""A stage of `ticks`: the sum of the numbers so far; each step is a commit record, with its offsets."""

import json
from collections.abc import Callable
from copy import deepcopy

from streamweir.broker.follow import Follower
from streamweir.claims import Claim, fetch, most_bytes_of_env
from streamweir.cli import run
from streamweir.commits import BEGINNING, Commit, newest
from streamweir.contracts.messages import Kind
from streamweir.scorer.account import Account, commit
from streamweir.scorer.consumer import Setting, Step, consume


class Sum:
    """Goes on from the newest step's record."""

    def __init__(self, setting: Setting) -> None:
        self._store, self._stream, self._pipeline = setting.store, setting.spec.stream, setting.pipeline
        [read] = setting.pipeline.reads
        self._topic = read.topic
        places = [str(place) for place in range(self._topic.partitions)]
        # By partition: the offset to go on from, and the sequence that is due there.
        start = {
            "sum": 0,
            "offsets": dict.fromkeys(places, 0),
            "due": {place: int(place) for place in places},
        }
        self._last = newest(self._store, self._stream, None) or Commit(BEGINNING.batch_id, state=start)
        offsets = {int(place): offset for place, offset in self._last.state["offsets"].items()}
        self._follower = Follower(setting.kafka, self._topic.of(self._stream), offsets)

    def stands(self) -> Step | None:
        return None if self._last.batch_id < 0 else self._step()

    def step(self, check: Callable[[], None]) -> Step | None:
        records = self._follower.poll(0.2)
        if not records:
            return None
        state, max_ts = deepcopy(self._last.state), self._last.max_ts
        account = Account(self._stream, self._pipeline)
        for record in records:
            headers, place = record.headers, str(record.partition)
            assert headers is not None
            assert headers.sequence == state["due"][place]
            state["due"][place] += self._topic.partitions
            state["offsets"][place] = record.offset + 1
            max_ts = max(headers.ts, max_ts or 0)
            if headers.kind is Kind.BATCH:
                numbers = json.loads(fetch(self._store, Claim.read(record.value), most_bytes_of_env()))
                state["sum"] += sum(numbers)
                account.work(record, len(numbers))
        check()
        step = Commit(
            self._last.batch_id + 1, next_sequence=min(state["due"].values()), max_ts=max_ts, state=state
        )
        self._last = commit(self._store, self._stream, step, account.tables())
        return self._step()

    def close(self) -> None:
        self._follower.close()

    def _step(self) -> Step:
        last = self._last
        ends = {self._topic.name: last.state["offsets"]}
        return Step(last.batch_id, last.rows, last.next_sequence, last.max_ts, ends)


if __name__ == "__main__":
    run(lambda: consume("ticks", Sum))
