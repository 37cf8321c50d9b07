"""More than ten thousand hostile messages in a replay on real servers: good rows scored as without them.

Each bad record must be in `rejected` under the reason that its maker gave it, and the scorer must not grow.
"""

import io
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.replay.plan import Request
from streamweir.replay.produced import Manifest
from streamweir.replay.replayer import replay
from streamweir.scorer.status import Status
from tests.support.hostile import Hostile
from tests.support.scoring import Scoring, processes

BATCHES = 40
HOSTILE_PER_BATCH, FOREIGN_PER_BATCH = 120, 60
MAX_MESSAGES = 800
REQUEST = Request("f" * 64, speed=0, start_ts=1_700_000_000)
GROWTH_ALLOWED = 1.25
"""What the last third of a run may need more than the middle third: the heap breathes."""


@dataclass
class Memory:
    """What a scorer needed, sampled at its micro-batches. shares: (sequence, bytes) of driver and workers."""

    stream: Stream
    shares: list[tuple[int, int]] = field(default_factory=list)
    state_bytes: int = 0

    def look(self, status: Status) -> None:
        """Take a sample after each micro-batch; PSS, so that pages which processes share count once."""
        if self.shares and self.shares[-1][0] == status.next_sequence:
            return
        needed = sum(map(_pss, family(self.stream)))
        self.shares.append((status.next_sequence, needed))
        self.state_bytes = status.state_memory_bytes

    def third(self, number: int, last: int) -> int:
        """The median need while that third of the sequences was worked on."""
        found = [
            need for at, need in self.shares if at and number * last // 3 <= at < (number + 1) * last // 3
        ]
        return int(median(found))


def test_good_rows_are_scored_as_without_ten_thousand_hostile_messages(
    scoring: Scoring, make_run: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, mixed = make_run(), make_run()
    hostile = Hostile(PIPELINE, 2026, HOSTILE_PER_BATCH, FOREIGN_PER_BATCH)
    undisturbed = send(scoring, clean)
    with monkeypatch.context() as patch:
        hostile.mix_into(patch)
        manifest = send(scoring, mixed)
    for run in (clean, mixed):
        scoring.begin(run.stream, max_messages=MAX_MESSAGES)
    memory, quiet = finish(scoring, mixed, manifest), finish(scoring, clean, undisturbed)

    sent = hostile.messages.total() + hostile.foreign.total()
    thirds = [memory.third(number, manifest.flush_sequence) for number in range(3)]
    tell(hostile, quiet, memory, thirds)
    assert sent > 10_000
    ledger = scoring.reconcile(mixed)
    assert (ledger.ok, ledger.foreign) == (True, hostile.foreign.total())
    scoring.reconcile(clean)
    own = reasons(table(scoring, clean, "rejected"))
    assert reasons(table(scoring, mixed, "rejected")) == own + hostile.expected
    for name in ("predictions", "fraud_windows", "sold_quantity", "top_products", "top_categories"):
        expected, found = (comparable(table(scoring, run, name)) for run in (clean, mixed))
        assert expected.num_rows > 1
        assert found.equals(expected)
    # What is remembered is what good rows leave; a driver that kept hostile ones would need more and more.
    assert memory.state_bytes <= 2 * quiet.state_bytes + 2**20
    assert thirds[2] <= GROWTH_ALLOWED * thirds[1]


def send(scoring: Scoring, run: Run) -> Manifest:
    return replay(run, REQUEST, kafka=scoring.servers.kafka, store=scoring.store, folder=scoring.folder)


def finish(scoring: Scoring, run: Run, manifest: Manifest) -> Memory:
    """What the scorer needed until everything was read; it is stopped then."""
    memory = Memory(run.stream)
    scoring.await_sequence(run.stream, manifest.flush_sequence, memory.look)
    scoring.await_offsets(run.stream, manifest.offsets)
    scoring.stop(run.stream)
    return memory


def tell(hostile: Hostile, quiet: Memory, memory: Memory, thirds: list[int]) -> None:
    """The figures, for whoever runs this with -s."""
    records = Counter[str]()
    for (_, _, reason), rows in hostile.expected.items():
        records[reason] += rows
    peak, before = (max(need for _, need in one.shares) >> 20 for one in (memory, quiet))
    lines = (
        f"malformed or late: {hostile.messages.total():,} sent: {dict(sorted(hostile.messages.items()))}",
        f"foreign: {hostile.foreign.total():,} messages: {dict(sorted(hostile.foreign.items()))}",
        f"records by reason: {dict(records)}",
        f"memory by third: {[need >> 20 for need in thirds]} MiB; peak {peak} MiB, without them {before} MiB",
        f"state: {memory.state_bytes:,} bytes, without them {quiet.state_bytes:,}",
    )
    sys.stdout.write("\n" + "\n".join(lines) + "\n")


def family(stream: Stream) -> list[psutil.Process]:
    """The driver and its Python workers."""
    found: list[psutil.Process] = []
    for process in processes(stream, "SparkSubmit"):
        # One that has ended meanwhile needs nothing any more.
        with suppress(psutil.Error):
            found += [process, *process.children(recursive=True)]
    return found


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def table(scoring: Scoring, run: Run, name: str) -> pa.Table:
    return pq.read_table(io.BytesIO(scoring.store.get(run.table_file(name)) or b""))


def reasons(rejected: pa.Table) -> Counter[tuple[str, int, str]]:
    """Rows by topic, batch and reason, without the foreign messages; each has a detail and its bytes."""
    assert rejected["detail"].null_count == 0
    own = rejected.filter(pc.field("reason") != "foreign")
    assert own["raw"].null_count == 0
    found = Counter[tuple[str, int, str]]()
    for row in own.select(["topic", "batch_index", "reason", "rows"]).to_pylist():
        found[row["topic"], row["batch_index"], row["reason"]] += row["rows"]
    return +found


def comparable(frame: pa.Table) -> pa.Table:
    return frame.drop_columns([name for name in ("scored_at",) if name in frame.column_names])
