"""Seeded generators of believable datasets, one package per pipeline, found by the pipeline's word.

Every generator offers `generate(folder, *, seed, batches, history_batches, progress)`; the same arguments
give the same bytes.
"""

import importlib
from pathlib import Path
from typing import Protocol

from streamweir.contracts.pipelines import pipeline
from streamweir.progress import Progress

DEFAULT_SEED = 42
DEFAULT_BATCHES = 300
DEFAULT_HISTORY_BATCHES = 750


class Generator(Protocol):
    """What `generator` returns."""

    def __call__(
        self, folder: Path, *, seed: int, batches: int, history_batches: int, progress: Progress
    ) -> None: ...


def generator(name: str) -> Generator:
    """The generator of the pipeline `name`; raises BadConfiguration for a word that is none."""
    module = importlib.import_module(f"streamweir.datagen.{pipeline(name).name}")
    found: Generator = module.generate
    return found
