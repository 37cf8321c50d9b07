"""Two days of card transactions: `generate` writes the file of a `card_fraud` dataset from a seed.

As in the data that it stands in for, V1 to V28 are components of decreasing spread, the nights are quiet, and
frauds lie among honest transactions: some far off, many of them close by, and no component tells them apart.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS, COMPONENTS, FILE, FRAUD_SHARE, TIME
from streamweir.datagen.card_fraud.shapes import (
    AMOUNTS,
    BELL,
    BOLDNESS,
    FRAUD_AMOUNTS,
    FRAUD_SHIFTS,
    FRAUD_SPREAD,
    HOURS,
    SPREADS,
)
from streamweir.datagen.draws import Bools, Floats, Ints, pick, source, spread
from streamweir.datagen.text import write_csv
from streamweir.errors import BadConfiguration
from streamweir.progress import Progress, no_progress

TRANSACTIONS = 60_000
DAYS = 2
_HOUR_S = 3600
_TIMES, _FRAUDS, _COMPONENTS, _AMOUNTS = range(4)
_DIGITS = 9


def generate(
    folder: Path,
    *,
    seed: int,
    batches: int = TRANSACTIONS,
    fraud_share: float = FRAUD_SHARE,
    progress: Progress = no_progress,
) -> None:
    """Write a dataset of as many transactions as batches; same arguments, same bytes.

    Raises BadConfiguration for a share that is none.
    """
    if not 0 <= fraud_share <= 1:
        raise BadConfiguration(f"fraud_share is {fraud_share}; take a share from 0 to 1, like 0.0017")
    folder.mkdir(parents=True, exist_ok=True)
    count = int(batches)
    fraud = _frauds(source(seed, _FRAUDS), count, fraud_share)
    columns: dict[str, Sequence[object]] = {TIME.name: _times(source(seed, _TIMES), count).tolist()}
    with progress("writing the dataset", count, "transactions") as advance:
        boldness = spread(source(seed, _FRAUDS, 1), BOLDNESS, count) * fraud
        for index, column in enumerate(COMPONENTS):
            values = _component(source(seed, _COMPONENTS, index), index, boldness)
            columns[column.name] = np.round(values, _DIGITS).tolist()
        columns[AMOUNT.name] = _amounts(source(seed, _AMOUNTS), fraud).tolist()
        columns[CLASS.name] = fraud.astype(np.int64).tolist()
        write_csv(folder / FILE, columns)
        advance(count)


def _times(rng: np.random.Generator, count: int) -> Ints:
    """Whole seconds from the first transaction, in order, with the rhythm of the day."""
    hours = pick(rng, HOURS * DAYS, count)
    seconds = np.sort(hours * _HOUR_S + rng.integers(_HOUR_S, size=count))
    return seconds - seconds[0] if count else seconds


def _frauds(rng: np.random.Generator, count: int, share: float) -> Bools:
    """Exactly as many frauds as the share says (rounded), anywhere."""
    fraud = np.zeros(count, dtype=np.bool_)
    fraud[rng.permutation(count)[: round(count * share)]] = True
    return fraud


def _component(rng: np.random.Generator, index: int, boldness: Floats) -> Floats:
    """A component: frauds are shifted, and scattered wider, as much as they are bold."""
    noise = spread(rng, BELL, len(boldness))
    return SPREADS[index] * (noise * (1 + FRAUD_SPREAD * boldness) + FRAUD_SHIFTS[index] * boldness)


def _amounts(rng: np.random.Generator, fraud: Bools) -> Floats:
    honest, stolen = (spread(rng, quantiles, len(fraud)) for quantiles in (AMOUNTS, FRAUD_AMOUNTS))
    return np.round(np.where(fraud, stolen, honest), 2).astype(np.float64)
