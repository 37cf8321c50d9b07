"""What the commands share: their options, the object store, and how they print."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamweir.cli import in_a_line
from streamweir.connections import StoreConnection
from streamweir.objectstore import ObjectStore, to_json

DEFAULT_PIPELINE = "ecommerce_fraud"
MOST = 20
"""How many lines a listing shows of what grows with age."""

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
Pipeline = Annotated[str, typer.Option(help="The pipeline's word.")]
StreamOf = Annotated[str, typer.Option("--stream", help="The stream id; left out: the run's own stream.")]
Most = Annotated[int, typer.Option("--most", min=1, help="How many to show, the newest.")]


def group(about: str) -> typer.Typer:
    """The commands of a noun."""
    return typer.Typer(add_completion=False, no_args_is_help=True, help=about)


def store() -> ObjectStore:
    """The object store that the environment names."""
    return ObjectStore(StoreConnection.from_env())


def print_json(value: object) -> None:
    """A value, for programs."""
    print(to_json(value).decode())


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, nothing: str) -> None:
    """Rows with the same names in columns, or `nothing` as a sentence where there are none."""
    if as_json:
        print_json(rows)
    elif rows:
        _print_columns([*rows[0]], (row.values() for row in rows))
    else:
        print(nothing)


def print_facts(facts: Mapping[str, Any]) -> None:
    """A line per fact; one that lies in another is called `outer.inner`."""
    _print_columns([], _flat(facts))


def _flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            # A time or an offset is copied from here: no commas.
            yield f"{before}{name}", str(value) if type(value) is int else value


def _print_columns(heads: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    table = Table(*heads, box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(heads))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    # A file or a pipe is as wide as it takes.
    Console(width=None if sys.stdout.isatty() else 10_000).print(table)


def _cell(value: Any) -> str:
    if value is None or value in ("", [], {}, ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return in_a_line(value if isinstance(value, str) else orjson.dumps(value).decode())
