"""Draws that give the same values on every machine.

Only integers, uniform doubles, comparisons and linear interpolation are used: logarithms and exponentials
differ in their last digit between processors, and with them the bytes of a dataset.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def source(seed: int, *parts: int) -> np.random.Generator:
    """The random numbers of one part of a dataset; parts do not disturb each other."""
    return np.random.Generator(np.random.PCG64([seed, *parts]))


def pick(rng: np.random.Generator, weights: Sequence[float] | Floats, size: int) -> Ints:
    """Indexes into `weights`, each as often as its weight says."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(edges[:-1] / edges[-1], rng.random(size), side="right").astype(np.int64)


def deal(rng: np.random.Generator, weights: Sequence[float] | Floats, size: int) -> Ints:
    """Like `pick`, but each index comes exactly as often as its weight says (rounded), in random order."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    dealt = np.searchsorted(edges[:-1] / edges[-1], (np.arange(size) + 0.5) / size, side="right")
    return rng.permutation(dealt.astype(np.int64))


def chance(rng: np.random.Generator, share: float, size: int) -> Bools:
    """True for about `share` of the draws."""
    return rng.random(size) < share


def spread(rng: np.random.Generator, quantiles: Sequence[float], size: int) -> Floats:
    """Values whose evenly spaced quantiles, minimum to maximum, are the given ones."""
    return np.interp(rng.random(size), np.linspace(0.0, 1.0, len(quantiles)), quantiles)


def uuids(rng: np.random.Generator, size: int) -> list[str]:
    """Random identifiers in the form of a UUID."""
    digits = rng.bytes(16 * size).hex()
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-{digits[at + 12 : at + 16]}"
        f"-{digits[at + 16 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, 32 * size, 32)
    ]
