"""A dataset as a spreadsheet writes it: a byte order mark, many ids as `90264.0`, times in other forms."""

import csv
from collections import defaultdict
from itertools import count
from pathlib import Path
from random import Random

from streamweir.contracts.ecommerce_fraud.dataset import FILES, IDS
from streamweir.values import parse_time

_DATES = ("birthdate", "first_join_date")
_NO_DATES = ("", "31.12.1990", "1990-02-30", "NA", "0000-01-01", "1990-1-1")
Rows = list[dict[str, str]]


def with_number_ids(source: Path, folder: Path) -> Path:
    """The dataset with a number for each session and transaction, and some dates empty."""
    numbers: defaultdict[str, str] = defaultdict(map(str, count(90_000)).__next__)
    for name, rows in _read(source).items():
        for number, row in enumerate(rows):
            row |= {date: "" for place, date in enumerate(_DATES) if date in row and number % 5 == place}
            row |= {
                column: numbers[row[column]] for column in ("session_id", "transaction_id") if column in row
            }
        _write(folder / name, rows)
    return folder


def as_a_spreadsheet_writes_it(source: Path, folder: Path) -> Path:
    """The dataset with `.0` behind half of its ids; times end in UTC or are milliseconds since the epoch.

    Labels are quoted or words, and dates that were empty are none that can be read.
    """
    chance = Random(12)
    for name, rows in _read(source).items():
        for row in rows:
            row |= {column: f"{row[column]}.0" for column in sorted(IDS & {*row}) if chance.random() < 0.5}
            row |= {date: chance.choice(_NO_DATES) for date in _DATES if row.get(date) == ""}
            if "is_fraud" in row:
                row["is_fraud"] = chance.choice({"1": ("'1'", "True"), "0": ('"0"', "no")}[row["is_fraud"]])
            if "event_time" in row:
                row["event_time"] = str(parse_time(row["event_time"]) // 1000)
            if "created_at" in row:
                row["created_at"] = row["created_at"].removesuffix("Z") + " UTC"
        _write(folder / name, rows)
    return folder


def _read(folder: Path) -> dict[str, Rows]:
    found = {}
    for file in FILES:
        with (folder / file.name).open(encoding="utf-8-sig", newline="") as opened:
            found[file.name] = list(csv.DictReader(opened))
    return found


def _write(path: Path, rows: Rows) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
