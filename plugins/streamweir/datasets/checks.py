"""Checking CSV files before they are used: one pass, the first fault named by file, line and column."""

import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol

from streamweir.contracts.pipelines import module_of
from streamweir.datasets.dataset import Findings
from streamweir.errors import DatasetUnusable
from streamweir.replay.csvfile import CsvFile, find
from streamweir.values import identifier

_LOG = logging.getLogger(__name__)

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
    findings: Findings = field(default_factory=Findings)


@dataclass(frozen=True)
class Wishes:
    """What a run asks for that decides whether a dataset suits it.

    unsorted_ok: a live file that should be sorted by time is replayed in file order. event_types: what the
    dataset's event types count as, as `counted_types` of the clickstream reads it.
    """

    unsorted_ok: bool = False
    event_types: str | None = None


class Checker(Protocol):
    """A pipeline's module, `streamweir.datasets.<word>`: what files it needs, what is wrong with them."""

    def check(self, folder: Path, *, needs_history: bool) -> list[CheckedFile]:
        """The usable files of the folder; raises DatasetUnusable naming file, line and column."""

    def judge(self, found: Findings, wishes: Wishes) -> Sequence[str]:
        """Warnings of what was found, for a run of these wishes; raises DatasetUnusable, naming no file."""


def check(name: str, folder: Path, *, needs_history: bool, wishes: Wishes | None = None) -> list[CheckedFile]:
    """The usable files of a folder for the pipeline `name`; logs what `warn` says of them.

    Raises DatasetUnusable naming file, line and column. Without `needs_history` the history may be missing.
    """
    if not folder.is_dir():
        raise DatasetUnusable(f"{folder} is not a folder; give the folder that holds the CSV files")
    found: list[CheckedFile] = _module(name).check(folder, needs_history=needs_history)
    warn(name, {str(file.path): file.findings for file in found}, wishes, needs_history=needs_history)
    return found


def warn(
    name: str, findings: Mapping[str, Findings], wishes: Wishes | None = None, *, needs_history: bool
) -> None:
    """Log what whoever replays these files, by name, or trains on them with `needs_history`, should know.

    Raises DatasetUnusable for a finding that the wishes do not allow.
    """
    for file, found in findings.items():
        try:
            more = _module(name).judge(found, wishes or Wishes())
        except DatasetUnusable as error:
            raise DatasetUnusable(f"{file} {error}") from error
        untaught = (found.untaught,) if needs_history and found.untaught else ()
        for sentence in (*found.warnings, *more, *untaught):
            _LOG.warning("%s %s", file, sentence)


def _module(name: str) -> Checker:
    return module_of("streamweir.datasets", name, Checker)


def locate(folder: Path, names: Iterable[str]) -> Path:
    """The first of these files that is there, and is inside the folder after all links are followed."""
    path = find(folder, names)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DatasetUnusable(f"{path} is a link that leaves its folder; copy the file")
    return path


def check_rows(file: CsvFile, tests: Mapping[str, Iterable[Test]]) -> int:
    """Test the values of all rows; returns how many rows there are.

    Raises DatasetUnusable with file, line and column: no rows, bytes that are not UTF-8, a row that is too
    short for a tested column, or the first value that a test refuses.
    """
    plan = [(name, file.names.index(name), tuple(todo)) for name, todo in tests.items()]
    count = 0
    for count, row in enumerate(file.rows(), start=1):
        for name, index, todo in plan:
            if index >= len(row):
                refuse(file, count, name, "the row is too short")
            try:
                for test in todo:
                    test(row[index])
            except ValueError as error:
                refuse(file, count, name, str(error))
    require_rows(file, count)
    return count


def require_rows(file: CsvFile, count: int) -> None:
    """Raise DatasetUnusable for a file without rows."""
    if count == 0:
        raise DatasetUnusable(f"{file.path} line 2: there are no rows")


def refuse(file: CsvFile, count: int, column: str, problem: str) -> NoReturn:
    """Raise DatasetUnusable for the row that is the `count`-th of the file."""
    raise DatasetUnusable(f"{file.path} line {file.line_of(count - 1)}, column {column}: {problem}")


def given(text: str) -> None:
    """A key must not be empty; blanks are a key for the stream."""
    if not text:
        raise ValueError("the value is empty, and it is a key")


def present(text: str) -> None:
    """A key must not be empty or blank."""
    if not text.strip():
        raise ValueError("the value is empty, and it is a key")


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
