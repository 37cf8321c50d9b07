"""Seeded generators of believable datasets, one package per pipeline, found by the pipeline's word.

Every generator offers `generate(folder, *, seed, progress, ...)`; its further keyword arguments are its
settings, numbers with defaults. The same arguments give the same bytes.
"""

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from streamweir.contracts.pipelines import module_of
from streamweir.errors import BadConfiguration
from streamweir.progress import Progress
from streamweir.values import parse_number

DEFAULT_SEED = 42
BATCHES = "batches"
"""The setting that every generator has: how many batches a replay of the dataset sends, by default."""
_OF_ALL = ("folder", "seed", "progress")


class Generator(Protocol):
    """The function `generate` of a pipeline's package."""

    def __call__(self, folder: Path, *, seed: int, progress: Progress = ..., **settings: float) -> None: ...


class _Module(Protocol):
    generate: Generator


def generator(name: str) -> Generator:
    """The generator of the pipeline `name`; raises BadConfiguration for a word that is none."""
    return module_of("streamweir.datagen", name, _Module).generate


def settings_of(name: str, asked: Mapping[str, float] | None = None) -> dict[str, float]:
    """The settings of a pipeline's generator: as asked, the others by default.

    Raises BadConfiguration for one that the generator does not have.
    """
    taken = inspect.signature(generator(name)).parameters
    known = {key: parameter.default for key, parameter in taken.items() if key not in _OF_ALL}
    for key in asked or {}:
        if key not in known:
            raise BadConfiguration(f"the generator of {name} has no setting {key}; it has {', '.join(known)}")
    return {**known, **(asked or {})}


def parse_settings(texts: Iterable[str]) -> dict[str, float]:
    """`name=value` texts as settings; raises BadConfiguration for anything else."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = parse_number(value)
        except ValueError as error:
            raise BadConfiguration(f"setting {text!r} is not name=number: {error}") from error
        found[name] = int(number) if number.is_integer() else number
    return found
