"""How long it takes to compare two runs of a million rows, and in how much memory.

`python -m tests.bench.comparing [ROWS]`. Two models' scores of the same rows: nearly all differ, and some
decisions. The store is a folder.
"""

import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.arrow import schema_of
from streamweir.comparison import compare
from streamweir.contracts.card_fraud import SCORED
from streamweir.contracts.ecommerce_fraud import PREDICTIONS
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Table
from streamweir.objectstore import ObjectStore
from tests.support.folder_store import FolderStore
from tests.support.made_up_pair import BEGAN, made_up_run
from tests.support.memory_store import MemoryStore

ROWS = 1_000_000
TABLES = {"card_fraud": SCORED, "ecommerce_fraud": PREDICTIONS}
_START_US = int(BEGAN.timestamp() * 1e6)


def main(rows: int) -> None:
    """Measure and print, a line per pipeline."""
    for name, table in TABLES.items():
        with tempfile.TemporaryDirectory() as folder:
            store = FolderStore(Path(folder))
            runs = [made_up_run(store, name, run, rows=0) for run in ("first", "second")]
            for seed, run in enumerate(runs, start=1):
                pq.write_table(
                    scored(table, rows, seed), store.file(run.table_file(table.name)), compression="zstd"
                )
            # A process of its own: its peak is the comparison's.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found, seconds, cpu, peak = pool.apply(measured, (store, *runs))
        differing = next(one for one in found["tables"] if one["table"] == table.name)["differing"]["rows"]
        labelled = (found["quality"] or {"rows": 0})["rows"]
        print(
            f"{name}: {rows:,} rows, {differing:,} differ, {labelled:,} labelled: "
            f"{seconds:.1f} s, {cpu:.1f} s of CPU time, peak {peak / 2**20:,.0f} MiB"
        )


def measured(store: MemoryStore, baseline: Run, candidate: Run) -> tuple[dict[str, Any], float, float, int]:
    """The comparison, the seconds it took, those of CPU time, and the bytes of memory at the peak."""
    began, cpu = time.perf_counter(), time.process_time()
    found = compare(cast(ObjectStore, store), baseline, candidate)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return found, seconds, cpu, peak_bytes()


def peak_bytes() -> int:
    """The largest memory that this process has had."""
    # Not ru_maxrss, which begins with the parent's.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) * 1024


def scored(table: Table, rows: int, seed: int) -> pa.Table:
    """The table as a model made it: everything but its scores is the same for every seed."""
    columns = dict(_columns(table, rows, seed))
    frame = pa.table(columns, schema=pa.schema([(name, columns[name].type) for name in table.names]))
    return frame.cast(schema_of(table)).sort_by([(name, "ascending") for name in table.key])


def _columns(table: Table, rows: int, seed: int) -> Iterator[tuple[str, pa.Array]]:
    shared, numbers = np.random.default_rng(0), np.arange(rows)
    fraud = shared.random(rows) < 0.01
    apart = np.random.default_rng(seed).normal(0, 0.02, rows)
    probability = np.clip(np.where(fraud, shared.beta(5, 3, rows), shared.beta(0.5, 9, rows)) + apart, 0, 1)
    lists = np.column_stack([1 - probability, probability]).ravel()
    special = {
        "fraud_prob": probability,
        "fraud_probability": probability,
        "prediction": (probability >= 0.5).astype(np.int64),
        "is_alert": probability >= 0.5,
        "Class": fraud.astype(np.int64),
        "transaction_id": numbers,
        "session_id": np.char.add("5f3c2a10-session-", numbers.astype(str)),
        "batch_index": numbers,
        "ts": numbers // 20,
    }
    for field in schema_of(table):
        values = special.get(field.name)
        if values is not None:
            yield field.name, pa.array(values).cast(field.type)
        elif pa.types.is_list(field.type):
            offsets = pa.array(np.arange(0, 2 * rows + 1, 2), pa.int32())
            yield field.name, pa.ListArray.from_arrays(offsets, pa.array(lists))
        elif pa.types.is_string(field.type):
            yield (
                field.name,
                pa.array(np.char.add(f"{field.name} ", shared.integers(0, 50_000, rows).astype(str))),
            )
        elif pa.types.is_timestamp(field.type):
            yield field.name, pa.array(_START_US + numbers * 1_000).cast(field.type)
        else:
            yield field.name, pa.array(shared.integers(0, 1_000, rows)).cast(field.type)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
