"""What the checks of a run open as files, made of values."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from streamweir_quality.carried import BEGINNING, Carried, after
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import Message, write_messages
from streamweir_quality.replayed import Replayed

_FOLDER = TemporaryDirectory(prefix="streamweir-checked-")
_NUMBERS = count()


def new_folder() -> Path:
    """An empty folder that lives as long as the tests."""
    folder = Path(_FOLDER.name) / str(next(_NUMBERS))
    folder.mkdir()
    return folder


def table_files(tables: Mapping[str, pa.Table]) -> dict[str, Path]:
    """Result tables as `Inputs` has them."""
    folder = new_folder()
    files = {name: folder / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        pq.write_table(table, files[name])
    return files


def with_table(inputs: Inputs, name: str, table: pa.Table) -> Inputs:
    """The same run with another table."""
    return replace(inputs, tables={**inputs.tables, name: table_files({name: table})[name]})


def table_of(inputs: Inputs, name: str) -> pa.Table:
    """A result table."""
    return pq.read_table(inputs.tables[name])


def replayed_as(
    run: str,
    messages: Mapping[str, Iterable[Message]],
    carried: Carried = BEGINNING,
    left_before: int = 2**40,
) -> Replayed:
    """A stream that holds these messages, by input topic, after what is `carried`."""
    folder = new_folder()
    files = {topic: write_messages(folder / f"{topic}.parquet", found) for topic, found in messages.items()}
    return Replayed(run, carried, after(carried, files, left_before), files)
