"""Payments of half a year: `generate` writes the files of a `merchant_patterns` dataset from a seed.

As in the data that it stands in for, two merchants have most of the payments, three quarters of them, and
somewhat more customers are female. Cases of each pattern are planted: some that hold once and to the end,
some that hold and then no longer. Weights have nothing to do with amounts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamweir.contracts.merchant_patterns import CHUNK_ROWS
from streamweir.contracts.merchant_patterns.dataset import (
    IMPORTANCE,
    IMPORTANCE_COLUMNS,
    TRANSACTION_COLUMNS,
    TRANSACTIONS,
)
from streamweir.datagen.draws import Bools, Floats, Ints, chance, pick, source, spread
from streamweir.progress import Progress, no_progress

CHUNKS = 60
STEPS = 180
MERCHANTS = 50
LARGE = (0.45, 0.30)
"""The shares of the two large merchants; the others have what is left in equal parts."""
HABITS = 5
"""How many of the others a customer goes to."""
_STRIDE = 11
GENDERS = {"F": 54.6, "M": 45.0, "E": 0.25, "U": 0.15}
CATEGORIES = (
    *("es_transportation", "es_food", "es_health", "es_wellnessandbeauty", "es_fashion"),
    *("es_barsandrestaurants", "es_hyper", "es_sportsandtoys", "es_tech", "es_home"),
    *("es_hotelservices", "es_otherservices", "es_contents", "es_travel", "es_leisure"),
)
AMOUNTS = (0.1, 8.0, 15.0, 21.0, 26.0, 31.0, 37.0, 45.0, 60.0, 110.0, 900.0)
SMALL_AMOUNTS = (0.5, 5.0, 9.0, 13.0, 17.0, 21.0, 25.0, 31.0)
WEIGHTS, LOW_WEIGHTS = (5.0, 20.0, 35.0, 50.0, 80.0, 200.0), (0.01, 0.5, 1.0)
WITHOUT_WEIGHT, ZERO_SHARE, BAD_SHARE, FRAUD_SHARE = 0.05, 0.0001, 0.0005, 0.012
HALF = 0.5
"""Where, in the course of the file, what held ceases."""

MALE_MERCHANTS, LATER_FEMALE_MERCHANTS = (5, 6), (7,)
_MOSTLY = 0.85

_PEOPLE, _ROWS, _AMOUNTS, _WEIGHTS, _BAD = range(5)
_FIRST_CUSTOMER, _FIRST_MERCHANT, _FIELDS_OF_A_LONG_ROW = 1_000_000_000, 3_000_000, 200


class Kind(NamedTuple):
    """A sort of customer. share: of all. before, after: how busy in the first and in the second half.

    small: from which to which moment of the file it pays little; None: never. low: whether its weights are.
    """

    share: float
    before: float
    after: float
    small: tuple[float, float] | None = None
    low: bool = False


KINDS = (
    # The others.
    Kind(0.9785, 1.0, 1.0),
    # A child, to the end; and one that grows up.
    Kind(0.0060, 2.2, 2.2, (0.0, 1.0)),
    Kind(0.0060, 2.2, 2.2, (0.0, HALF)),
    # To be upgraded, to the end; and one that ceases to come.
    Kind(0.0035, 4.5, 4.5, low=True),
    Kind(0.0030, 6.0, 0.1, low=True),
    # Busy, but without the low weights.
    Kind(0.0030, 4.0, 4.0),
)


@dataclass(frozen=True)
class People:
    """The customers, by number: kind, gender, age, and whether they have weights."""

    kind: Ints
    gender: Ints
    age: Ints
    weighed: Bools


def generate(
    folder: Path,
    *,
    seed: int,
    batches: int = CHUNKS,
    chunk_rows: int = CHUNK_ROWS,
    customers: int = 4_000,
    progress: Progress = no_progress,
) -> None:
    """Write a dataset of so many chunks; same arguments, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    count = int(batches) * int(chunk_rows)
    people = _people(source(seed, _PEOPLE), int(customers))
    with progress("writing the dataset", 2 * count, "rows") as advance:
        moment = np.arange(count) / max(count, 1)
        customer = _customers(source(seed, _ROWS, 0), people, moment)
        merchant = _merchants(source(seed, _ROWS, 1), customer)
        customer = _gathered(source(seed, _ROWS, 3), people, customer, merchant, moment)
        amount = _amounts(source(seed, _AMOUNTS), people, customer, merchant, moment)
        fraud = chance(source(seed, _ROWS, 2), FRAUD_SHARE, count)
        lines = _transactions(people, customer, merchant, amount, fraud)
        _write(folder / TRANSACTIONS, TRANSACTION_COLUMNS, _spoilt(lines, source(seed, _BAD), count), "\r\n")
        advance(count)
        weighed = np.flatnonzero(people.weighed[customer])
        weight = _weights(source(seed, _WEIGHTS), people, customer[weighed])
        rows = _importance(customer[weighed], merchant[weighed], weight, fraud[weighed])
        _write(folder / IMPORTANCE, (*IMPORTANCE_COLUMNS[0], "typeTrans", "fraud"), rows, "\n")
        advance(count)


def _people(rng: np.random.Generator, count: int) -> People:
    # Each kind has at least one, however few there are.
    sizes = [max(1, round(kind.share * count)) for kind in KINDS[1:]]
    kinds = np.repeat(np.arange(len(KINDS)), [max(0, count - sum(sizes)), *sizes])[:count]
    return People(
        kind=rng.permutation(kinds),
        gender=pick(rng, [*GENDERS.values()], count),
        age=rng.integers(0, 7, size=count),
        weighed=~chance(rng, WITHOUT_WEIGHT, count),
    )


def _customers(rng: np.random.Generator, people: People, moment: Floats) -> Ints:
    """Who pays: the busier ones more often."""
    before, after = (
        pick(rng, np.array([getattr(kind, name) for kind in KINDS])[people.kind], len(moment))
        for name in ("before", "after")
    )
    return np.where(moment >= HALF, after, before)


def _merchants(rng: np.random.Generator, customer: Ints) -> Ints:
    """Where: at a large merchant, or at one of the few others that the customer goes to."""
    others = MERCHANTS - len(LARGE)
    found = pick(rng, [*LARGE, 1 - sum(LARGE)], len(customer))
    habit = len(LARGE) + (customer + rng.integers(HABITS, size=len(customer)) * _STRIDE) % others
    return np.where(found < len(LARGE), found, habit).astype(np.int64)


def _gathered(
    rng: np.random.Generator, people: People, customer: Ints, merchant: Ints, moment: Floats
) -> Ints:
    """The customers, but that some merchants have mostly male ones, or later mostly female ones."""
    found, late, count = customer.copy(), moment >= HALF, len(moment)
    male, female = (np.flatnonzero(people.gender == gender) for gender in (1, 0))
    mostly = chance(rng, _MOSTLY, count)
    changing = np.isin(merchant, LATER_FEMALE_MERCHANTS)
    for who, where in (
        (male, np.isin(merchant, MALE_MERCHANTS) | (changing & ~late)),
        (female, changing & late),
    ):
        places = np.flatnonzero(where & mostly)
        if len(who):
            found[places] = who[rng.integers(len(who), size=len(places))]
    return found


def _amounts(
    rng: np.random.Generator, people: People, customer: Ints, merchant: Ints, moment: Floats
) -> Floats:
    usual, small = (spread(rng, quantiles, len(moment)) for quantiles in (AMOUNTS, SMALL_AMOUNTS))
    ends = np.array([kind.small or (1.0, 0.0) for kind in KINDS])[people.kind[customer]]
    pays_little = (ends[:, 0] <= moment) & (moment < ends[:, 1]) & (merchant < len(LARGE))
    amounts = np.round(np.where(pays_little, small, usual), 2)
    amounts[chance(rng, ZERO_SHARE, len(moment))] = 0
    return amounts.astype(np.float64)


def _weights(rng: np.random.Generator, people: People, customer: Ints) -> Floats:
    usual, low = (spread(rng, quantiles, len(customer)) for quantiles in (WEIGHTS, LOW_WEIGHTS))
    is_low = np.array([kind.low for kind in KINDS])[people.kind[customer]]
    return np.round(np.where(is_low, low, usual), 2).astype(np.float64)


def _transactions(
    people: People, customer: Ints, merchant: Ints, amount: Floats, fraud: Bools
) -> Iterator[str]:
    columns = (
        (np.arange(len(customer)) * STEPS // max(len(customer), 1)).tolist(),
        _names("C", _FIRST_CUSTOMER, customer),
        people.age[customer].tolist(),
        np.array([*GENDERS])[people.gender[customer]].tolist(),
        _names("M", _FIRST_MERCHANT, merchant),
        merchant.tolist(),
        amount.tolist(),
        fraud.astype(np.int64).tolist(),
    )
    for step, who, age, gender, where, place, paid, is_fraud in zip(*columns, strict=True):
        category = CATEGORIES[place % len(CATEGORIES)]
        yield f"{step},'{who}','{age}','{gender}','28007','{where}','28007','{category}',{paid:g},{is_fraud}"


def _importance(customer: Ints, merchant: Ints, weight: Floats, fraud: Bools) -> Iterator[str]:
    columns = (
        _names("C", _FIRST_CUSTOMER, customer),
        _names("M", _FIRST_MERCHANT, merchant),
        merchant.tolist(),
        weight.tolist(),
        fraud.astype(np.int64).tolist(),
    )
    for who, where, place, weighs, is_fraud in zip(*columns, strict=True):
        yield f"'{who}','{where}',{weighs:g},'{CATEGORIES[place % len(CATEGORIES)]}',{is_fraud}"


def _spoilt(lines: Iterator[str], rng: np.random.Generator, count: int) -> Iterator[str]:
    """The lines, a few of them so that nobody can read them, each in one of several ways."""
    kinds = np.where(chance(rng, BAD_SHARE, count), rng.integers(1, 7, size=count), 0)
    for line, kind in zip(lines, kinds.tolist(), strict=True):
        yield _spoil(line, kind) if kind else line


def _spoil(line: str, kind: int) -> str:
    values = line.split(",")
    match kind:
        case 1:
            values[-2] = f"-{values[-2]}"
        case 2:
            values[-2] = "n/a"
        case 3:
            values[-2] = "12.34567"
        case 4:
            values[1] = "''"
        case 5:
            values = values[:4]
        case _:
            values.extend(repeat("0", _FIELDS_OF_A_LONG_ROW - len(values)))
    return ",".join(values)


def _names(letter: str, first: int, numbers: Ints) -> list[str]:
    return [f"{letter}{number}" for number in (first + numbers).tolist()]


def _write(path: Path, columns: tuple[str, ...], lines: Iterator[str], end: str) -> None:
    """The file appears whole or not at all."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{','.join(columns)}{end}")
        file.writelines(f"{line}{end}" for line in lines)
    unfinished.replace(path)
