"""The specification of `merchant_patterns` told a second time: plainly, from the files, chunk by chunk.

Slow: everything is counted anew after each chunk, with Python's fractions.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

Detection = tuple[int, str, str, str]
"""Chunk, pattern, merchant, customer."""


def readable(folder: Path, chunk_rows: int) -> list[list[dict[str, str]]]:
    """The rows of each chunk that can be read, without quotes."""
    with (folder / "transactions.csv").open(newline="") as file:
        names, *rows = csv.reader(file)
    chunks = [rows[at : at + chunk_rows] for at in range(0, len(rows), chunk_rows)]
    return [
        [row for values in chunk if len(values) == len(names) and is_sound(row := named(names, values))]
        for chunk in chunks
    ]


def named(names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    return {name: value.strip("'") for name, value in zip(names, values, strict=True)}


def is_sound(row: Mapping[str, str]) -> bool:
    try:
        amount = Decimal(row["amount"])
    except InvalidOperation:
        return False
    exponent = amount.as_tuple().exponent
    return bool(row["customer"] and row["merchant"] and amount >= 0 and -4 <= int(exponent) <= 0)


def weights(folder: Path, *, total: bool = False) -> dict[tuple[str, str], Fraction]:
    """By merchant and customer."""
    found: defaultdict[tuple[str, str], list[Fraction]] = defaultdict(list)
    with (folder / "customer_importance.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            pair = row["Target"].strip("'"), row["Source"].strip("'")
            found[pair].append(Fraction(row["Weight"]))
    return {pair: sum(each) / (1 if total else len(each)) for pair, each in found.items()}


def percentile_disc(values: Iterable[Any], share: Fraction) -> Any:
    """The smallest value whose cumulative share is at least this, by its definition."""
    values = list(values)
    return min(
        value for value in set(values) if Fraction(sum(one <= value for one in values), len(values)) >= share
    )


def detections(
    chunks: Iterable[Sequence[Mapping[str, str]]],
    weights: Mapping[tuple[str, str], Fraction],
    *,
    upgrade_above: int = 50_000,
    share: str = "0.01",
    child_from: int = 80,
    child_mean: str = "23",
    female_above: int = 100,
) -> list[Detection]:
    """What is reported, in order."""
    seen: list[Mapping[str, str]] = []
    reported: list[Detection] = []
    for number, chunk in enumerate(chunks):
        seen += chunk
        found = set()
        by_merchant: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
        for row in seen:
            by_merchant[row["merchant"]].append(row)
        for merchant, rows in by_merchant.items():
            counts = Counter(row["customer"] for row in rows)
            if len(rows) > upgrade_above:
                found |= upgraded(merchant, counts, weights, Fraction(share))
            sums: Counter[str] = Counter()
            for row in rows:
                sums[row["customer"]] += Decimal(row["amount"])  # type: ignore[assignment]
            found |= {
                ("PatId2", merchant, one)
                for one in counts
                if counts[one] >= child_from and sums[one] < Decimal(child_mean) * counts[one]
            }
            female, male = (
                len({row["customer"] for row in rows if row["gender"] == gender}) for gender in "FM"
            )
            if female > female_above and female < male:
                found.add(("PatId3", merchant, ""))
        known = {one[1:] for one in reported}
        reported += [(number, *one) for one in sorted(found - known)]
    return reported


def upgraded(
    merchant: str, counts: Counter[str], weights: Mapping[tuple[str, str], Fraction], share: Fraction
) -> set[tuple[str, str, str]]:
    own = {one: weights[merchant, one] for one in counts if (merchant, one) in weights}
    if not own:
        return set()
    least, most = percentile_disc(counts.values(), 1 - share), percentile_disc(own.values(), share)
    return {("PatId1", merchant, one) for one in own if counts[one] >= least and own[one] <= most}
