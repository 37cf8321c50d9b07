"""From columns to the text of a CSV file."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from streamweir.datagen.draws import Ints

_AT_T = 10


def times(millis: Ints, *, iso: bool) -> list[str]:
    """Times since the epoch as `2024-01-01 00:20:54.302`, or as `2021-03-24T09:16:11.638Z` when `iso`."""
    letters = np.datetime_as_string(millis.astype("datetime64[ms]"), unit="ms")
    if iso:
        return [f"{text}Z" for text in letters.tolist()]
    if len(letters):
        letters.view("U1").reshape(len(letters), -1)[:, _AT_T] = " "
    texts: list[str] = letters.tolist()
    return texts


def days(since_epoch: Ints) -> list[str]:
    """Days since the epoch as `2024-01-01`."""
    texts: list[str] = np.datetime_as_string(since_epoch.astype("datetime64[D]"), unit="D").tolist()
    return texts


def degrees(micro: Ints) -> list[str]:
    """Millionths of a degree as a decimal number."""
    return [repr(value) for value in (micro / 1_000_000).tolist()]


def write_csv(path: Path, columns: dict[str, Sequence[object]]) -> None:
    """Write columns of equal length as CSV: header row, UTF-8, line feeds, quotes where needed.

    The file appears whole or not at all.
    """
    rows: Iterable[tuple[object, ...]] = zip(*columns.values(), strict=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    unfinished.replace(path)
