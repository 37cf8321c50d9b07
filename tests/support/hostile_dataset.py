"""A generated shop with rows that cannot be scored, texts that a browser must not run, and odd names."""

import csv
import random
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

from streamweir.datagen import generator
from streamweir.progress import no_progress

BATCHES = 40
START_TS = 1_700_000_000
SCRIPT = "<script>alert('{}')</script>"
NAMES = ("NA", "null", "None", "nan", "N/A", " ", "")
"""Names that some readers take for nothing."""
HOSTILE: dict[str, list[dict[str, str]]] = {
    "unscorable": [
        {"customer_id": SCRIPT.format("nobody")},
        {"total_amount": "NaN"},
        {"promo_amount": "1_0"},
        {"product_metadata": "[{'product_id': 1, 'quantity': 0, 'item_price': 5}]"},
        {"created_at": "yesterday"},
    ],
    "malformed": [{"session_id": ""}, {"customer_id": ""}],
    "duplicate": [{}, {}, {}],
}
"""By reason, what is wrong with a copy of an honest transaction."""

Rows = list[dict[str, str]]


def hostile_dataset(folder: Path) -> Path:
    """Make the dataset in `folder`."""
    generator("ecommerce_fraud")(folder, seed=11, batches=BATCHES, history_batches=150, progress=no_progress)
    _rewrite(folder / "new_transactions.csv", _add_hostile_rows)
    _rewrite(folder / "product.csv", _name_products)
    _rewrite(folder / "category.csv", lambda rows: _name_some(rows, "cat_level1", "cat_level2", "cat_level3"))
    _rewrite(folder / "customer.csv", lambda rows: _name_some(rows, "first_name"))
    return folder


def _add_hostile_rows(rows: Rows) -> None:
    """Copies of honest transactions, each with one thing wrong, somewhere behind the original."""
    chance = random.Random(7)
    for changes in (change for group in HOSTILE.values() for change in group):
        place = chance.randrange(len(rows) // 2)
        rows.insert(place + chance.randrange(1, 50), rows[place] | changes)


def _name_products(rows: Rows) -> None:
    for row in rows:
        row["productDisplayName"] = SCRIPT.format(row["id"])
    _name_some(rows, "productDisplayName")


def _name_some(rows: Rows, *columns: str) -> None:
    for row, name in zip(rows[::4], cycle(NAMES), strict=False):
        row |= dict.fromkeys(columns, name)


def _rewrite(path: Path, change: Callable[[Rows], None]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    # With a byte order mark, as spreadsheets write it.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
