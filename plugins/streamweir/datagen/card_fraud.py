"""Two days of card transactions: `generate` writes the file of a `card_fraud` dataset from a seed.

As in the data that it stands in for, V1 to V28 are components of decreasing spread, the nights are quiet, and
frauds lie among honest transactions: some far off, many of them close by, and no component tells them apart.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamweir.contracts.card_fraud.dataset import AMOUNT, CLASS, COMPONENTS, FILE, FRAUD_SHARE, TIME
from streamweir.datagen.draws import Bools, Floats, Ints, pick, source, spread
from streamweir.datagen.text import write_csv
from streamweir.errors import BadConfiguration
from streamweir.progress import Progress, no_progress

HOURS = (4, 3, 2, 2, 1, 2, 3, 5, 9, 11, 12, 12, 12, 11, 12, 12, 12, 12, 12, 11, 11, 10, 9, 6)
"""How busy each hour of the day is."""

BELL = (
    *(-4.0, -2.1, -1.65, -1.3, -1.04, -0.84, -0.67, -0.52, -0.39, -0.25, -0.13),
    *(0.0, 0.13, 0.25, 0.39, 0.52, 0.67, 0.84, 1.04, 1.3, 1.65, 2.1, 4.0),
)
"""A bell with long tails."""

SPREADS = (
    *(1.96, 1.65, 1.52, 1.42, 1.38, 1.33, 1.24, 1.19, 1.10, 1.09, 1.02, 1.00, 0.995, 0.96),
    *(0.915, 0.876, 0.849, 0.838, 0.814, 0.771, 0.735, 0.726, 0.624, 0.606, 0.521, 0.482, 0.404, 0.330),
)
"""The spread of each component."""

FRAUD_SHIFTS = (
    *(-1.1, 1.0, -2.0, 1.7, -0.9, -0.4, -1.6, 0.3, -1.2, -2.1, 1.6, -2.4, -0.05, -2.8),
    *(-0.1, -1.8, -2.6, -1.1, 0.4, 0.3, 0.4, 0.02, -0.05, -0.1, 0.05, 0.04, 0.2, 0.1),
)
"""How far the boldest half of the frauds lies off, in spreads."""
FRAUD_SPREAD = 0.6
BOLDNESS = (0.0, 0.15, 0.4, 0.8, 1.1, 1.4, 1.8, 2.4)
"""How much of the shift a fraud shows: an eighth of them hardly any."""

AMOUNTS = (0.0, 0.89, 1.98, 4.5, 7.7, 11.5, 16.0, 22.0, 31.0, 45.0, 66.0, 97.0, 150.0, 280.0, 2_500.0)
FRAUD_AMOUNTS = (0.0, 0.76, 1.0, 1.0, 1.0, 3.8, 9.25, 25.0, 75.0, 99.99, 99.99, 180.0, 320.0, 720.0, 2_100.0)


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
