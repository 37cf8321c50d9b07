"""A dataset's files by column, read in one way by all who look something up in them."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from streamweir.replay.csvfile import CsvFile


def text_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file by column, each value the text that the file has: `NA` and `null` are such texts.

    An empty value is an empty text, and so is one that a short row lacks. Raises DatasetUnusable with file
    and line.
    """
    file = CsvFile(path, ())
    return (dict(zip_longest(file.names, row, fillvalue="")) for row in file.rows())
