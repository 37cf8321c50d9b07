"""CSV files of a dataset, read as they are: original strings, in file order, little memory."""

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import TextIO, TypeVar

import orjson

from streamweir.contracts.messages import ROW_BYTES
from streamweir.errors import DatasetUnusable
from streamweir.replay.batches import UNKNOWN, first_unsorted
from streamweir.times import TimeReader

Key = TypeVar("Key", int, float)
_TOO_LARGE = f"the row has more than {ROW_BYTES:,} bytes, the most that can be sent; shorten its texts"
_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}


class CsvFile:
    """A CSV file (header row, UTF-8) whose header has all `columns`.

    names: the columns in the file's order; a column beyond the declared ones travels along.
    All reading raises DatasetUnusable with file, line and column.
    """

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self.path = path
        columns = tuple(columns)
        self._check_separator(columns)
        self.names = tuple(next(self._lines(), ()))
        self._check_header(columns)

    def rows(self) -> Iterator[list[str]]:
        """The rows' values. A row that is too short stays so: its message shows what is missing."""
        rows = self._lines()
        next(rows, None)
        return rows

    def times(self, column: str) -> Iterator[int]:
        """The rows' times in microseconds since the epoch; UNKNOWN for one that cannot be parsed."""
        index, read = self.names.index(column), TimeReader()
        for row in self.rows():
            try:
                yield read(row[index])
            except (ValueError, IndexError):
                yield UNKNOWN

    def check_size(self, number: int, row: Sequence[str]) -> None:
        """Raise DatasetUnusable when no message can hold a row; number: the row's, 0 first."""
        # A character takes six bytes at most: nearly all rows are known to be small without being encoded.
        if 6 * sum(map(len, row)) <= ROW_BYTES:
            return
        if len(orjson.dumps(dict(zip(self.names, row, strict=False)))) > ROW_BYTES:
            raise DatasetUnusable(f"{self.path} line {self.line_of(number)}: {_TOO_LARGE}")

    def disorder(self, column: str, times: Iterable[int]) -> str | None:
        """A sentence on the first row whose time lies before an earlier row's; None when all are in order."""
        number = first_unsorted(times)
        if number is None:
            return None
        return (
            f"line {self.line_of(number)}: column {column} lies before an earlier row's, so the file is not "
            "sorted by time"
        )

    def line_of(self, number: int) -> int:
        """The line of the file on which row `number` (0 first, without the header) ends."""
        with self._open() as file:
            reader = csv.reader(file, strict=True)
            next(islice(filter(None, reader), number + 1, None), None)
            return reader.line_num

    def _check_separator(self, columns: Iterable[str]) -> None:
        # Bytes that are not UTF-8 are found when all is read.
        with self._open(errors="replace") as file:
            header = file.readline(ROW_BYTES)
        if separator := separator_of(header, columns):
            raise DatasetUnusable(
                f"{self.path} line 1: the columns are separated by {separator}; save the file with commas"
            )

    def _check_header(self, columns: Iterable[str]) -> None:
        where = f"{self.path} line 1"
        if not self.names:
            raise DatasetUnusable(f"{where}: there is no header row")
        if missing := [name for name in columns if name not in self.names]:
            raise DatasetUnusable(f"{where}: column {missing[0]} is missing")
        if len(set(self.names)) < len(self.names):
            repeated = next(name for name in self.names if self.names.count(name) > 1)
            raise DatasetUnusable(f"{where}: column {repeated!r} is there more than once; rename it")
        if "ts" in self.names:
            raise DatasetUnusable(f"{where}: column ts is what the replay adds; rename it")

    def _lines(self) -> Iterator[list[str]]:
        csv.field_size_limit(ROW_BYTES)
        with self._open() as file:
            reader = csv.reader(file, strict=True)
            width: int | None = None
            try:
                for row in reader:
                    # One loop and one comparison: a million rows pass here twice.
                    if len(row) != width:
                        if not row:
                            continue
                        width = self._width(row, width, reader.line_num)
                    yield row
            except csv.Error as error:
                problem = _TOO_LARGE if "field limit" in str(error) else error
                raise DatasetUnusable(f"{self.path} line {reader.line_num}: {problem}") from error
            except UnicodeDecodeError:
                raise DatasetUnusable(f"{self.path} {encoding_fault(self.path)}") from None

    def _width(self, row: list[str], width: int | None, line: int) -> int:
        """How many columns there are: the first row says it, and no later one may have more."""
        if width is None:
            return len(row)
        if len(row) > width:
            raise DatasetUnusable(
                f"{self.path} line {line}: {len(row)} values for {width} columns; quote what holds a comma"
            )
        return width

    def _open(self, errors: str = "strict") -> TextIO:
        try:
            return self.path.open(encoding="utf-8-sig", errors=errors, newline="")
        except OSError as error:
            raise DatasetUnusable(f"{self.path} cannot be read: {error.strerror}") from error


def text_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file by column, each value the text that the file has: `NA` and `null` are such texts.

    An empty value is an empty text, and so is one that a short row lacks. Raises DatasetUnusable with file
    and line.
    """
    file = CsvFile(path, ())
    return (dict(zip_longest(file.names, row, fillvalue="")) for row in file.rows())


def ordered_by(keys: Sequence[Key], rows: Iterable[list[str]]) -> Iterator[tuple[Key, list[str]]]:
    """Rows with their keys, sorted by key; equal keys stay in order. Rows wait as JSON, which is small."""
    held = [orjson.dumps(row) for row in rows]
    for number in sorted(range(len(held)), key=keys.__getitem__):
        yield keys[number], orjson.loads(held[number])


def find(folder: Path, names: Iterable[str]) -> Path:
    """The first of the files that is there; raises DatasetUnusable when none is."""
    known = list(names)
    for name in known:
        if (folder / name).is_file():
            return folder / name
    raise DatasetUnusable(f"{folder} holds no {' or '.join(known)}")


def separator_of(header: str, columns: Iterable[str]) -> str | None:
    """What separates the header's columns, in the plural, when more are found so than by commas."""
    wanted = set(columns)

    def found(separator: str) -> int:
        return len(wanted.intersection(next(csv.reader([header], delimiter=separator), ())))

    return _SEPARATORS.get(max((",", *_SEPARATORS), key=found))


def encoding_fault(path: Path) -> str:
    """The first line of a file that is not UTF-8, and how to convert the file where its encoding shows."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "line 1: the text is UTF-16; save the file as UTF-8"
        file.seek(0)
        line = next((number for number, text in enumerate(file, start=1) if not _reads(text, "utf-8")), 1)
        file.seek(0)
        # Text in cp1252 is hardly ever UTF-8 by chance; a damaged UTF-8 file is UTF-8 in other lines.
        others = (text for text in file if not text.isascii())
        if all(_reads(text, "cp1252") and not _reads(text, "utf-8") for text in others):
            return f"line {line}: not UTF-8 but cp1252; convert the file with iconv -f CP1252 -t UTF-8"
    return f"line {line}: not UTF-8; save the file as UTF-8"


def _reads(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
