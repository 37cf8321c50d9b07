"""Small creditcard.csv files for tests."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamweir.contracts.card_fraud.dataset import CLASS, FILE, NUMBER_NAMES

NAMES = (*NUMBER_NAMES, CLASS.name)


def write_cards(folder: Path, rows: Sequence[Mapping[str, str]], names: Sequence[str] = NAMES) -> Path:
    """A file with these rows; every V is 0.5, the amount 9.99 and the class 0 unless a row says otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"Amount": "9.99", "Class": "0"}
    with (folder / FILE).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(names)
        for row in rows:
            out.writerow(row.get(name, usual.get(name, "0.5")) for name in names)
    return folder


def at(*times: str) -> list[dict[str, str]]:
    """Rows with these Times."""
    return [{"Time": time} for time in times]
