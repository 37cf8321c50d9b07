"""What a person reads in the driver's log."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby

from streamweir.contracts.tables import Table

_WINDOW = 2
"""The first columns of a figure table: window_start and window_end."""


def show_windows(table: Table, rows: Iterable[tuple[object, ...]]) -> None:
    """Print final windows: a line for one with a single row, else a block."""
    names = table.names[_WINDOW:]
    for bounds, lines in groupby(rows, key=lambda row: row[:_WINDOW]):
        print(
            f"{table.name} {' to '.join(map(_moment, bounds))}:", *_described(names, list(lines)), flush=True
        )


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def _described(names: tuple[str, ...], lines: list[tuple[object, ...]]) -> list[str]:
    shown = [
        " ".join(f"{name}={value}" for name, value in zip(names, line[_WINDOW:], strict=True))
        for line in lines
    ]
    return shown if len(shown) == 1 else [f"\n    {line}" for line in shown]


def _moment(micros: object) -> str:
    return f"{datetime.fromtimestamp(int(str(micros)) / 1e6, UTC):%Y-%m-%dT%H:%M:%SZ}"
