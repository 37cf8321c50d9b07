"""Why a file is no CSV of the kind that is read: another separator, another encoding."""

import codecs
import csv
from collections.abc import Iterable
from pathlib import Path

_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}


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
