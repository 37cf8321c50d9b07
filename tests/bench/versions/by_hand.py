"""The same work by hand: one process that counts a session's events and scores its transactions linearly.

`python -m tests.bench.versions.by_hand BOOTSTRAP BROWSING TRANSACTIONS` reads both topics (full names) to
their ends and prints a line of JSON. It has no recovery, no lateness, no checks and publishes nothing: what a
stream costs at least. A scorer's rate is held against it.
"""

import json
import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

import orjson
from kafka import TopicPartition

from streamweir.broker.clients import consumer
from streamweir.connections import KafkaConnection
from streamweir.contracts.ecommerce_fraud import EVENT_LEVELS, LOOKBACK_S
from streamweir.contracts.messages import Headers

_WEIGHTS, _BIAS = (0.01, -0.02, 0.005, 0.001), -1.0
"""Of a session's counts and of the amount; any would do."""


class Sessions:
    """How many events of each level a session had within the lookback."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._batches: deque[tuple[int, list[tuple[str, int]]]] = deque()

    def see(self, ts: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take a batch of browsing rows, and forget those that are older than the lookback."""
        counts = self._counts
        seen = [(row["session_id"], EVENT_LEVELS.get(row["event_type"], 0)) for row in rows]
        for session, level in seen:
            counts[session][level] += 1
        self._batches.append((ts, seen))
        while self._batches[0][0] < ts - LOOKBACK_S:
            for session, level in self._batches.popleft()[1]:
                counts[session][level] -= 1
                if not any(counts[session]):
                    del counts[session]

    def score(self, row: Mapping[str, Any]) -> float:
        """A transaction's score."""
        counts = self._counts.get(row["session_id"], (0, 0, 0, 0))
        values = (*counts[1:], float(row["total_amount"] or 0))
        return _BIAS + sum(weight * value for weight, value in zip(_WEIGHTS, values, strict=True))


def work(bootstrap: str, browsing: str, transactions: str) -> dict[str, float]:
    """Read both topics to their ends; batches in the order of their sequence."""
    sessions, waiting, due = Sessions(), {}, 0
    rows = frauds = 0
    with closing(consumer(KafkaConnection(bootstrap))) as client:
        parts = [
            TopicPartition(topic, part)
            for topic in (browsing, transactions)
            for part in client.partitions_for_topic(topic)
        ]
        client.assign(parts)
        ends = client.end_offsets(parts)
        began, cpu = time.monotonic(), time.process_time()
        while any(client.position(part) < end for part, end in ends.items()):
            for found in client.poll(timeout_ms=500).values():
                for record in found:
                    if headers := Headers.decode(record.headers):
                        read = headers.ts, orjson.loads(record.value or b"[]")
                        waiting[headers.sequence, record.topic] = read
            while (due, browsing) in waiting and (due, transactions) in waiting:
                ts, seen = waiting.pop((due, browsing))
                _, bought = waiting.pop((due, transactions))
                sessions.see(ts, seen)
                frauds += sum(sessions.score(row) > 0 for row in bought)
                rows, due = rows + len(seen), due + 1
        seconds = time.monotonic() - began
    return {
        "rows": rows,
        "frauds": frauds,
        "rows_per_second": rows / seconds,
        "cpu_s": time.process_time() - cpu,
    }


if __name__ == "__main__":
    print(json.dumps(work(*sys.argv[1:])))
