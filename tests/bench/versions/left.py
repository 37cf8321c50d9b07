"""What a version leaves on a stream: commit records, messages and alerts. All versions write them alike."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from streamweir.broker.follow import Follower
from streamweir.broker.records import log_end, read_topic
from streamweir.contracts.card_fraud import ALERTS_TOPIC
from streamweir.contracts.messages import Kind
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, RunFailed
from tests.bench.versions.version import Version, waited_for

_LISTEN_S = 0.05


@dataclass(frozen=True)
class Committed:
    """A micro-batch's commit. at: Unix seconds when its output was readable. next_sequence: the first that
    was not worked on."""

    at: float
    next_sequence: int


@dataclass(frozen=True)
class Message:
    """A message of an input topic. appended_at: Unix seconds, by Kafka."""

    rows: int
    appended_at: float


def await_commits(
    version: Version, stream: Stream, keeper: subprocess.Popen[bytes], sequence: int
) -> list[Committed]:
    """The stream's commits, oldest first, until the one that worked on the sequence; waits for it.

    Raises RunFailed when the scorer ends before.
    """
    store = version.store

    def look() -> list[Committed]:
        if keeper.poll() is not None:
            raise RunFailed(
                f"{version.name}: the scorer of {stream} ended with {keeper.returncode}; "
                f"its log is in {version.var}"
            )
        found = store.list(stream.commits)
        if not found or _committed(store.get_json(found[-1])).next_sequence <= sequence:
            return []
        return [_committed(store.get_json(key)) for key in found]

    commits: list[Committed] = waited_for(look, f"the scorer of {stream}")
    last = next(place for place, commit in enumerate(commits) if commit.next_sequence > sequence)
    return commits[: last + 1]


def messages(version: Version, stream: Stream, topic: str) -> dict[int, Message]:
    """The batches of one of the stream's topics by sequence."""
    return {
        record.headers.sequence: Message(record.headers.rows, record.appended_ms / 1000)
        for record in read_topic(version.kafka, stream.topic(topic))
        if record.headers and record.headers.kind is Kind.BATCH
    }


def await_messages(version: Version, stream: Stream, topic: str) -> None:
    """Wait until one of the stream's topics is there and holds a message."""

    def look() -> bool:
        try:
            return any(log_end(version.kafka, stream.topic(topic)).values())
        except BadConfiguration:
            return False

    waited_for(look, f"the replay to {stream}")


@contextmanager
def alerts(version: Version, stream: Stream) -> Iterator[dict[int, float]]:
    """When alerts were received (Unix seconds), by the transaction's number, while the block runs."""
    received: dict[int, float] = {}
    topic, ended = ALERTS_TOPIC.of(stream), threading.Event()
    follower = Follower(version.kafka, topic, log_end(version.kafka, topic))

    def listen() -> None:
        while not ended.is_set():
            for record in follower.poll(_LISTEN_S):
                received[json.loads(record.value)["transaction_id"]] = time.time()
        follower.close()

    listener = threading.Thread(target=listen, name="alerts", daemon=True)
    listener.start()
    try:
        yield received
    finally:
        ended.set()
        listener.join()


def _committed(record: Mapping[str, Any]) -> Committed:
    return Committed(record["committed_at"] / 1e6, record["next_sequence"])
