"""Parcels from a process of its own: the same as from this one, and its errors."""

from dataclasses import replace
from pathlib import Path

import pytest

from streamweir.contracts.card_fraud import PIPELINE
from streamweir.contracts.card_fraud.dataset import FILE
from streamweir.errors import DatasetUnusable, RunFailed
from streamweir.replay import parcels as parcels_module
from streamweir.replay.card_fraud import recording
from streamweir.replay.deliveries import SpanStart
from streamweir.replay.parcels import Job, Parcel, parcels
from streamweir.replay.plan import Plan
from tests.support.card_files import at, write_cards
from tests.support.memory_store import MemoryStore

COUNT = 1_200
PLAN = Plan("r1", PIPELINE.name, "s", "d", 1_700_000_000, 1, 0, None, 1, 7, {3: 61}, {}, "")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Transactions of which the topics hold the first hundred, and eighty are counted."""
    folder = write_cards(tmp_path, at(*(str(number * 7 % 1000) for number in range(COUNT))))
    first = PLAN.first_sequence
    return Job(recording(folder), PLAN, MemoryStore(), SpanStart(0, 0, first), first + 80, first + 100)  # type: ignore[arg-type]


def made(job: Job, monkeypatch: pytest.MonkeyPatch, *, many: int) -> list[Parcel]:
    monkeypatch.setattr(parcels_module, "MANY", many)
    return list(parcels(job, lambda: False))


def test_it_makes_the_same_parcels(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = made(job, monkeypatch, many=COUNT + 1), made(job, monkeypatch, many=COUNT)
    assert there == here
    assert [parcel.sequence for parcel in there] == list(range(7 + 80, 7 + COUNT + 1))
    assert [bool(parcel.values) for parcel in there] == [False] * 20 + [True] * (COUNT - 100 + 1)


def test_a_pipe_that_may_not_be_large_will_do(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("too many pipes")

    monkeypatch.setattr(parcels_module.fcntl, "fcntl", refused)
    assert made(job, monkeypatch, many=COUNT) == made(job, monkeypatch, many=COUNT + 1)


def test_a_file_that_turns_out_to_be_unusable_is_named(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    with (next(Path(job.recording._file.path).parent.glob(FILE))).open("a") as file:  # type: ignore[attr-defined]
        file.write("1" + ",1" * 40 + "\n")
    # The rows that the recording knows end before the broken line: let it expect one more.
    job.recording._times.append(2_000)  # type: ignore[attr-defined]
    with pytest.raises(DatasetUnusable, match="41 values for 31 columns"):
        made(job, monkeypatch, many=1)


def test_a_process_that_dies_is_no_end_of_the_run(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels_module.sys, "executable", "/bin/false")
    with pytest.raises(RunFailed, match="ended too early"):
        made(job, monkeypatch, many=1)


def test_a_reader_that_stops_early_leaves_no_process(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels_module, "MANY", 1)
    found = parcels(job._replace(plan=replace(job.plan, run="r2")), lambda: False)
    assert next(found).sequence == job.counted
    found.close()  # type: ignore[attr-defined]
