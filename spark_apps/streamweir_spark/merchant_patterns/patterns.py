"""Which patterns hold between customers and merchants. Pure and exact: integers and fractions only."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from streamweir.contracts.merchant_patterns import Pattern, Rules
from streamweir.contracts.merchant_patterns.dataset import importance_columns, parse_weight, plain

Places = Mapping[str, Mapping[str, int]]
"""By merchant and customer the place of the pair's weight among all weights: equal weights have the same."""


class Found(NamedTuple):
    """A pattern that holds; in the order in which detections are numbered."""

    pattern: Pattern
    merchant: str
    customer: str


@dataclass
class Merchant:
    """What is remembered of a merchant.

    transactions: how many. customers: by name their number of transactions, and the sum in units. female,
    male: its customers of these genders.
    """

    transactions: int = 0
    customers: dict[str, tuple[int, int]] = field(default_factory=dict)
    female: set[str] = field(default_factory=set)
    male: set[str] = field(default_factory=set)

    def add(self, customer: str, number: int, total: int) -> None:
        """Count transactions of a customer."""
        before = self.customers.get(customer, (0, 0))
        self.customers[customer] = (before[0] + number, before[1] + total)
        self.transactions += number


def percentile_disc(ascending: Sequence[int], share: Fraction) -> int:
    """The smallest of these values whose cumulative share is at least `share`; there is one at least."""
    return ascending[max(ceil(share * len(ascending)), 1) - 1]


def holding(
    name: str, merchant: Merchant, touched: Collection[str], rules: Rules, places: Mapping[str, int]
) -> Iterator[Found]:
    """Which patterns hold at a merchant.

    touched: its customers of whom something changed; of the others CHILD is what it was. places: of its
    customers that have a weight.
    """
    if merchant.transactions > rules.upgrade_above:
        yield from (Found(Pattern.UPGRADE, name, one) for one in _upgraded(merchant, rules.share, places))
    for one in touched:
        number, total = merchant.customers[one]
        if number >= rules.child_from and total < rules.child_mean * number:
            yield Found(Pattern.CHILD, name, one)
    if rules.female_above < len(merchant.female) < len(merchant.male):
        yield Found(Pattern.DEI_NEEDED, name, "")


def _upgraded(merchant: Merchant, share: Fraction, places: Mapping[str, int]) -> Iterator[str]:
    weighed = [one for one in merchant.customers if one in places]
    if not weighed:
        return
    least = percentile_disc(sorted(number for number, _ in merchant.customers.values()), 1 - share)
    most = percentile_disc(sorted(map(places.__getitem__, weighed)), share)
    for one in weighed:
        if merchant.customers[one][0] >= least and places[one] <= most:
            yield one


def places_of(rows: Iterable[Mapping[str, str]], rules: Rules) -> dict[str, dict[str, int]]:
    """The places of the weights in the importance rows, of which a pair may have many."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    columns: tuple[str, str, str] | tuple[()] = ()
    for row in rows:
        columns = columns or importance_columns(list(row))
        customer, merchant, weight = (row[name] for name in columns)
        pair = (plain(merchant), plain(customer))
        number, total = sums.get(pair, (0, 0))
        sums[pair] = (number + 1, total + parse_weight(weight))
    of_pair = {
        pair: Fraction(total, 1 if rules.total_weight else number) for pair, (number, total) in sums.items()
    }
    place = {one: at for at, one in enumerate(sorted(set(of_pair.values())))}
    found: dict[str, dict[str, int]] = {}
    for (merchant, customer), one in of_pair.items():
        found.setdefault(merchant, {})[customer] = place[one]
    return found
