"""Which patterns hold between customers and merchants. Pure and exact: integers and fractions only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import NamedTuple

import numpy as np

from streamweir.contracts.merchant_patterns import Pattern, Rules
from streamweir.contracts.merchant_patterns.dataset import importance_columns, parse_weight, plain
from streamweir_spark.merchant_patterns.pairs import Ints, Pairs, customer_of, merchant_of

Places = Mapping[str, Mapping[str, int]]
"""By merchant and customer the place of the pair's weight among all weights: equal weights have the same."""


class Found(NamedTuple):
    """A pattern that holds; in the order in which detections are numbered."""

    pattern: Pattern
    merchant: str
    customer: str


def percentile_disc(ascending: Sequence[int] | Ints, share: Fraction) -> int:
    """The smallest of these values whose cumulative share is at least `share`; there is one at least."""
    return int(ascending[max(ceil(share * len(ascending)), 1) - 1])


def holding(pairs: Pairs, touched: Ints, rules: Rules, places: Places) -> Iterator[Found]:
    """Which patterns hold at the merchants of some pairs.

    touched: the keys of the pairs of which something changed; of the others CHILD is what it was.
    """
    merchants, customers = list(pairs.merchants), list(pairs.customers)
    for key in _children(pairs, touched, rules):
        yield Found(Pattern.CHILD, merchants[merchant_of(key)], customers[customer_of(key)])
    starts = pairs.starts()
    columns = (pairs.number, pairs.female, pairs.male)
    transactions, female, male = (np.add.reduceat(one, starts, dtype=np.int64) for one in columns)
    ends = np.append(starts[1:], len(pairs.key))
    for one in np.unique(merchant_of(touched)):
        name, own = merchants[one], slice(starts[one], ends[one])
        if transactions[one] > rules.upgrade_above and name in places:
            names = [customers[number] for number in customer_of(pairs.key[own]).tolist()]
            for customer in _upgraded(names, pairs.number[own], rules.share, places[name]):
                yield Found(Pattern.UPGRADE, name, customer)
        if rules.female_above < female[one] < male[one]:
            yield Found(Pattern.DEI_NEEDED, name, "")


def _children(pairs: Pairs, touched: Ints, rules: Rules) -> Ints:
    """The keys of the pairs for which CHILD holds."""
    at = pairs.places(touched)
    at = at[pairs.number[at] >= rules.child_from]
    # Python's ints hold every product.
    number, total = pairs.number[at].astype(object), pairs.total[at].astype(object)
    holds = total * rules.child_mean.denominator < number * rules.child_mean.numerator
    return pairs.key[at[holds.astype(bool)]]


def _upgraded(
    customers: Sequence[str], numbers: Ints, share: Fraction, places: Mapping[str, int]
) -> Iterator[str]:
    """Who of a merchant's customers is. numbers: of their transactions. places: of those with a weight."""
    place = np.array([places.get(one, -1) for one in customers])
    known = np.sort(place[place >= 0])
    if not len(known):
        return
    least, most = percentile_disc(np.sort(numbers), 1 - share), percentile_disc(known, share)
    for at in np.flatnonzero((numbers >= least) & (place >= 0) & (place <= most)).tolist():
        yield customers[at]


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
