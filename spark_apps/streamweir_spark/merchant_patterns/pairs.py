"""What is remembered of all payments: a table of the pairs of merchant and customer, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Units = npt.NDArray[Any]
"""Amounts in units: 64 bits as long as they hold every sum, else Python's own ints."""

_LARGEST = 2**63 - 1
_BITS = 32
"""A key is the merchant's number above so many bits, and the customer's below."""


class Sums(NamedTuple):
    """Payments summed up by pair, each pair once. merchants, customers: the names, each once.

    merchant, customer: the places of the pair's names there. number: of payments. total: of their amounts.
    female, male: whether one of them says so of the customer.
    """

    merchants: Sequence[str]
    merchant: Ints
    customers: Sequence[str]
    customer: Ints
    number: Ints
    total: Units
    female: Flags
    male: Flags


@dataclass
class Pairs:
    """The pairs of a stream, ordered by key, so that those of a merchant lie side by side.

    merchants, customers: their numbers by name, in the order in which they were first met. The columns are as
    in `Sums`.
    """

    merchants: dict[str, int] = field(default_factory=dict)
    customers: dict[str, int] = field(default_factory=dict)
    key: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    number: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    total: Units = field(default_factory=lambda: np.empty(0, np.int64))
    female: Flags = field(default_factory=lambda: np.empty(0, np.bool_))
    male: Flags = field(default_factory=lambda: np.empty(0, np.bool_))

    @classmethod
    def of(cls, plain: tuple[Any, ...]) -> "Pairs":
        """From what `plain` gave."""
        merchants, customers, *columns = plain
        return cls(_numbered(merchants), _numbered(customers), *columns)

    def plain(self) -> tuple[Any, ...]:
        """As lists and arrays."""
        columns = self.key, self.number, self.total, self.female, self.male
        return list(self.merchants), list(self.customers), *columns

    def add(self, sums: Sums) -> Ints:
        """Count payments; gives the keys of their pairs, ascending."""
        merchant = _numbers(self.merchants, sums.merchants)[sums.merchant]
        customer = _numbers(self.customers, sums.customers)[sums.customer]
        keys = merchant << _BITS | customer
        order = np.argsort(keys)
        keys = keys[order]
        self._make_room(keys)
        if int(self.total.max(initial=0)) + int(sums.total.max(initial=0)) > _LARGEST:
            self.total = self.total.astype(object)
        at = self.places(keys)
        self.number[at] += sums.number[order]
        self.total[at] = self.total[at] + sums.total[order]
        self.female[at] |= sums.female[order]
        self.male[at] |= sums.male[order]
        return keys

    def places(self, keys: Ints) -> Ints:
        """Where the pairs of these keys are."""
        return np.searchsorted(self.key, keys)

    def starts(self) -> Ints:
        """Where the pairs of each merchant begin, by its number; each has one at least."""
        return self.places(np.arange(len(self.merchants)) << _BITS)

    def _make_room(self, keys: Ints) -> None:
        """Put in those of these keys that are new, without payments."""
        at = self.places(keys)
        # Behind the last key is another one than any.
        is_new = np.append(self.key, -1)[at] != keys
        at = at[is_new]
        self.key = np.insert(self.key, at, keys[is_new])
        self.number, self.total = np.insert(self.number, at, 0), np.insert(self.total, at, 0)
        self.female, self.male = np.insert(self.female, at, False), np.insert(self.male, at, False)


def merchant_of(keys: Ints) -> Ints:
    """The merchants' numbers."""
    return keys >> _BITS


def customer_of(keys: Ints) -> Ints:
    """The customers' numbers."""
    return keys & (1 << _BITS) - 1


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _numbers(known: dict[str, int], names: Sequence[str]) -> Ints:
    """The numbers of names; those that are new get the next ones."""
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)
