"""Which faults are drilled, when they strike, and on what."""

import random

import pytest

from streamweir.contracts.pipelines import pipeline_names
from tests.drills.drills import chosen
from tests.drills.faults import FAULTS
from tests.drills.moments import Moment
from tests.drills.subjects import SUBJECTS, subject


def test_every_fault_is_drilled_before_any_is_drilled_again() -> None:
    names = chosen("", 20)
    assert len(names) == 20
    assert names[: len(FAULTS)] == list(FAULTS)
    assert names[len(FAULTS) :] == list(FAULTS)[: 20 - len(FAULTS)]


def test_a_single_fault_is_drilled_as_often_as_asked() -> None:
    assert chosen("kafka", 3) == ["kafka"] * 3


@pytest.mark.parametrize("seed", ["drill-1-1-kafka", "drill-1-2-kafka", "drill-2-1-kafka"])
def test_the_seed_alone_decides_a_moment_in_the_middle_of_the_run(seed: str) -> None:
    moment, again = Moment.draw(1000, seed), Moment.draw(1000, seed)
    random.random()
    assert moment.sequence == again.sequence
    assert moment.chance.random() == again.chance.random()
    assert 150 <= moment.sequence <= 600


def test_other_seeds_give_other_moments() -> None:
    assert len({Moment.draw(1000, f"drill-{seed}").sequence for seed in range(20)}) > 10


def test_every_pipeline_can_be_drilled() -> None:
    assert set(SUBJECTS) <= set(pipeline_names())
    for name in pipeline_names():
        assert subject(name).pipeline.name == name
