"""Checking CSV files before they are used: one pass, the first fault named by file, line and column."""

import importlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from streamweir.contracts.pipelines import pipeline
from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import UNKNOWN
from streamweir.replay.csvfile import CsvFile, TimeReader, find
from streamweir.values import identifier, parse_time

Test = Callable[[str], object]
"""Takes a value of a column; raises ValueError saying what is wrong with it."""


@dataclass(frozen=True)
class CheckedFile:
    """A file that can be used: the name to store it under, where it is, its rows, and as in `DatasetFile`."""

    name: str
    path: Path
    rows: int
    history: bool
    live_too: bool = False


def check(name: str, folder: Path, *, needs_history: bool) -> list[CheckedFile]:
    """The usable files of a folder for the pipeline `name`.

    Raises DatasetUnusable naming file, line and column. Without `needs_history` the history may be missing.
    """
    if not folder.is_dir():
        raise DatasetUnusable(f"{folder} is not a folder; give the folder that holds the CSV files")
    module = importlib.import_module(f"streamweir.datasets.{pipeline(name).name}")
    found: list[CheckedFile] = module.check(folder, needs_history=needs_history)
    return found


def locate(folder: Path, names: Iterable[str]) -> Path:
    """The first of these files that is there, and is inside the folder after all links are followed."""
    path = find(folder, names)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DatasetUnusable(f"{path} is a link that leaves its folder; copy the file")
    return path


def check_rows(path: Path, columns: Iterable[str], tests: Mapping[str, Iterable[Test]]) -> int:
    """Test the values of all rows; returns how many rows there are.

    Raises DatasetUnusable with file, line and column: a missing column, no rows, bytes that are not UTF-8, a
    row that is too large to be sent, one that is too short for a tested column, or the first value that a
    test refuses.
    """
    file = CsvFile(path, columns)
    plan = [(name, file.names.index(name), tuple(todo)) for name, todo in tests.items()]
    count = 0
    for count, row in enumerate(file.rows(), start=1):
        file.check_size(count - 1, row)
        for name, index, todo in plan:
            if index >= len(row):
                refuse(file, count, name, "the row is too short")
            try:
                for test in todo:
                    test(row[index])
            except ValueError as error:
                refuse(file, count, name, str(error))
    if count == 0:
        raise DatasetUnusable(f"{path} line 2: there are no rows")
    return count


def refuse(file: CsvFile, count: int, column: str, problem: str) -> NoReturn:
    """Raise DatasetUnusable for the row that is the `count`-th of the file."""
    raise DatasetUnusable(f"{file.path} line {file.line_of(count - 1)}, column {column}: {problem}")


def present(text: str) -> None:
    """A key must not be empty."""
    if not text.strip():
        raise ValueError("the value is empty, and it is a key")


def time_test() -> Test:
    """A time, tested at the speed of millions of rows."""
    reader = TimeReader()

    def test(text: str) -> None:
        if reader(text) == UNKNOWN:
            parse_time(text)

    return test


class Unique:
    """No id may come twice; `seen` holds them all."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, text: str) -> None:
        """Remember the id."""
        key = identifier(text)
        if key in self.seen:
            raise ValueError(f"{text[:80]!r} was there before, and it is the key")
        self.seen.add(key)


class References:
    """Every id that is not empty must be a key of another file."""

    def __init__(self, keys: Container[str], where: str) -> None:
        self._keys = keys
        self._where = where

    def __call__(self, text: str) -> None:
        """Look the id up."""
        if text and identifier(text) not in self._keys:
            raise ValueError(f"{text[:80]!r} is not in {self._where}")
