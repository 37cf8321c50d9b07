"""The CSV files of the detections: 50 rows each, no row in two of them, and the same as in the table."""

import csv
import io
from collections.abc import Iterator

import pandas as pd

from streamweir.contracts.merchant_patterns import DETECTIONS, FILE_ROWS, detections_folder
from streamweir_quality.checks import WARNING, Subject, all_equal, between, rows, unique
from streamweir_quality.inputs import Inputs

_TIMES = ("YStartTime", "detectionTime")


def files_subjects(inputs: Inputs) -> Iterator[Subject]:
    """The files that hold detections of the run, and their rows beside the table's; none of a made-up run."""
    if inputs.store is None or inputs.stream is None:
        return
    table = inputs.frame(DETECTIONS.name).sort_values("number", ignore_index=True)
    files, lines = _read(inputs, table)
    yield Subject(
        "files of detections",
        "files",
        files,
        (
            unique("file"),
            between("rows", 1, FILE_ROWS, f"a file holds at most {FILE_ROWS} rows"),
            # No fault where the detector was stopped, or was to write short files; a person can tell.
            between("missing", 0, 0, f"every file but a run's last holds {FILE_ROWS} rows", WARNING),
            all_equal("misnamed", "a file's name is the number of its first row"),
        ),
    )
    yield Subject(
        "rows of the files",
        "rows of the files",
        _compared(table, lines),
        (rows(len(table), "the files hold every detection once"), all_equal("difference", "0 rows differ")),
    )


def _read(inputs: Inputs, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The files, and the rows of the run in them."""
    if inputs.store is None or inputs.stream is None:
        raise AssertionError("a made-up run has no files")
    first, last = (int(table["number"].min()), int(table["number"].max())) if len(table) else (1, 0)
    folder = detections_folder(inputs.stream)
    # The file that holds the first one may begin before it; nothing older is looked at.
    start = folder / f"{DETECTIONS.name}_{max(0, first - FILE_ROWS):08d}.csv"
    files, lines = [], []
    for key in inputs.store.list(folder, after=start):
        text = (inputs.store.get(key) or b"").decode()
        found = list(csv.DictReader(io.StringIO(text, newline="")))
        numbers = [int(row["number"]) for row in found]
        own = [row for row, number in zip(found, numbers, strict=True) if first <= number <= last]
        if not own:
            continue
        name = key.key.rpartition("/")[2]
        expected = f"{DETECTIONS.name}_{numbers[0]:08d}.csv"
        missing = FILE_ROWS - len(found) if numbers[-1] < last else 0
        files.append(
            {
                "file": name,
                "rows": len(found),
                "missing": missing,
                "misnamed": None if name == expected else f"{name} begins with {numbers[0]}",
            }
        )
        lines += own
    return (
        pd.DataFrame(files, columns=["file", "rows", "missing", "misnamed"]),
        pd.DataFrame(lines, columns=list(DETECTIONS.names), dtype=str),
    )


def _compared(table: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """A row for each row of the files; `difference`: what is otherwise in the table, None when nothing is."""
    typed = lines.assign(
        number=lines["number"].astype("int64"),
        chunk=lines["chunk"].astype("int64"),
        **{name: pd.to_datetime(lines[name], utc=True, format="ISO8601").dt.as_unit("us") for name in _TIMES},
    )
    stored = {row["number"]: row for row in table.to_dict("records")}
    found = [_difference(row, stored.get(row["number"])) for row in typed.to_dict("records")]
    return pd.DataFrame({"difference": pd.Series(found, dtype=object)})


def _difference(row: dict[object, object], stored: dict[object, object] | None) -> str | None:
    if stored is None:
        return f"number {row['number']} is in a file only"
    told = [f"{name} is {row[name]} and {stored[name]}" for name in stored if row[name] != stored[name]]
    return f"number {row['number']}: {', '.join(told)}" if told else None
