"""Parcels from a process of its own: the same as from this one, and its errors."""

from dataclasses import replace
from pathlib import Path

import pytest

from streamweir.contracts.card_fraud import PIPELINE
from streamweir.contracts.card_fraud.dataset import FILE
from streamweir.errors import DatasetUnusable, RunFailed
from streamweir.replay import apart, replayer
from streamweir.replay.apart import Job, parcels_apart
from streamweir.replay.backlog import Parcel
from streamweir.replay.card_fraud import facts, recording
from streamweir.replay.plan import Plan
from streamweir.replay.produced import Produced
from tests.support.card_files import at, write_cards

COUNT = 1_200
PLAN = Plan("r1", PIPELINE.name, "s", "d", 1_700_000_000, 1, 0, None, 1, 7, {3: 61}, {}, "")
Told = tuple[list[Parcel], Produced, int]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Transactions of which the topics hold the first hundred."""
    folder = write_cards(tmp_path, at(*(str(number * 7 % 1000) for number in range(COUNT))))
    return Job(recording(folder), PLAN, PLAN.first_sequence + 100)


def told(job: Job, monkeypatch: pytest.MonkeyPatch, *, many: int) -> Told:
    monkeypatch.setattr(replayer, "MANY", many)
    produced, skipped = Produced(PIPELINE, facts, {}), [0]
    parcels = list(replayer._parcels(job, produced, skipped.append))
    return parcels, produced, sum(skipped)


def test_it_makes_the_same_parcels_and_counts(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = told(job, monkeypatch, many=COUNT + 1), told(job, monkeypatch, many=COUNT)
    assert there[0] == here[0]
    assert there[1].to_parquet() == here[1].to_parquet()
    assert there[2] == here[2] == 100
    assert len(here[0]) == COUNT - 100 + 1
    assert there[1].batches == COUNT


def test_a_file_that_turns_out_to_be_unusable_is_named(job: Job) -> None:
    with (next(Path(job.recording._file.path).parent.glob(FILE))).open("a") as file:  # type: ignore[attr-defined]
        file.write("1" + ",1" * 40 + "\n")
    # The rows that the recording knows end before the broken line: let it expect one more.
    job.recording._times.append(2_000)  # type: ignore[attr-defined]
    with pytest.raises(DatasetUnusable, match="41 values for 31 columns"):
        list(parcels_apart(job, Produced(PIPELINE, facts, {}), lambda rows: None))


def test_a_process_that_dies_is_no_end_of_the_run(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart.sys, "executable", "/bin/false")
    with pytest.raises(RunFailed, match="ended too early"):
        list(parcels_apart(job, Produced(PIPELINE, facts, {}), lambda rows: None))


def test_a_reader_that_stops_early_leaves_no_process(job: Job) -> None:
    parcels = parcels_apart(replace_run(job), Produced(PIPELINE, facts, {}), lambda rows: None)
    assert next(parcels).sequence == job.resumed
    parcels.close()  # type: ignore[attr-defined]


def replace_run(job: Job) -> Job:
    return job._replace(plan=replace(job.plan, run="r2"))
