"""Rejected records put back by the command line and taken by a scorer, the running one and the next one."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from streamweir.__main__ import program
from streamweir.commands.rejected import app
from streamweir.contracts.ecommerce_fraud import FEATURES
from streamweir.contracts.runs import Run
from streamweir.redrive.records import rejected_records
from streamweir.replay.plan import Request
from streamweir.replay.replayer import replay
from tests.support.scoring import Scoring

BATCHES = 12
LATE_BATCH = 4
LATENESS_S = 3
START_TS = 1_700_000_000
NOBODY = "nobody"


def test_what_is_put_back_is_scored_once_and_accounted_for(
    scoring: Scoring, make_run: Callable[[], Run], tmp_path: Path, environment: None
) -> None:
    sound, run = make_run(), make_run()
    score(scoring, sound, scoring.folder, {})
    scoring.stop(sound.stream)
    base, expected = scoring.reconcile(sound).totals["transactions"], features(scoring, sound)
    in_late_batch = {name: row for name, row in expected.items() if row["batch_index"] == LATE_BATCH}

    chosen = [name for name in expected if name not in in_late_batch][3:5]
    spoilt = spoil(scoring.folder, tmp_path / "spoilt", chosen)
    score(scoring, run, spoilt, {LATE_BATCH: 5})
    before = scoring.reconcile(run).totals
    assert before["transactions"].worked == base.worked - len(in_late_batch) - 2
    assert before["transactions"].rejected["late"] >= len(in_late_batch) > 5
    assert before["browsing"].rejected["late"] == 200

    names = ["--stream", run.stream.id]
    assert "200" in command("list", *names)
    again, mend = places_of(scoring, run, f"customer_id '{NOBODY}'")
    assert f"{late_rows(before) + 200} records would be put back" in command(
        "redrive", "--reason", "late", "--dry-run", *names
    )
    customer = mended(scoring, mend, names, tmp_path / "row.json")
    # The late ones first: each redrive moves the stream's clock on, and the browsing rows out of reach.
    command("redrive", "--reason", "late", *names)
    command("redrive", mend, "--edited", str(tmp_path / "row.json"), *names)
    scoring.await_sequence(run.stream, last_sequence(scoring, run))
    assert status_of(run) == ("working", 0)
    for again_by in (["--reason", "late"], [mend]):
        assert "nothing was put back" in command("redrive", *again_by, *names)

    scoring.stop(run.stream)
    assert status_of(run) == ("stopped", None)
    assert "the next scorer" in command("redrive", again, *names)
    waiting = scoring.reconcile(run)
    assert (waiting.waiting, waiting.totals["transactions"].redriven) == (1, late_rows(before) + 1)
    scoring.begin(run.stream, lateness_s=LATENESS_S)
    scoring.await_sequence(run.stream, last_sequence(scoring, run))
    scoring.interrupt(run.stream)

    ledger = scoring.reconcile(run)
    after = ledger.totals["transactions"]
    assert (ledger.ok, ledger.unexplained, ledger.waiting) == (True, 0, 0)
    assert after.produced == before["transactions"].produced
    assert after.redriven == late_rows(before) + 2
    # As without mistakes, but for the record that was put back as it was.
    assert after.worked == base.worked - 1
    assert after.rejected["unscorable"] == base.rejected["unscorable"] + 3
    browsing = ledger.totals["browsing"]
    assert (browsing.redriven, browsing.worked) == (200, before["browsing"].worked + 200)
    found = features(scoring, run)
    assert found.pop("mended")["customer_id"] == customer
    assert len(found) == len(expected) - 2 > 50
    # What came in the late batch now sees what it would have seen in time.
    assert {name: row for name, row in found.items() if row["batch_index"] == LATE_BATCH} == in_late_batch
    windows = table(scoring, run, "fraud_windows")
    assert sum(windows["scored"].to_pylist()) == 12 * after.worked


def score(scoring: Scoring, run: Run, folder: Path, late: dict[int, int]) -> None:
    """Send a folder's batches, some of them late, and have them scored by a scorer that goes on."""
    request = replace(Request("f" * 64, speed=0, start_ts=START_TS), late=late)
    replay(run, request, kafka=scoring.servers.kafka, store=scoring.store, folder=folder)
    scoring.begin(run.stream, lateness_s=LATENESS_S)
    scoring.await_sequence(run.stream, BATCHES)


def command(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exception is None, result.output
    return result.output


def status_of(run: Run) -> tuple[str, int | None]:
    """What `streamweir status` says of the stream's scorer, and how many batches it is behind."""
    result = CliRunner().invoke(program(), ["status", run.stream.id, "--json"])
    assert result.exception is None, result.output
    (row,) = orjson.loads(result.stdout)
    return row["scorer"], row["behind"]


def mended(scoring: Scoring, place: str, names: list[str], file: Path) -> str:
    """Save a record with an unknown customer, and mend it in the file; gives the customer it has now."""
    said = command("show", place, *names, "--save", str(file))
    assert f"customer_id '{NOBODY}' is not a known customer" in said
    customer = next(iter(csv_rows(scoring.folder / "customer.csv")))["customer_id"]
    row = orjson.loads(file.read_bytes())
    file.write_bytes(orjson.dumps(row | {"customer_id": customer, "transaction_id": "mended"}))
    return customer


def places_of(scoring: Scoring, run: Run, detail: str) -> list[str]:
    records = rejected_records(scoring.store, run.stream, run.id)
    return [str(record.place) for record in records if detail in record.detail]


def late_rows(totals: dict) -> int:
    return totals["transactions"].rejected["late"]


def last_sequence(scoring: Scoring, run: Run) -> int:
    return scoring.store.get_json(run.redriven)["last_sequence"]


def spoil(folder: Path, target: Path, chosen: list[str]) -> Path:
    """The dataset with an unknown customer in some transactions."""
    target.mkdir()
    for path in folder.glob("*.csv"):
        (target / path.name).write_bytes(path.read_bytes())
    rows = list(csv_rows(target / "new_transactions.csv"))
    for row in rows:
        if row["transaction_id"] in chosen:
            row["customer_id"] = NOBODY
    with (target / "new_transactions.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return target


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def table(scoring: Scoring, run: Run, name: str) -> pa.Table:
    return pq.read_table(io.BytesIO(scoring.store.get(run.table_file(name)) or b""))


def features(scoring: Scoring, run: Run) -> dict[str, dict]:
    """What was made of each transaction, by its id: all but where and when it came."""
    names = ["batch_index", "customer_id", *(column.name for column in FEATURES), "fraud_probability"]
    rows = table(scoring, run, "predictions").to_pylist()
    found = {row["transaction_id"]: {name: row[name] for name in names} for row in rows}
    assert len(found) == len(rows)
    return found
